"""Dead letters as an operator reads them."""

import pytest

from schemas import examples
from schemas.dead_letter import DeadLetter
from worker.dead_letters import lines, printable

LETTER = DeadLetter.model_validate(examples.DEAD_LETTER, strict=False)


def test_a_dead_letter_says_when_where_why_and_what() -> None:
    assert lines(LETTER, None) == [
        "2026-03-02 08:15:44 UTC  score_out_of_range  nps.responses, partition 1, offset 9917",
        "  why    score: expected a whole number from 0 to 10",
        "  key    c-5120",
        '  value  {"response_id":"r-20463","customer_id":"c-5120","score":11}',
    ]


def test_a_delivery_by_http_has_neither_a_place_on_a_topic_nor_a_key() -> None:
    changes = {"topic": "receive/care", "partition": -1, "offset": -1, "key": None}
    assert lines(LETTER.model_copy(update=changes), None) == [
        "2026-03-02 08:15:44 UTC  score_out_of_range  receive/care",
        "  why    score: expected a whole number from 0 to 10",
        '  body   {"response_id":"r-20463","customer_id":"c-5120","score":11}',
    ]


def test_no_line_is_longer_than_the_terminal() -> None:
    assert max(map(len, lines(LETTER, 40))) == 40
    assert lines(LETTER, 40)[3].endswith("…")


def test_what_was_not_there_is_said_to_be_none_and_a_cut_value_to_be_cut() -> None:
    bare = LETTER.model_copy(update={"key": None, "payload": None})
    cut = LETTER.model_copy(update={"truncated": True, "payload_bytes": 1_000_000})

    assert lines(bare, None)[2:] == ["  key    none", "  value  none"]
    assert lines(cut, None)[3].endswith('"score":11} (the first 59 of 1,000,000 bytes)')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Zoé, 👩 ok".encode(), "Zoé, 👩 ok"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"a\x1b[31mb\nc\x00", "a\\x1b[31mb\\nc\\x00"),
        ("a\u202eb\u2028c\u200b".encode(), "a\\u202eb\\u2028c\\u200b"),
    ],
)
def test_a_terminal_obeys_nothing_in_what_is_shown(value: bytes, expected: str) -> None:
    assert expected == printable(value)
