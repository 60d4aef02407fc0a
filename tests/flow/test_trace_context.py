"""The trace context of a record: what is valid, what is left out, and which events carry it."""

import pytest
from flow.carrying import Partition, header_of, numbered
from flow.records import Record, happy, of, value
from flow.traces import context, packed, traced

from worker.flow import events
from worker.flow.trace_context import context_headers, context_of, is_sampled, trace_context, traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-03"),
        # A later version: only its sampled flag is known, and what it adds is left out.
        (f"01-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-02-what the future: will be", f"00-{TRACE}-{SPAN}-00"),
    ],
)
def test_a_valid_context_is_taken_in_the_form_of_the_known_version(text: str, expected: str) -> None:
    taken = trace_context(text)
    assert taken is not None
    assert (len(taken), traceparent(taken), is_sampled(taken)) == (25, expected.encode(), expected[-1] in "13")
    assert trace_context(expected) == taken


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01-m\u00f6re",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-\u0660{TRACE[1:]}-{SPAN}-01",
    ],
)
def test_an_invalid_context_is_ignored(text: str) -> None:
    assert trace_context(text) is None
    assert context_headers(context_of(Record(headers=[("traceparent", text.encode())]))) == []


@pytest.mark.parametrize("headers", [[], [("traceparent", None)], [("traceparent", b"\xff\x00")], [("x", b"y")]])
def test_a_record_without_a_context_has_none(headers: list[tuple[str, bytes | None]]) -> None:
    assert context_of(Record(headers=headers)) is None


def test_the_name_of_the_header_may_be_written_in_capitals() -> None:
    assert context_of(Record(headers=[("Traceparent", context(7).encode())])) == packed(7)


def test_an_alert_and_an_invitation_carry_the_context_of_their_response_and_nothing_else_does() -> None:
    records = numbered(
        [
            Record(value(response_id="r-1", score=1), headers=traced(1)),
            Record(happy(response_id="r-2", customer_id="c-2"), b"c-2", headers=traced(2)),
            Record(value(response_id="r-3", customer_id="c-3", score=1), b"c-3", headers=[("traceparent", b"x")]),
            Record(value(response_id="r-4", customer_id="c-4", score=1), b"c-4"),
        ]
    )
    outputs = Partition().carry(records)
    carried = [(output.topic, output.key, header) for output in outputs if (header := header_of(output, "traceparent"))]
    assert len(of(events.ALERTS, outputs)) == 3
    assert sorted(carried) == [
        (events.ALERTS, b"c-1", context(1).encode()),
        (events.INVITATIONS, b"c-2", context(2).encode()),
    ]


def test_a_step_of_an_alert_carries_the_context_of_the_response_that_has_caused_it() -> None:
    """The alert was opened by another response than the one that withdraws it."""
    records = numbered(
        [
            Record(value(score=1), headers=traced(1)),
            Record(value(score=9, revision=1), headers=traced(2)),
        ]
    )
    alerts = [output for output in Partition().carry(records) if output.topic == events.ALERTS]
    assert [header_of(output, "traceparent") for output in alerts] == [context(1).encode(), context(2).encode()]


def test_a_replay_publishes_equal_bytes() -> None:
    records = numbered([Record(value(score=1), headers=[("tracestate", b"a=b"), *traced(1), ("x", b"y")])])
    partition = Partition()
    first, again = partition.decide(records), partition.decide(records)
    assert first.outputs == again.outputs
    (alert,) = [output for output in first.outputs if output.topic == events.ALERTS]
    assert alert.headers[-1] == ("traceparent", context(1).encode())
    assert {"tracestate", "x"}.isdisjoint(name for name, _ in alert.headers)


def test_a_response_that_is_rerouted_keeps_its_context() -> None:
    (rerouted,) = Partition().carry([Record(value(score=1), b"other", headers=traced(1))])
    assert rerouted.topic == events.RESPONSES
    arrived = Record(rerouted.value, rerouted.key, 1, headers=rerouted.headers)
    (alert,) = [output for output in Partition().carry([arrived]) if output.topic == events.ALERTS]
    assert header_of(alert, "traceparent") == context(1).encode()
