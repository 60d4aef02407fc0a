"""Each customer is counted once, by their latest answer: promoters, passives and detractors by the day of that answer.

Answers and corrections are first counted as if each answer were its customer's only one. Where a customer has several,
a message brings the differences (worker/flow/responses/people.py): it takes out the answer that is no longer the
latest.
"""

from collections.abc import Iterable

import msgspec

from worker.nps.buckets import Buckets, Cells, MutableBuckets
from worker.nps.histogram import BINS, PASSIVE_FROM, PROMOTER_FROM
from worker.nps.windows import ALL, DAY, HOUR, PEOPLE, WIDEST_HOURS, Classes

#: Promoters, passives and detractors.
_CLASSES = 3
_CLASS_OF = tuple(0 if score >= PROMOTER_FROM else 1 if score >= PASSIVE_FROM else 2 for score in range(BINS))
_HOURS = DAY // HOUR
#: The number of cells, one for each hour and score, that make a day.
_DAY_CELLS = _HOURS * BINS
_WIDEST = WIDEST_HOURS // _HOURS
#: The number of a column's entries that make one difference.
WIDTH = 4

#: An answer that now counts for its customer, or does so no longer, because of another answer. Its fields: the offset
#: of the response that causes the difference; when the answer was given, in ms; its score if it counts now, or
#: -1 - score if it no longer does; the offset at which the answer was counted, -1 if that is not known.
Difference = tuple[int, int, int, int]


class People(msgspec.Struct, array_like=True):
    """The customers of a segment, each counted once."""

    #: The day, counted since 1970, on which counting by customer began; 0 if the segment has been counted so from its
    #: first answer on.
    since: int = 0
    #: The promoters, passives and detractors of all time.
    total: list[int] = msgspec.field(default_factory=lambda: [0] * _CLASSES)
    #: The promoters, passives and detractors by day, as far back as the widest window.
    days: Buckets = Buckets()

    def change(self, put: Cells, taken: Cells, differences: Iterable[Difference], until: int) -> None:
        """Take in the answers that were put in and taken out, by hour and score, and the differences.

        `until`: the time at which the windows end, in ms.
        """
        net: Cells = {}
        for sign, cells in ((1, put), (-1, taken)):
            for cell, n in cells.items():
                place = cell // _DAY_CELLS * _CLASSES + _CLASS_OF[cell % BINS]
                net[place] = net.get(place, 0) + sign * n
        for _, at, code, _ in differences:
            place = at // DAY * _CLASSES + _CLASS_OF[max(code, -1 - code)]
            net[place] = net.get(place, 0) + (1 if code >= 0 else -1)
        oldest = until // DAY - _WIDEST + 1
        days = MutableBuckets(self.days, _CLASSES)
        days.drop(oldest)
        for cell, n in net.items():
            place = cell % _CLASSES
            self.total[place] = max(0, self.total[place] + n)
        first = oldest * _CLASSES
        days.add({cell: n for cell, n in net.items() if n > 0 and cell >= first})
        days.take({cell: -n for cell, n in net.items() if n < 0 and cell >= first})
        self.days = days.frozen()

    def windows(self, until: int) -> dict[str, Classes]:
        """Return the promoters, passives and detractors of each window that ends at `until`, in ms.

        A window that begins before counting by customer began is left out.
        """
        days, today = MutableBuckets(self.days, _CLASSES), until // DAY
        found: dict[str, Classes] = {}
        if not self.since:
            found[ALL] = _classes(self.total)
        end, sums = today + 1, [0] * _CLASSES
        for span in PEOPLE:
            oldest = span.oldest(until)
            if self.since and oldest <= self.since + 1:  # an answer's time may lie a day ahead
                continue
            sums = [known + more for known, more in zip(sums, days.between(oldest, end), strict=True)]
            found[span.name], end = _classes(sums), oldest
        return found


def _classes(counts: list[int]) -> Classes:
    promoters, passives, detractors = counts
    return promoters, passives, detractors
