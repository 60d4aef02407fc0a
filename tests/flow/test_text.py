import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.text import clean, field


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
