import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.notify.channels.email.plain_text import header_line, lines, one_line, quoted, shortened, wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\r\nb\nc\rd", "a b c d"),
        ("a\v\f\x85\u2028\u2029b", "a b"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("  a\t\tb  ", "a b"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("half \ud800 pair", "half pair"),
        ("👩\u200d👧 et Zoé", "👩\u200d👧 et Zoé"),
    ],
)
def test_one_line_keeps_what_can_be_read(text: str, expected: str) -> None:
    assert expected == one_line(text, 100)


def test_lines_keep_paragraphs_and_no_more() -> None:
    assert lines("\r\n\r\n one\r\ntwo \n\n\n\nthree\n\n") == "one\ntwo\n\nthree"


@pytest.mark.parametrize(("limit", "expected"), [(5, "abcde"), (4, "abc…"), (1, "…")])
def test_a_long_text_ends_in_an_ellipsis(limit: int, expected: str) -> None:
    assert expected == shortened("abcde", limit)


def test_an_encoded_word_stays_what_it_looks_like() -> None:
    assert header_line("=?utf-8?q?=0D=0ABcc:_x?=", 100) == "= ?utf-8?q?=0D=0ABcc:_x?="


def test_text_is_folded_between_words() -> None:
    folded = wrapped("word " * 40, "- ", "  ")

    assert all(len(row) <= 72 for row in folded.split("\n"))
    assert [row[:6] for row in folded.split("\n")][:2] == ["- word", "  word"]


def test_an_address_is_never_broken() -> None:
    address = "https://example.org/" + "a-" * 100

    assert f"> see\n> {address}" == quoted(f"see {address}")


def test_an_empty_line_is_quoted_without_a_blank_at_its_end() -> None:
    assert quoted("a\n\nb") == "> a\n>\n> b"


@given(st.text(st.characters(codec=None)), st.integers(1, 50))
def test_one_line_is_one_bounded_line(text: str, limit: int) -> None:
    line = one_line(text, limit)

    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(codec=None)))
def test_lines_have_only_newlines(text: str) -> None:
    assert not {unicodedata.category(c) for c in lines(text) if c != "\n"} & {"Cc", "Cs", "Zl", "Zp"}
