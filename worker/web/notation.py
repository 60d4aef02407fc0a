"""How numbers, dates and ages are written for a visit: in its language and its time zone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from worker.flow.timestamps import from_ms
from worker.lineage import SEPARATOR, source_of, survey_of
from worker.notify.content.language import WORDS
from worker.notify.content.readers import Readers
from worker.notify.content.typography import NBSP, NUMERALS_EN, NUMERALS_FR, Numerals, french
from worker.routing.receiver import Language

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = date(1970, 1, 1)
_HYPHEN = re.compile(r"(?<![^\s(])-(?=\d)")
#: Unlike a mail as plain text, a page has the minus sign in both languages: it is as wide as the plus sign.
_NUMERALS: Mapping[Language, Numerals] = {"fr": NUMERALS_FR, "en": replace(NUMERALS_EN, minus=NUMERALS_FR.minus)}
# fmt: off
_SHORT_MONTHS: Mapping[Language, tuple[str, ...]] = {
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_MONTHS: Mapping[Language, tuple[str, ...]] = {
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
           "décembre"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
}
# fmt: on
_EVERYTHING: Mapping[Language, str] = {"fr": "Tous les périmètres", "en": "All segments"}
_SURVEY: Mapping[Language, str] = {"fr": "Enquête {id}", "en": "Survey {id}"}
_SOURCE: Mapping[Language, str] = {"fr": "Source {id}", "en": "Source {id}"}
_FROM_DAY_TO_DAY: Mapping[Language, str] = {"fr": "du {first} au {last}", "en": "from {first} to {last}"}
_FROM_TO: Mapping[Language, str] = {"fr": "de {low} à {high}", "en": "{low} to {high}"}


@dataclass(frozen=True)
class Notation:
    """How numbers and dates are written."""

    language: Language
    readers: Readers

    def count(self, number: int) -> str:
        """Return a whole number, such as '1,204'."""
        return _NUMERALS[self.language].count(number)

    def points(self, value: float | None, decimals: int = 0) -> str:
        """Return points with their sign, such as '+34'; a dash if there are none."""
        return "–" if value is None else _NUMERALS[self.language].signed(value, decimals)

    def amount(self, value: float) -> str:
        """Return a number with one decimal and without a sign."""
        return _NUMERALS[self.language].amount(value)

    def ends(self, low: float, high: float) -> dict[str, str]:
        """Return the ends of an interval without zero, without their sign; with a decimal if it is needed."""
        least, most = sorted((abs(low), abs(high)))
        if 0 < round(least) < round(most):
            return {"low": self.count(round(least)), "high": self.count(round(most))}
        return {"low": self.amount(max(0.1, least)), "high": self.amount(max(0.1, most))}

    def amount_of_points(self, value: float) -> str:
        """Return a number of points with one decimal and without a sign, such as '1.3 points'.

        In French, the plural begins at 2. English says '1.0 points'.
        """
        unit = "point" if self.language == "fr" and round(value, 1) < 2 else "points"
        return f"{self.amount(value)} {unit}"

    def whole_points(self, number: int) -> str:
        """Return a whole number of points without a sign, such as '5 points'."""
        return f"{self.count(number)} {'point' if number == 1 else 'points'}"

    def interval(self, low: float | None, high: float | None) -> str:
        """Return an interval of points, such as '+29 to +39'."""
        if low is None or high is None:
            return "–"
        return _FROM_TO[self.language].format(low=self.points(low), high=self.points(high))

    def half(self, low: float, high: float) -> str:
        """Return half of the width of an interval in points, such as '5'; 1 if it is less."""
        return str(max(1, round((high - low) / 2)))

    def percent(self, share: float) -> str:
        """Return a share from 0 to 1 in per cent."""
        return french(f"{100 * share:.0f} %") if self.language == "fr" else f"{100 * share:.0f}%"

    def moment(self, at: int | datetime) -> str:
        """Return a moment with its date and time; `at`: also in ms since 1970."""
        return self.readers.moment(WORDS[self.language])(from_ms(at) if isinstance(at, int) else at)

    def brief(self, at: int | datetime, now: int) -> str:
        """Return a moment in a list, such as '3 Nov, 14:05', with the year if it is not that of `now`; both in ms.

        The end of each page names the time zone.
        """
        local, this_year = (self.readers.local(from_ms(one) if isinstance(one, int) else one) for one in (at, now))
        day = self.short_day((local.date() - _EPOCH).days)
        year = f" {local.year}" if local.year != this_year.year else ""
        return f"{day}{year}, {local:%H:%M}"

    def day(self, day: int) -> str:
        """Return a day with its year, such as '3 November 2026'. `day`: counted since 1970."""
        found = date_of(day)
        number = "1er" if self.language == "fr" and found.day == 1 else str(found.day)
        return f"{number}{NBSP}{_MONTHS[self.language][found.month - 1]} {found.year}"

    def from_to(self, first: int, last: int, today: int) -> str:
        """Return a time within a sentence, such as 'from 3 Nov to 9 Nov', with the year if it did not begin this year.

        The days are counted since 1970.
        """
        year = date_of(first).year
        begin = self.short_day(first) if year == date_of(today).year else f"{self.short_day(first)} {year}"
        return _FROM_DAY_TO_DAY[self.language].format(first=begin, last=self.short_day(last))

    def short_day(self, day: int) -> str:
        """Return a day without its year, such as '3 Nov'. `day`: counted since 1970."""
        found = date_of(day)
        number = "1er" if self.language == "fr" and found.day == 1 else str(found.day)
        return f"{number}{NBSP}{_SHORT_MONTHS[self.language][found.month - 1]}"

    def iso(self, day: int) -> str:
        """Return a day as tables for programs have it, such as '2026-11-03'. `day`: counted since 1970."""
        return date_of(day).isoformat()

    def month(self, year: int, month: int) -> str:
        """Return a month with its year, such as 'November 2026'."""
        return f"{_MONTHS[self.language][month - 1]} {year}"

    def short_month(self, month: int) -> str:
        """Return the name of a month, such as 'Nov'."""
        return _SHORT_MONTHS[self.language][month - 1]

    def name(self, path: str) -> str:
        """Return what a segment, a survey or a source is called: the last name of its path."""
        known = _SURVEY[self.language], _SOURCE[self.language]
        for text, found in zip(known, (survey_of(path), source_of(path)), strict=True):
            if found is not None:
                return text.format(id=found)
        return path.rpartition(SEPARATOR)[2] or _EVERYTHING[self.language]

    def whole_name(self, path: str) -> str:
        """Return the names of a segment and of those above it, such as 'Retail › Paris'."""
        if survey_of(path) is not None or source_of(path) is not None or not path:
            return self.name(path)
        return " › ".join(path.split(SEPARATOR))

    def name_below(self, path: str, above: str) -> str:
        """Return the names of a segment without those of a segment above it, such as 'Paris › Delivery'."""
        return self.whole_name(path.removeprefix(above + SEPARATOR) if above else path)


def with_minus(text: str) -> str:
    """Return a text of a mail with the sign of pages in its negative numbers (_NUMERALS)."""
    return _HYPHEN.sub(NUMERALS_FR.minus, text)


def capital(text: str) -> str:
    """Return a sentence that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def date_of(day: int) -> date:
    """Return the date of a day that is counted since 1970."""
    return _EPOCH + timedelta(days=day)


def day_of(moment: datetime) -> int:
    """Return the day of a moment in UTC, counted since 1970."""
    return (moment.astimezone(UTC).date() - _EPOCH).days
