import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.text import clean, field, https_link, language, on_lines, on_one_line, printable_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Trois semaines\tde retard.\r\nPersonne !", "Trois semaines\tde retard.\r\nPersonne !"),
        ("a\x00b", "ab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("a\x7fb\x9fc\x0bd\x0c", "abcd"),
        ("\x00\x1f", ""),
        ("", ""),
        ("😀 é \u2028", "😀 é \u2028"),
    ],
)
def test_control_characters_go_and_line_ends_and_tabs_stay(text: str, expected: str) -> None:
    assert expected == clean(text)


@given(st.text())
def test_nothing_else_is_touched(text: str) -> None:
    kept = [c for c in text if c in "\t\r\n" or not (ord(c) < 32 or 127 <= ord(c) < 160)]

    assert "".join(kept) == clean(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", ""),
        ("Marie\x1b[31m", "Marie[31m"),
        ("é" * 300, "é" * 300),
        ("é" * 301, "é" * 300),
        ("\x00" * 300 + "a", "a"),
    ],
)
def test_a_customers_field_is_cleaned_and_not_too_long(text: str | None, expected: str | None) -> None:
    assert expected == field(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("fr", "fr"),
        ("en-GB", "en-GB"),
        ("français du Québec", "français du Québec"),
        ("fr\x00\r\nX-Header: a", "frX-Header: a"),
        ("\u202efr\u200b", "fr"),
        (" \u2066\t ", None),
    ],
)
def test_of_a_language_only_what_can_be_seen_is_passed_on(text: str | None, expected: str | None) -> None:
    assert expected == language(text)


@pytest.mark.parametrize(
    "odd", [" ", "\n", "\r\n", "\t", "\x00", "\x1b", "\x85", "\u00ad", "\u200b", "\u202e", "\u2028"]
)
def test_an_address_with_what_cannot_be_seen_is_none(odd: str) -> None:
    assert https_link("https://survey.example/é") == "https://survey.example/é"
    assert https_link(f"https://survey.example/{odd}a") is None
    assert https_link(f"https://survey.example/a{odd}") is None


def test_a_text_for_a_terminal_is_one_line_with_nothing_that_it_obeys() -> None:
    assert on_one_line(" a\tb\r\nc\x1b[31m\x9bd\u202ee\u2066f \ud83d") == "a b c[31mdef"
    assert on_one_line("\u202e\n ") == ""
    assert on_one_line("Zoé 👩‍🚀 \u200fشكرا") == "Zoé 👩‍🚀 \u200fشكرا"


def test_a_text_of_several_lines_keeps_its_line_ends() -> None:
    assert on_lines("\n  first\u202e \r\n\n\x1bsecond\t!\n \n") == "first\n\nsecond !"
    assert on_lines(" \n\u202e") == ""


@given(st.text())
def test_a_text_in_json_begins_no_line_and_commands_no_terminal(text: str) -> None:
    shown = printable_json({"comment": text}, indent=2)

    assert 3 == len(shown.splitlines())
    assert on_lines(shown) == shown
    assert {"comment": text} == json.loads(shown)


def test_letters_stay_readable_in_json() -> None:
    assert '"é😀 \\u2028\\u009b\\u202e"' == printable_json("é😀 \u2028\x9b\u202e")
