"""Times as tools and files write them: by a format of strptime, and in a time zone if they have no offset.

Python's strptime knows English names of months and days only, as long as nobody sets a locale, which the worker does
not.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

#: The directive of an offset from UTC.
OFFSET = "%z"
#: A directive that strptime reads and then forgets.
_ZONE_NAME = "%Z"
_SAMPLE = datetime(2026, 11, 23, 21, 47, 58, tzinfo=UTC)


@dataclass(frozen=True)
class Times:
    """How times are written. Without a format they are read as ever; without a zone they need an offset."""

    #: The directives of strptime; empty if there is none.
    format: str = ""
    #: The time zone of times without an offset.
    zone: tzinfo | None = None

    @property
    def lacks_zone(self) -> bool:
        """Whether no time that is written in this way can be read, since neither it nor the settings name a zone."""
        return bool(self.format) and OFFSET not in self.format and self.zone is None

    def read(self, value: Any) -> Any:
        """Return a time that is written in this way as RFC 3339 has it. What is written in another way stays as it is.

        A time that occurs twice, when clocks are set back, counts as the first one.
        """
        if not isinstance(value, str):
            return value
        found = self._parsed(value.strip())
        if found is None:
            return value
        if found.tzinfo is None:
            if self.zone is None:
                return found.isoformat()
            found = found.replace(tzinfo=self.zone)
        return found.isoformat()

    def _parsed(self, text: str) -> datetime | None:
        if self.format:
            try:
                return datetime.strptime(text, self.format)  # noqa: DTZ007 - the zone is added above, or it is refused
            except ValueError:
                pass
        # Digits alone are seconds since 1970, or a day of ISO 8601: they are not read here.
        if self.zone is None or text.isdigit():
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        return found if found.tzinfo is None else None


#: Times with their offset, in the forms that are always read.
ANYHOW = Times()


def format_problem(text: str) -> str | None:
    """Return why a text is no format of times; None if it is one that reads at least the day, with its year."""
    if _ZONE_NAME in text:
        return f"must not have {_ZONE_NAME}, since names of time zones are ambiguous: use {OFFSET} or time_zone"
    try:
        read = datetime.strptime(_SAMPLE.strftime(text), text)  # noqa: DTZ007 - only the day is compared
    except ValueError:
        return "must be a format of strptime, such as '%d %b %Y %I:%M %p'"
    return None if read.date() == _SAMPLE.date() else "must have the day, the month and the year of a time"
