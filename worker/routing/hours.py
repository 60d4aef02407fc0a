"""How working hours, holidays and own days are written in the settings."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from pydantic import Field, field_validator, model_validator

from worker.section import Section

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {name[:length]: number for number, name in enumerate(_DAYS) for length in (3, len(name))}
_SPAN = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_MINUTES = 1_440
_COUNTRY = re.compile(r"([A-Z]{2})(?:-([A-Za-z0-9 ]{1,40}))?")
#: A year in which 29 February exists.
_LEAP_YEAR = 2024


class Span(NamedTuple):
    """A span of a day, in minutes since the day's midnight. If it ends on the next day, its end is above 1,440."""

    begin: int
    end: int


class CalendarSettings(Section):
    """A calendar: the hours in which a receiver works."""

    time_zone: str = Field(description="The time zone of the hours and days, such as 'Europe/Paris'.")
    hours: list[str] = Field(
        min_length=1,
        description="The working hours: days and spans, such as ['mon-fri 08:30-12:00 13:30-18:00', 'sat 09:00-12:00']."
        " A span may end at 24:00 or on the next day ('fri 22:00-06:00'); it belongs to the day on which it begins.",
    )
    holidays: str | None = Field(
        default=None,
        description="The country whose public holidays are days off, such as 'FR', or one of its parts, such as "
        "'FR-57' or 'US-CA'. Without it, holidays are ordinary days.",
    )
    days_off: list[str] = Field(
        default=[], description="Further days off: '2026-12-24' for one day, '12-24' for that day of every year."
    )
    working_days: list[str] = Field(
        default=[],
        description="Days that are worked although they are holidays or have no hours, such as '2026-05-08' with the "
        "hours of its weekday, or '2026-12-19 09:00-13:00' with hours of its own.",
    )

    @field_validator("days_off", "working_days", mode="before")
    @classmethod
    def _dates(cls, days: Any) -> Any:
        """Take a date of TOML, which has no quotation marks, for the text that it stands for."""
        return [str(day) if type(day) is date else day for day in days] if isinstance(days, list) else days

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        return zone_name(name)

    @field_validator("hours")
    @classmethod
    def _hours(cls, lines: list[str]) -> list[str]:
        for line in lines:
            weekly_spans(line)
        return lines

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, place: str | None) -> str | None:
        if place is not None:
            holiday_names(place)
        return place

    @field_validator("days_off")
    @classmethod
    def _days_off(cls, days: list[str]) -> list[str]:
        for day in days:
            day_off(day)
        return days

    @field_validator("working_days")
    @classmethod
    def _working_days(cls, days: list[str]) -> list[str]:
        for day in days:
            working_day(day)
        return days

    @model_validator(mode="after")
    def _both(self) -> "CalendarSettings":
        week = self.week()
        worked = [working_day(text) for text in self.working_days]
        if {text.partition(" ")[0] for text in self.working_days} & {*self.days_off}:
            raise ValueError("a day is in days_off and in working_days")
        if any(not spans and not week[day.weekday()] for day, spans in worked):
            raise ValueError("working_days has a day whose weekday has no hours: write the day with hours of its own")
        return self

    def week(self) -> list[list[Span]]:
        """Return the spans of each weekday, Monday first."""
        week: list[list[Span]] = [[] for _ in _DAYS]
        for line in self.hours:
            days, spans = weekly_spans(line)
            for day in days:
                week[day] += spans
        return week


def zone_name(name: str) -> str:
    """Return the name of a time zone; raise ValueError if there is no such time zone."""
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("is not a time zone of the IANA database, such as 'Europe/Paris'") from None


def weekly_spans(line: str) -> tuple[list[int], list[Span]]:
    """Return the weekdays and the spans of a line such as 'mon-fri 08:30-12:00 13:30-18:00'; Monday is 0.

    Raise ValueError if it is something else.
    """
    words = line.replace(",", " ").lower().split()
    count = next((place for place, word in enumerate(words) if word[:1].isdigit()), len(words))
    days = [day for word in words[:count] for day in _weekdays(word)]
    if not days or count == len(words):
        raise ValueError("must be days and spans, such as 'mon-fri 08:30-12:00 13:30-18:00'")
    return sorted(set(days)), [_span(word) for word in words[count:]]


def _weekdays(word: str) -> list[int]:
    first, dash, last = word.partition("-")
    if first not in _NUMBERS or (dash and last not in _NUMBERS):
        raise ValueError("has a day that is not mon, tue, wed, thu, fri, sat or sun, or two of them as in mon-fri")
    begin = _NUMBERS[first]
    length = (_NUMBERS[last] - begin) % 7 if dash else 0
    return [(begin + day) % 7 for day in range(length + 1)]


def _span(word: str) -> Span:
    found = _SPAN.fullmatch(word)
    numbers = [int(number) for number in found.groups()] if found else []
    if not found or numbers[1] > 59 or numbers[3] > 59:
        raise ValueError("has a span that is not two times such as 08:30-18:00")
    begin, end = 60 * numbers[0] + numbers[1], 60 * numbers[2] + numbers[3] or _DAY_MINUTES
    if begin >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ValueError("has a time after 24:00, or a span that begins at 24:00")
    if begin == end:
        raise ValueError("has a span without a length; a whole day is 00:00-24:00")
    return Span(begin, end if end > begin else end + _DAY_MINUTES)


def day_off(text: str) -> tuple[int | None, int, int]:
    """Return the year (None for every year), the month and the day of a day off; raise ValueError if it is no day."""
    every_year = len(text) == len("12-24")
    found = _date(f"{_LEAP_YEAR}-{text}" if every_year else text)
    if found is None:
        raise ValueError("has a text that is not a day, such as '2026-12-24', or '12-24' for every year")
    return (None if every_year else found.year), found.month, found.day


def working_day(text: str) -> tuple[date, list[Span]]:
    """Return a day and its own spans, which may be none; raise ValueError if it is no day."""
    day, *spans = text.replace(",", " ").split() or [""]
    found = _date(day)
    if found is None:
        raise ValueError("has a text that is not a day, such as '2026-05-08' or '2026-12-19 09:00-13:00'")
    return found, [_span(word) for word in spans]


def _date(text: str) -> date | None:
    """Return the day that a text such as 2026-12-24 stands for; None if it is none."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


@lru_cache(maxsize=256)
def holiday_names(place: str) -> Callable[[date], str | None]:
    """Return a function that names the public holiday of a day, or returns None.

    Raise ValueError if the country, or the part of it, is not known: it must never look as if it had no holidays.
    """
    found = _COUNTRY.fullmatch(place)
    if found is None:
        raise ValueError("must be a country such as 'FR', or a part of one such as 'FR-57'")
    country, part = found.groups()
    try:
        known: Any = holidays.country_holidays(country, subdiv=part)
    except NotImplementedError:
        raise ValueError(_unknown(country)) from None
    names: Callable[[date], str | None] = known.get
    return names


def _unknown(country: str) -> str:
    supported = holidays.list_supported_countries()
    if country not in supported:
        return "the country's holidays are not known: write its two letters of ISO 3166, such as 'FR'"
    parts: Sequence[str] = sorted(supported[country])
    if not parts:
        return f"'{country}' has no parts with holidays of their own: write '{country}'"
    return f"is not a part of '{country}' whose holidays are known: these are {', '.join(parts)}"
