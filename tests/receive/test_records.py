"""The records that outcomes become: each on its topic, with its key, and the same if the delivery comes again."""

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from receive.deliveries import AT, SOURCES, deliveries, reader

from schemas.dead_letter import DeadLetter, Reason
from worker.flow import events
from worker.flow.batch import MemoryRecord, Output
from worker.flow.messages import fetch_order, response_part
from worker.flow.messages.fetch_order import FetchOrder, Get
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.canonical import checked
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Part, Refused, Why
from worker.flow.timestamps import HOUR
from worker.receive.entries import entries
from worker.receive.records import Delivery, records
from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import Unauthentic

POLICY = IntakePolicy()
DELIVERY = Delivery("source", b'{"a": "b"}', AT)
FIELDS = {
    "response_id": "typeform:1",
    "survey_id": "typeform:f",
    "customer_id": "c-1",
    "score": 3,
    "responded_at": "2026-03-02T10:00:00Z",
}


def accepted(**changes: Any) -> Accepted:
    return checked({**FIELDS, **changes})


def read(output: Output | None) -> MemoryRecord:
    assert output is not None
    return MemoryRecord(output.topic, 0, 0, AT, output.key, output.value, output.headers)


def letter(output: Output | None) -> DeadLetter:
    record = read(output)
    assert record.topic == events.DEAD_LETTERS
    return DeadLetter.model_validate_json(record.value or b"")


def test_a_response_has_the_key_of_its_customer() -> None:
    [one] = records((accepted(),), DELIVERY, POLICY)
    record = read(one.output)

    assert (events.RESPONSES, b"c-1") == (record.topic, record.key)
    assert bare.read(record.value or b"").response_id == "typeform:1"
    assert record.headers == [("nps-source", DELIVERY.source.encode())]


def test_a_response_has_the_headers_that_its_publisher_has_said() -> None:
    headers = (("ce_id", b"e-1"), ("content-type", b"application/json"))
    [one] = records((replace(accepted(), headers=headers),), DELIVERY, POLICY)

    assert [*headers, ("nps-source", b"source")] == read(one.output).headers


def test_an_anonymous_response_has_no_key() -> None:
    [one] = records((accepted(anonymous=True, customer_id=None),), DELIVERY, POLICY)

    assert read(one.output).key is None


def test_a_part_waits_for_the_other_parts_of_its_response() -> None:
    part = Part("survicate:1", "q1", AT, {"score": 3})
    [one] = records((part,), DELIVERY, POLICY)

    assert one.outcome == part
    assert ("source", *vars(part).values()) == response_part.read(read(one.output))


def test_an_answer_that_has_to_be_fetched_becomes_an_order() -> None:
    fetch = Fetch({"details": Get("/v3/surveys/1", {"page": "2"})}, {"id": "1"})
    [one] = records((fetch,), DELIVERY, POLICY)
    order = fetch_order.read(read(one.output))

    assert FetchOrder("source", {"details": Get("/v3/surveys/1", {"page": "2"})}, {"id": "1"}) == order


def test_what_is_ignored_becomes_no_record() -> None:
    ignored = Ignored(Why.DISMISSED)

    assert [(ignored, None)] == records((ignored,), DELIVERY, POLICY)


def test_what_is_refused_becomes_a_dead_letter_with_the_body() -> None:
    [one] = records((Refused(Reason.NOT_NPS_SCALE, "score: is no score"),), DELIVERY, POLICY)
    found = letter(one.output)

    assert ("not_nps_scale", "score: is no score") == (found.reason, found.detail)
    assert ("receive/source", -1, -1) == (found.topic, found.partition, found.offset)
    assert DELIVERY.body == b64decode(found.payload or "")
    assert (len(DELIVERY.body), False) == (found.payload_bytes, found.truncated)
    assert AT == found.timestamp.timestamp() * 1_000
    assert dict(read(one.output).headers)["ce_id"] == found.dead_letter_id.encode()


def test_a_delivery_that_comes_again_has_the_same_dead_letters_and_another_one_has_others() -> None:
    refused = Refused(Reason.NOT_JSON, "byte 1")

    def id_in(delivery: Delivery) -> str:
        [one] = records((refused,), delivery, POLICY)
        return letter(one.output).dead_letter_id

    first = id_in(DELIVERY)
    assert first == id_in(DELIVERY._replace(at=AT + HOUR))
    assert len({first, id_in(DELIVERY._replace(body=b"{}")), id_in(DELIVERY._replace(source="other"))}) == 3


def test_all_that_is_refused_in_a_delivery_becomes_one_dead_letter() -> None:
    """Each would have the whole body otherwise, so that 60 kB became 443 MB."""
    refused = [Refused(Reason.NOT_NPS_SCALE if n else Reason.NOT_JSON, f"answer {n}") for n in range(12)]
    found = records((accepted(), *refused, accepted()), DELIVERY, POLICY)
    has_record = [one.output is not None for one in found]
    one = letter(found[1].output)

    assert [True, True, *[False] * 11, True] == has_record
    assert (Reason.NOT_JSON, DELIVERY.body) == (one.reason, b64decode(one.payload or ""))
    assert "; ".join([*(f"answer {n}" for n in range(10)), "and 2 more"]) == one.detail


def test_a_body_that_is_too_long_is_cut_off_in_the_dead_letter() -> None:
    [one] = records((Refused(Reason.NOT_JSON, ""),), DELIVERY, IntakePolicy(dead_letter_payload_bytes=3))

    assert (b'{"a', True) == (b64decode(letter(one.output).payload or ""), letter(one.output).truncated)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"responded_at": "2026-03-09T10:00:00Z"}, Reason.TIME_FUTURE),
        ({"responded_at": "1960-03-09T10:00:00Z"}, Reason.TIME_INVALID),
        ({"comment": "a" * 2_000}, Reason.TOO_LARGE),
    ],
)
def test_what_the_intake_would_refuse_is_refused_at_once(changes: dict[str, Any], reason: Reason) -> None:
    given = replace(accepted(**changes), place="answer 1 of 2: ")
    [one, other] = records((given, accepted()), DELIVERY, IntakePolicy(max_bytes=1_000))

    assert isinstance(one.outcome, Refused)
    assert one.outcome.detail.startswith("answer 1 of 2: ")
    assert (reason, reason) == (one.outcome.reason, letter(one.output).reason)
    assert isinstance(other.outcome, Accepted)


@pytest.mark.parametrize("tool", SOURCES)
def test_every_delivery_of_the_fixtures_becomes_records(tool: str) -> None:
    for delivery in deliveries(tool):
        found = reader(tool).read("source", delivery.request, AT)
        if isinstance(found, Unauthentic):
            continue
        written = records(found, Delivery("source", delivery.request.body, AT), POLICY)
        letters = [one for one in written if one.output is not None and one.output.topic == events.DEAD_LETTERS]
        assert len(letters) == any(isinstance(one.outcome, Refused) for one in written)
        for one in written:
            assert (one.output is None) is isinstance(one.outcome, Ignored) or isinstance(one.outcome, Refused)


def test_each_source_is_an_entry_that_says_whether_its_deliveries_have_the_secret() -> None:
    sources = [
        {"name": "signed", "tool": "typeform", "secrets": ["s"]},
        {"name": "header", "tool": "template", "secrets": ["s"]},
        {"name": "path", "tool": "template", "secrets": ["s"], "signature": "secret-path"},
    ]
    found = entries(ReceiveSettings.model_validate({"sources": sources}))

    assert {"signed": False, "header": True, "path": True} == {name: one.has_secret for name, one in found.items()}


def test_an_entry_verifies_and_reads_the_deliveries_of_its_source() -> None:
    source = {"name": "source", "tool": "delighted", "secrets": ["demo"]}
    entry = entries(ReceiveSettings.model_validate({"sources": [source]}))["source"]
    request = next(deliveries("delighted")).request

    assert Unauthentic.SIGNATURE_WRONG == entry.verify(request._replace(body=request.body + b" "), AT)
    assert Unauthentic.SIGNATURE_MISSING == entry.verify(request._replace(headers={}), AT)
    assert isinstance(entry.read(request)[0], Accepted | Refused)
