"""A dead letter says where a record was and how it began, and can be read by who gets it."""

import json
from base64 import b64decode
from typing import Any

import pytest
from flow.records import NOW, TOPIC, Record

from schemas.dead_letter import DeadLetter, Reason
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output, Place
from worker.flow.dead_letter import dead_letter
from worker.flow.policy import IntakePolicy
from worker.flow.timestamps import LATEST

WHY = Rejected(Reason.NOT_JSON, "value: Invalid JSON")


def letter(record: Record, place: Place | None = None, payload_bytes: int = 16_384) -> Output:
    place = place or Place(record.partition, record.offset)
    return dead_letter(record, place, WHY, TOPIC, IntakePolicy(dead_letter_payload_bytes=payload_bytes))


def event(output: Output) -> dict[str, Any]:
    DeadLetter.model_validate_json(output.value or b"", strict=True)
    found: dict[str, Any] = json.loads(output.value or b"")
    return found


def test_it_says_where_the_record_was_and_why_it_was_refused() -> None:
    output = letter(Record(b"{", b"c-1", 7, 3))
    found = event(output)

    assert found.pop("dead_letter_id").encode() == dict(output.headers)["ce_id"]
    assert found == {
        "reason": "not_json",
        "detail": "value: Invalid JSON",
        "topic": "nps.responses",
        "partition": 3,
        "offset": 7,
        "timestamp": "2023-11-14T22:13:20Z",
        "key": "Yy0x",
        "payload": "ew==",
        "payload_bytes": 1,
        "truncated": False,
    }
    assert (events.DEAD_LETTERS, b"c-1") == (output.topic, output.key)


@pytest.mark.parametrize(("size", "kept", "truncated"), [(9, 9, False), (10, 10, False), (11, 10, True)])
def test_a_large_value_is_cut_and_its_size_is_said(size: int, kept: int, *, truncated: bool) -> None:
    found = event(letter(Record(b"\xff" * size), payload_bytes=10))

    assert b"\xff" * kept == b64decode(found["payload"])
    assert (size, truncated) == (found["payload_bytes"], found["truncated"])


@pytest.mark.parametrize("value", [None, b"", b"x"])
def test_nothing_of_the_value_may_be_kept(value: bytes | None) -> None:
    found = event(letter(Record(value), payload_bytes=0))

    assert (None if value is None else "") == found["payload"]
    assert bool(value) == found["truncated"]


@pytest.mark.parametrize(
    ("key", "shown", "record_key"),
    [(None, None, b""), (b"", "", b""), (b"\xff\x00", "/wA=", b"\xff\x00")],
)
def test_the_key_is_shown_as_it_was(key: bytes | None, shown: str | None, record_key: bytes) -> None:
    output = letter(Record(b"{", key))

    assert shown == event(output)["key"]
    assert record_key == output.key


def test_a_huge_key_is_cut() -> None:
    output = letter(Record(b"{", b"k" * 1_000_000))

    assert b"k" * 1_000 == output.key == b64decode(event(output)["key"])


def test_the_letter_of_a_record_that_was_sent_on_names_its_first_place_and_so_is_the_same() -> None:
    assert letter(Record(b"{", None, 7, 3)) == letter(Record(b"{", None, 99, 1), Place(3, 7))


def test_every_place_has_a_letter_of_its_own() -> None:
    ids = {
        event(letter(Record(b"{", None, offset, partition)))["dead_letter_id"]
        for offset in (1, 2)
        for partition in (1, 2)
    }

    assert len(ids) == 4


def test_the_letters_time_is_the_records() -> None:
    output = letter(Record(b"{", timestamp=NOW + 1))

    assert event(output)["timestamp"] == "2023-11-14T22:13:20.001000Z"
    assert dict(output.headers)["ce_time"] == b"2023-11-14T22:13:20.001000+00:00"


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (-1, "1970-01-01T00:00:00Z"),
        (LATEST, "9999-12-31T23:59:59.999000Z"),
        (LATEST + 1, "9999-12-31T23:59:59.999000Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999000Z"),
    ],
)
def test_a_time_that_cannot_be_written_is_the_nearest_that_can(timestamp: int, shown: str) -> None:
    assert shown == event(letter(Record(b"{", timestamp=timestamp)))["timestamp"]
