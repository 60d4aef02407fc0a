"""A payload of another tool is accepted by one function, which the content type of its records names: a double here."""

import json
from typing import Any

import pytest
from flow.carrying import Partition, numbered, spread
from flow.records import Record, arrived, of, value

from schemas.response import Response
from worker.flow import events
from worker.flow.responses import formats
from worker.flow.responses.formats import bare

CONTENT_TYPE = b"application/vnd.pulse.answer+json"


#: What "Pulse" calls the fields of a response.
NAMES = {"response_id": "token", "survey_id": "name", "customer_id": "who", "score": "points", "responded_at": "sent"}


def read_pulse(payload: bytes) -> Response:
    """Return the response in a payload of the tool "Pulse"."""
    form: dict[str, Any] = json.loads(payload)["form"]
    response = {ours: form[theirs] for ours, theirs in NAMES.items() if theirs in form}
    return bare.read(json.dumps(response | {"segment": form["where"].split(">")}).encode())


@pytest.fixture(autouse=True)
def _pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, CONTENT_TYPE: read_pulse})


def pulse(content_type: bytes = CONTENT_TYPE, key: bytes = b"c-1", **changes: Any) -> Record:
    usual = {"token": "r-1", "name": "autumn", "who": "c-1", "points": 2, "sent": "2023-11-14T22:00:00Z"}
    form = {**usual, "where": "fr>lyon", **changes}
    return Record(json.dumps({"form": form}).encode(), key, headers=[("content-type", content_type)])


def test_it_is_decided_like_the_same_response_in_the_tools_own_form() -> None:
    bare_response = Record(value(score=2, segment=["fr", "lyon"]))
    outputs = Partition().carry(numbered([pulse()]))

    assert outputs == Partition().carry(numbered([bare_response]))
    [alert] = of(events.ALERTS, outputs)
    assert (alert["score"], alert["segment"], alert["customer_id"]) == (2, "fr/lyon", "c-1")


def test_a_copy_in_another_form_is_a_duplicate() -> None:
    outputs = Partition().carry(numbered([pulse(), Record(value(score=2, segment=["fr", "lyon"]))]))

    assert [decision["outcome"] for decision in of(events.DECISIONS, outputs)] == ["accepted", "duplicate"]


def test_the_content_type_may_have_parameters() -> None:
    assert formats.format_of(pulse(CONTENT_TYPE + b"; charset=utf-8")) is read_pulse


@pytest.mark.parametrize("content_type", [b"", b"application/json", b"application/vnd.other+json"])
def test_every_other_content_type_stands_for_a_response_as_json(content_type: bytes) -> None:
    assert formats.format_of(pulse(content_type)) is bare.read
    assert formats.format_of(Record(b"{}")) is bare.read


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"points": 11}, "score_out_of_range", "score: expected a whole number from 0 to 10"),
        ({"who": ""}, "id_empty", "customer_id: must not be empty, unless anonymous is true"),
    ],
)
def test_what_is_wrong_with_it_makes_a_dead_letter_that_keeps_the_payload(
    changes: dict[str, Any], reason: str, detail: str
) -> None:
    record = pulse(**changes)
    [letter] = of(events.DEAD_LETTERS, Partition().carry(numbered([record])))

    assert (letter["reason"], letter["detail"]) == (reason, detail)
    assert letter["payload_bytes"] == len(record.value or b"")


def test_under_a_wrong_key_it_is_rerouted_as_it_came_and_decided_there() -> None:
    here, there = spread(b"other"), spread(b"c-1")
    assert here != there
    outputs = Partition(here, spread).carry(numbered([pulse(key=b"other")], partition=here))
    [rerouted] = arrived(outputs, events.RESPONSES, partition=there)

    assert of(events.ALERTS, outputs) == []
    assert len(of(events.ALERTS, Partition(there, spread).carry([rerouted]))) == 1
