"""The windows a segment's NPS is kept over.

Adding one is a line in SPANS. Rows written before are refitted when they are read, from the buckets they kept: a window
longer than any before fills up from then on.
"""

from typing import NamedTuple

HOUR = 3_600_000
DAY = 86_400_000


class Span(NamedTuple):
    """A window over the last `length` buckets of `unit` milliseconds, the one in which it ends included."""

    name: str
    unit: int
    length: int

    def oldest(self, until: int) -> int:
        """Return the index of the oldest bucket inside the window that ends at `until`, in ms."""
        return until // self.unit - self.length + 1


ALL = "all"
LAST = "last_100"
#: How many answers the last-answers window holds.
LAST_N = 100
SPANS = (
    Span("24h", HOUR, 24),
    Span("7d", DAY, 7),
    Span("30d", DAY, 30),
    Span("90d", DAY, 90),
    Span("365d", DAY, 365),
)
#: The windows in which each customer counts once. They are made of days.
PEOPLE = tuple(span for span in SPANS if span.unit == DAY and span.length >= 30)
#: Promoters, passives and detractors.
Classes = tuple[int, int, int]
#: The widest window in time.
WIDEST_HOURS = max(span.length * span.unit for span in SPANS) // HOUR
#: The windows in which each customer counts once, by their names.
PEOPLE_WINDOWS = (ALL, *(span.name for span in PEOPLE))
#: Every window, by its name.
WINDOWS = (ALL, LAST, *(span.name for span in SPANS))
