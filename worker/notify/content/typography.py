"""Spaces, dates and numbers in the French and English notation."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

NBSP = "\N{NO-BREAK SPACE}"

# fmt: off
_MONTHS_FR = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on


def french(text: str) -> str:
    """Return the text with the no-break spaces that French typography requires."""
    return re.sub(r" (?=[:;!?»%])|(?<=«) ", NBSP, text)


def moment_fr(moment: datetime) -> str:
    """Return the date, the time and the offset from UTC in French."""
    day = "1er" if moment.day == 1 else str(moment.day)
    date = f"{day}{NBSP}{_MONTHS_FR[moment.month - 1]} {moment.year}"
    return f"{date} à {moment.hour}{NBSP}h{NBSP}{moment.minute:02} ({_offset(moment)})"


def moment_en(moment: datetime) -> str:
    """Return the date, the time and the offset from UTC in English."""
    date = f"{moment.day} {_MONTHS_EN[moment.month - 1]} {moment.year}"
    return f"{date} at {moment.hour:02}:{moment.minute:02} ({_offset(moment)})"


def _offset(moment: datetime) -> str:
    """Return the offset from UTC, such as 'UTC+02:00'."""
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "UTC"


@dataclass(frozen=True)
class Numerals:
    """The characters with which a language writes numbers."""

    decimal: str
    thousands: str
    minus: str

    def count(self, number: int) -> str:
        """Return a whole number of any size."""
        return self._written(f"{number:,}")

    def amount(self, value: float) -> str:
        """Return a number with one decimal."""
        return self._written(f"{value:,.1f}")

    def signed(self, value: float, decimals: int = 1) -> str:
        """Return a number with its sign; without a sign if it is shown as zero."""
        text = f"{value:+,.{decimals}f}"
        return self._written(text if text.strip("+-0.") else text[1:])

    def _written(self, text: str) -> str:
        return text.translate(str.maketrans("-,.", self.minus + self.thousands + self.decimal))


NUMERALS_FR = Numerals(decimal=",", thousands="\N{NARROW NO-BREAK SPACE}", minus="\N{MINUS SIGN}")
NUMERALS_EN = Numerals(decimal=".", thousands=",", minus="-")
