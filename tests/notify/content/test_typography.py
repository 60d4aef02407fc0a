import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.notify.content.typography import NUMERALS_EN, NUMERALS_FR, french

MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "decimals", "english", "expected"),
    [
        (38.4, 0, "+38", "+38"),
        (-21.2, 0, "-21", f"{MINUS}21"),
        (38.44, 1, "+38.4", "+38,4"),
        (-21.0, 1, "-21.0", f"{MINUS}21,0"),
        (100.0, 0, "+100", "+100"),
        (0.0, 0, "0", "0"),
        (-0.4, 0, "0", "0"),
        (0.04, 1, "0.0", "0,0"),
        (-0.04, 1, "0.0", "0,0"),
        (-0.06, 1, "-0.1", f"{MINUS}0,1"),
        (10.0, 0, "+10", "+10"),
    ],
)
def test_points_have_a_sign_unless_they_are_zero_as_written(
    value: float, decimals: int, english: str, expected: str
) -> None:
    assert english == NUMERALS_EN.signed(value, decimals)
    assert expected == NUMERALS_FR.signed(value, decimals)


@pytest.mark.parametrize(
    ("number", "english", "expected"),
    [(0, "0", "0"), (268, "268", "268"), (1_004, "1,004", f"1{THIN}004"), (-1_000_000, "-1,000,000", None)],
)
def test_large_numbers_are_grouped(number: int, english: str, expected: str | None) -> None:
    assert english == NUMERALS_EN.count(number)
    assert (expected or f"{MINUS}1{THIN}000{THIN}000") == NUMERALS_FR.count(number)


@pytest.mark.parametrize(
    ("value", "english", "expected"),
    [(14.23, "14.2", "14,2"), (0.0, "0.0", "0,0"), (1234.5, "1,234.5", f"1{THIN}234,5")],
)
def test_amounts_have_one_decimal(value: float, english: str, expected: str) -> None:
    assert english == NUMERALS_EN.amount(value)
    assert expected == NUMERALS_FR.amount(value)


@given(st.integers() | st.just(10**4_299) | st.just(-(10**4_299)), st.floats())
def test_no_number_is_too_odd_to_be_written(number: int, value: float) -> None:
    for numerals in (NUMERALS_EN, NUMERALS_FR):
        for text in (numerals.count(number), numerals.amount(value), numerals.signed(value), numerals.signed(value, 0)):
            assert text
            assert text.isprintable() or THIN in text


def test_french_has_no_plain_space_before_high_punctuation_and_percent_signs() -> None:
    assert french("« a » ; b : 95 % ! ? c") == (
        "«\N{NO-BREAK SPACE}a\N{NO-BREAK SPACE}»\N{NO-BREAK SPACE}; b\N{NO-BREAK SPACE}: "
        "95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}!\N{NO-BREAK SPACE}? c"
    )
