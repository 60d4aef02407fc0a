"""Numbers and dates as a page writes them."""

from datetime import UTC, date

import pytest

from worker.flow.timestamps import from_ms
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language
from worker.web.notation import DAY, Notation, capital, date_of, day_of

#: 1 January 2026.
NEW_YEAR = 20_454


def notation(language: Language) -> Notation:
    return Notation(language, Readers(language, UTC, language))


def test_points_have_a_sign_that_is_as_wide_as_the_plus() -> None:
    for language in ("en", "fr"):
        found = notation(language)
        assert ["+34", "−6", "0", "0", "–"] == [found.points(value) for value in (33.6, -5.5, 0.4, -0.4, None)]
    assert "−1,5" == notation("fr").points(-1.5, 1)


def test_intervals_and_halves() -> None:
    assert "+29 to +39" == notation("en").interval(29.2, 38.9)
    assert "de −5 à +3" == notation("fr").interval(-5.0, 3.0)
    assert "–" == notation("en").interval(None, 3.0)
    assert ["5", "1"] == [notation("en").half(*ends) for ends in ((29.0, 39.0), (30.0, 30.2))]


def test_shares_and_counts() -> None:
    assert ("54%", "54\N{NO-BREAK SPACE}%") == (notation("en").percent(0.54), notation("fr").percent(0.54))
    assert ("1,204", "1\N{NARROW NO-BREAK SPACE}204") == (notation("en").count(1204), notation("fr").count(1204))


@pytest.mark.parametrize(
    ("language", "day", "short", "month"),
    [
        ("en", "1\N{NO-BREAK SPACE}January 2026", "1\N{NO-BREAK SPACE}Jan", "January 2026"),
        ("fr", "1er\N{NO-BREAK SPACE}janvier 2026", "1er\N{NO-BREAK SPACE}janv.", "janvier 2026"),
    ],
)
def test_days(language: Language, day: str, short: str, month: str) -> None:
    found = notation(language)
    assert (day, short, month) == (found.day(NEW_YEAR), found.short_day(NEW_YEAR), found.month(2026, 1))
    assert "2026-01-01" == found.iso(NEW_YEAR)
    assert date(2026, 1, 1) == date_of(NEW_YEAR)
    assert NEW_YEAR == day_of(from_ms(NEW_YEAR * DAY))


def test_a_time_that_did_not_begin_this_year_has_its_year() -> None:
    spaces = str.maketrans("\N{NO-BREAK SPACE}", " ")
    found = notation("en")
    assert "from 31 Dec 2025 to 2 Jan" == found.from_to(NEW_YEAR - 1, NEW_YEAR + 1, NEW_YEAR + 9).translate(spaces)
    assert "from 1 Jan to 2 Jan" == found.from_to(NEW_YEAR, NEW_YEAR + 1, NEW_YEAR + 9).translate(spaces)


def test_names_of_segments_surveys_and_sources() -> None:
    found = notation("en")
    assert ["All segments", "Paris", "Survey autumn", "Source shop"] == [
        found.name(path) for path in ("", "Retail/Paris", "/survey/autumn", "/source/shop")
    ]
    assert ["All segments", "Retail › Paris", "Survey autumn"] == [
        found.whole_name(path) for path in ("", "Retail/Paris", "/survey/autumn")
    ]
    assert "Tous les périmètres" == notation("fr").name("")


def test_a_sentence_begins_with_a_capital_letter() -> None:
    assert ["The rest", "Émile", ""] == [capital(text) for text in ("the rest", "émile", "")]


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(1.3, "1.3 points", "1,3 point"), (1.96, "2.0 points", "2,0 points"), (2.5, "2.5 points", "2,5 points")],
)
def test_the_plural_begins_at_two_in_french(value: float, english: str, french: str) -> None:
    assert Notation("en", Readers("en")).amount_of_points(value) == english
    assert Notation("fr", Readers("fr")).amount_of_points(value) == french
