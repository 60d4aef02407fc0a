"""What is written of a part of a response is read again, whatever a tool has put into it."""

import json
from typing import Any

import pytest

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import MemoryRecord
from worker.flow.messages import response_part
from worker.flow.messages.response_part import ResponsePart

PART = ResponsePart("onsite", "survicate:r-1", "q-1", 1_772_440_000_000, {"score": 2, "comment": "Half: \ud83d, é"})


def record(value: Any, key: bytes | None = b"survicate:r-1") -> MemoryRecord:
    encoded = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return MemoryRecord("nps.response-parts", 1, 2, 3, key, encoded, [])


def test_a_part_comes_back_as_it_was_and_lies_where_all_parts_of_its_response_are() -> None:
    sent = response_part.output(PART)

    assert (sent.topic, sent.key, sent.partition) == ("response-parts", b"survicate:r-1", None)
    assert response_part.read(record(sent.value)) == PART


def test_what_a_later_version_adds_is_not_read() -> None:
    assert response_part.read(record({**PART._asdict(), "later": [1]})) == PART


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, b"survicate:r-1"),
        (b"\xff", b"survicate:r-1"),
        (b"[" * 100_000, b"survicate:r-1"),
        ([], b"survicate:r-1"),
        ({**PART._asdict(), "source": None}, b"survicate:r-1"),
        ({**PART._asdict(), "response_id": ""}, b""),
        ({**PART._asdict(), "part": 1}, b"survicate:r-1"),
        ({**PART._asdict(), "at": "1"}, b"survicate:r-1"),
        ({**PART._asdict(), "fields": []}, b"survicate:r-1"),
        (PART._asdict(), b"survicate:r-2"),
        (PART._asdict(), None),
    ],
)
def test_what_no_receiver_writes_is_refused(value: Any, key: bytes | None) -> None:
    with pytest.raises(Rejected) as raised:
        response_part.read(record(value, key))
    assert raised.value.reason is Reason.WRONG_TYPE
