"""How hours and days are written, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from worker.routing.hours import CalendarSettings, Span, weekly_spans


def settings(**changes: Any) -> CalendarSettings:
    return CalendarSettings(**({"time_zone": "Europe/Paris", "hours": ["mon-fri 09:00-17:00"]} | changes))


@pytest.mark.parametrize(
    ("line", "days", "spans"),
    [
        ("mon-fri 08:30-12:00 13:30-18:00", [0, 1, 2, 3, 4], [(510, 720), (810, 1_080)]),
        ("mon-fri 08:30-12:00, 13:30-18:00", [0, 1, 2, 3, 4], [(510, 720), (810, 1_080)]),
        ("Sat 9:00-12:00", [5], [(540, 720)]),
        ("monday, wednesday 09:00-10:00", [0, 2], [(540, 600)]),
        ("fri-mon 00:00-24:00", [0, 4, 5, 6], [(0, 1_440)]),
        ("fri 22:00-06:00", [4], [(1_320, 1_800)]),
        ("sun 18:00-00:00", [6], [(1_080, 1_440)]),
    ],
)
def test_a_line_has_days_and_spans(line: str, days: list[int], spans: list[tuple[int, int]]) -> None:
    assert weekly_spans(line) == (days, [Span(*span) for span in spans])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "mon-fri",
        "09:00-17:00",
        "mon 09:00",
        "mon 9-17",
        "mon 09:00-09:00",
        "mon 09:60-10:00",
        "mon 09:00-24:01",
        "mon 24:00-06:00",
        "mon 25:00-26:00",
        "day 09:00-17:00",
        "mon-day 09:00-17:00",
        "mon 09:00-17:00 tue",
        "mon 09:00–17:00",
        "mon ٠٩:٠٠-١٧:٠٠",
    ],
)
def test_another_line_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        settings(hours=[line])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"hours": []}, "at least 1 item"),
        ({"time_zone": "Europe/Lutetia"}, "is not a time zone"),
        ({"holidays": "XX"}, "the country's holidays are not known"),
        ({"holidays": "france"}, "must be a country such as 'FR'"),
        ({"holidays": "FR-XYZ"}, "is not a part of 'FR' whose holidays are known: these are 57, "),
        ({"holidays": "SE-99"}, "'SE' has no parts with holidays of their own: write 'SE'"),
        ({"days_off": ["2026-02-29"]}, "is not a day"),
        ({"days_off": ["24.12."]}, "is not a day"),
        ({"days_off": ["13-01"]}, "is not a day"),
        ({"working_days": ["12-24"]}, "is not a day"),
        ({"working_days": [""]}, "is not a day"),
        ({"working_days": ["2026-12-19 9-13"]}, "is not two times"),
        ({"working_days": ["2026-12-19"]}, "whose weekday has no hours"),
        ({"working_days": ["2026-06-01"], "days_off": ["2026-06-01"]}, "in days_off and in working_days"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        settings(**changes)


def test_29_february_may_be_a_day_off_of_every_year() -> None:
    assert settings(days_off=["02-29"]).days_off == ["02-29"]
