"""The windows over which a segment's NPS is kept.

Another window is a line in SPANS. Rows that were written without it are adapted when they are read, from the buckets
that they have. A window that is longer than all earlier ones begins with those buckets, and fills up from then on.
"""

from typing import NamedTuple

HOUR = 3_600_000
DAY = 86_400_000


class Span(NamedTuple):
    """A window over time. It ends within its last bucket, which is included."""

    name: str
    #: The length of a bucket, in ms.
    unit: int
    #: The number of buckets.
    length: int

    def oldest(self, until: int) -> int:
        """Return the index of the oldest bucket of the window that ends at `until`, in ms."""
        return until // self.unit - self.length + 1


ALL = "all"
LAST = "last_100"
#: The number of answers in the window LAST.
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
#: The length of the widest window over time, in hours.
WIDEST_HOURS = max(span.length * span.unit for span in SPANS) // HOUR
#: The windows in which each customer counts once, by their names.
PEOPLE_WINDOWS = (ALL, *(span.name for span in PEOPLE))
#: Every window, by its name.
WINDOWS = (ALL, LAST, *(span.name for span in SPANS))
