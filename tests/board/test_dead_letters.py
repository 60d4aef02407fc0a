"""The latest dead letters: what was refused, why, and what it said."""

import pytest
from board.records import dead_letter
from flow.records import NOW, Record

from worker.board.dead_letters import DeadLetters, LetterQuery
from worker.board.newest import Bounds
from worker.board.unreadable import UNREADABLE


def letters(*records: Record) -> DeadLetters:
    found = DeadLetters()
    for one in records:
        found.take(one)
    return found


def test_a_dead_letter_has_the_place_the_reason_and_the_value() -> None:
    found = letters(dead_letter())
    letter = found.find("b7b4d719-58ca-5a4b-9fac-8e2a730f3c48")
    assert letter is not None
    assert (letter.topic, letter.partition, letter.offset, letter.key) == ("nps.responses", 1, 9917, b"c-5120")
    assert letter.payload == b'{"response_id":"r-20463","customer_id":"c-5120","score":11}'
    assert (letter.truncated, letter.was_delivered) == (False, False)
    assert found.find("other") is None


def test_each_filter_takes_what_fits() -> None:
    found = letters(
        dead_letter(NOW, dead_letter_id="a"),
        dead_letter(NOW + 1, dead_letter_id="b", reason="not_json", key=None, payload=None),
        dead_letter(NOW + 2, dead_letter_id="c", topic="receive/shop", partition=-1, offset=-1),
    )
    assert [one.id for one in found.latest(LetterQuery()).entries] == ["c", "b", "a"]
    assert [one.id for one in found.latest(LetterQuery(reason="not_json")).entries] == ["b"]
    assert [one.id for one in found.latest(LetterQuery(topic="receive/shop")).entries] == ["c"]
    assert found.reasons() == {"score_out_of_range": 2, "not_json": 1}
    assert [one.was_delivered for one in found.latest(LetterQuery()).entries] == [True, False, False]


def test_a_delivery_that_is_repeated_is_one_dead_letter() -> None:
    found = letters(dead_letter(NOW), dead_letter(NOW + 1, detail="again"))
    assert [one.detail for one in found.latest(LetterQuery()).entries] == ["again"]
    assert len(found) == 1


def test_old_ones_and_a_partition_are_forgotten() -> None:
    found = DeadLetters(Bounds(2))
    for number in range(5):
        found.take(dead_letter(NOW + number, dead_letter_id=f"d-{number}"))
    assert [one.id for one in found.latest(LetterQuery()).entries] == ["d-4", "d-3"]
    assert found.find("d-0") is None
    found.forget(0)
    assert (len(found), found.find("d-4")) == (0, None)


def test_what_is_no_dead_letter_is_refused() -> None:
    for one in (Record(b"{}"), dead_letter(payload="no base64"), dead_letter(key="é")):
        with pytest.raises(UNREADABLE):
            letters(one)
