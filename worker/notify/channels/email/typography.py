"""Spaces, dates and numbers as French and English write them."""

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
    """Put the no-break spaces in that French typography asks for."""
    return re.sub(r" (?=[:;!?»%])|(?<=«) ", NBSP, text)


def moment_fr(moment: datetime) -> str:
    """Return day, time and distance to UTC in French."""
    day = "1er" if moment.day == 1 else str(moment.day)
    date = f"{day}{NBSP}{_MONTHS_FR[moment.month - 1]} {moment.year}"
    return f"{date} à {moment.hour}{NBSP}h{NBSP}{moment.minute:02} ({_offset(moment)})"


def moment_en(moment: datetime) -> str:
    """Return day, time and distance to UTC in English."""
    date = f"{moment.day} {_MONTHS_EN[moment.month - 1]} {moment.year}"
    return f"{date} at {moment.hour:02}:{moment.minute:02} ({_offset(moment)})"


def _offset(moment: datetime) -> str:
    """Return the distance to UTC, such as 'UTC+02:00'."""
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "UTC"


@dataclass(frozen=True)
class Numerals:
    """How a language writes numbers: one character each."""

    decimal: str
    thousands: str
    minus: str

    def count(self, number: int) -> str:
        """Return a whole number, of any size."""
        return self._written(f"{number:,}")

    def amount(self, value: float) -> str:
        """Return a number to one decimal."""
        return self._written(f"{value:,.1f}")

    def signed(self, value: float, decimals: int = 1) -> str:
        """Return a number that may lie on either side of zero: with its sign, unless it is zero as it is written."""
        text = f"{value:+,.{decimals}f}"
        return self._written(text if text.strip("+-0.") else text[1:])

    def _written(self, text: str) -> str:
        return text.translate(str.maketrans("-,.", self.minus + self.thousands + self.decimal))


NUMERALS_FR = Numerals(decimal=",", thousands="\N{NARROW NO-BREAK SPACE}", minus="\N{MINUS SIGN}")
NUMERALS_EN = Numerals(decimal=".", thousands=",", minus="-")
