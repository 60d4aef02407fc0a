import re
import textwrap
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.notify.content import plain_text
from worker.notify.content.plain_text import header_line, lines, one_line, quoted, shortened, titled, wrapped


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


# What the code does by searching is defined here by character, and by textwrap.

DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
BLANKS = " \t\n\r\v\f\x1c\x1f\x85\xa0\u2009\u2028\u202f\u3000"
#: Texts of words and of what separates them, with the characters that are special here.
TEXTS = st.lists(
    st.text("aé-😀.", min_size=1, max_size=90) | st.text(BLANKS, max_size=3) | st.just(" ") | st.characters(codec=None)
).map("".join)
INDENT = st.sampled_from(["", "  ", "> ", "- "])


@given(TEXTS)
def test_one_line_has_each_character_that_can_be_printed(text: str) -> None:
    spaced = re.sub("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029\t]", " ", text)
    kept = "".join(c for c in spaced if c not in DIRECTIONS and unicodedata.category(c) not in ("Cc", "Cs"))
    seen = any(c not in plain_text._FILLERS and unicodedata.category(c) not in plain_text._UNSEEN for c in kept)

    assert one_line(text, len(text)) == (re.sub(" {2,}", " ", kept).strip() if seen else "")


def test_no_character_is_a_control_that_is_not_taken_out() -> None:
    special = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Cc", "Cs")]

    assert one_line(f"a{''.join(special)}{DIRECTIONS}b", 10_000) == "a b"


@given(TEXTS, INDENT, INDENT)
def test_text_is_folded_as_textwrap_does_it(text: str, first: str, then: str) -> None:
    # textwrap takes a word out that is a blank of another kind, where it stands at the end of a row.
    clean = "\n".join(" ".join(line.split()) for line in lines(text).split("\n"))
    expected = [
        textwrap.fill(
            line, 72, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
        )
        or first.rstrip()
        for line in clean.split("\n")
    ]

    assert wrapped(clean, first, then) == "\n".join(expected)


@given(TEXTS, INDENT)
def test_folding_loses_nothing(text: str, indent: str) -> None:
    line = one_line(text, len(text))

    assert " ".join(row[len(indent) :] for row in wrapped(line, indent, indent).split("\n")) == line


def test_a_title_is_underlined() -> None:
    assert titled("Le client") == "Le client\n---------"
