"""What is wrapped around the deliveries on a topic, as Kafka Connect and Debezium write it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from worker.flow.responses.formats.outcome import Ignored, NoResponse, Refused, Why
from worker.receive.unwrapping import Unwrap, unwrapped

ROW = {"id": 7, "score": 3, "comment": "Trop cher é\ud83d"}
CHANGE = {"before": None, "after": ROW, "source": {"connector": "postgresql"}, "op": "c", "ts_ms": 1}


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def ended(value: bytes, wrapped_in: Unwrap) -> Ignored | Refused:
    with pytest.raises(NoResponse) as caught:
        unwrapped(value, wrapped_in)
    return caught.value.outcome


@pytest.mark.parametrize(
    ("value", "wrapped_in"),
    [
        (ROW, Unwrap.NONE),
        ({"schema": {"type": "struct"}, "payload": ROW}, Unwrap.CONNECT),
        ({"payload": ROW}, Unwrap.CONNECT),
        ({"schema": {"type": "string"}, "payload": json.dumps(ROW)}, Unwrap.CONNECT),
        (CHANGE, Unwrap.DEBEZIUM),
        (CHANGE | {"op": "u", "before": {"id": 7}}, Unwrap.DEBEZIUM),
        (CHANGE | {"op": "r"}, Unwrap.DEBEZIUM),
        ({"schema": {"type": "struct"}, "payload": CHANGE}, Unwrap.DEBEZIUM),
        (CHANGE | {"after": json.dumps(ROW)}, Unwrap.DEBEZIUM),
    ],
)
def test_a_delivery_is_found_in_what_wraps_it(value: Any, wrapped_in: Unwrap) -> None:
    assert json.loads(unwrapped(text(value), wrapped_in)) == ROW


def test_what_is_not_wrapped_stays_as_it_is_byte_for_byte() -> None:
    assert unwrapped(b'{"a":  1}\n', Unwrap.NONE) == b'{"a":  1}\n'


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (CHANGE | {"op": "d", "before": ROW, "after": None}, Why.OTHER_EVENT),
        (CHANGE | {"op": "t", "after": None}, Why.OTHER_EVENT),
        ({"op": "m", "message": {"prefix": "a"}}, Why.OTHER_EVENT),
        ({"schema": None, "payload": None}, Why.EMPTY),
    ],
    ids=["deleted", "truncated", "message", "tombstone with a schema"],
)
def test_a_change_without_a_row_is_ignored(change: Any, why: Why) -> None:
    outcome = ended(text(change), Unwrap.DEBEZIUM)

    assert isinstance(outcome, Ignored)
    assert outcome.why is why


@pytest.mark.parametrize(
    ("value", "wrapped_in", "reason", "part"),
    [
        (b"\x00\x00\x00\x00\x07avro", Unwrap.NONE, Reason.NOT_OF_THIS_TOOL, "Avro and Protobuf"),
        (b"\x00\x00\x00\x00\x07avro", Unwrap.DEBEZIUM, Reason.NOT_OF_THIS_TOOL, "let the connector write JSON"),
        (b"", Unwrap.CONNECT, Reason.NOT_JSON, "byte 0"),
        (b"[]", Unwrap.CONNECT, Reason.NOT_AN_OBJECT, "expected an object"),
        (text(ROW), Unwrap.CONNECT, Reason.NOT_OF_THIS_TOOL, "JsonConverter"),
        (text({"payload": ROW, "other": 1}), Unwrap.CONNECT, Reason.NOT_OF_THIS_TOOL, "JsonConverter"),
        (text(ROW), Unwrap.DEBEZIUM, Reason.NOT_OF_THIS_TOOL, "op and after"),
        (text(CHANGE | {"after": None}), Unwrap.DEBEZIUM, Reason.NOT_OF_THIS_TOOL, "op and after"),
        (text({"payload": 7}), Unwrap.DEBEZIUM, Reason.NOT_AN_OBJECT, "expected an object"),
        (b"\xff{}", Unwrap.DEBEZIUM, Reason.INVALID_UTF8, "UTF-8"),
    ],
)
def test_what_is_wrapped_otherwise_is_refused_with_a_reason(
    value: bytes, wrapped_in: Unwrap, reason: Reason, part: str
) -> None:
    outcome = ended(value, wrapped_in)

    assert isinstance(outcome, Refused)
    assert outcome.reason is reason
    assert part in outcome.detail


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["op", "after", "payload", "schema", "x"]), inner, max_size=4),
    max_leaves=6,
)


@given(st.binary(max_size=40) | _JSON.map(text), st.sampled_from(Unwrap))
def test_whatever_lies_there_it_is_a_delivery_or_ends_with_an_outcome(value: bytes, wrapped_in: Unwrap) -> None:
    with suppress(NoResponse):
        assert isinstance(unwrapped(value, wrapped_in), bytes)


@pytest.mark.parametrize("levels", [500, 900, 950, 980, 990, 100_000])
def test_values_that_are_nested_deeply_end_with_an_outcome_at_most(levels: int) -> None:
    with suppress(NoResponse):
        unwrapped(b'{"payload":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}", Unwrap.CONNECT)
