"""Each customer counted once, by their latest answer: promoters, passives and detractors by the day of that answer.

A segment's answers and corrections are counted here like everywhere, as if each were a customer's only one. Where that
is not so, a message brings the differences (worker/flow/responses/people.py): it takes out the answer that is no
longer the latest.
"""

from collections.abc import Iterable

import msgspec

from worker.nps.buckets import Buckets, Cells, Opened
from worker.nps.histogram import BINS, PASSIVE_FROM, PROMOTER_FROM
from worker.nps.windows import ALL, DAY, HOUR, PEOPLE, WIDEST_HOURS, Classes

#: Promoters, passives and detractors.
_CLASSES = 3
_CLASS_OF = tuple(0 if score >= PROMOTER_FROM else 1 if score >= PASSIVE_FROM else 2 for score in range(BINS))
_HOURS = DAY // HOUR
#: How many cells of an hour and a score make a day.
_DAY_CELLS = _HOURS * BINS
_WIDEST = WIDEST_HOURS // _HOURS
#: How many numbers of a column are one difference.
WIDTH = 4

#: An answer that an event makes count for its customer, or no longer count, beyond what the event itself says: the
#: event's offset; when the answer was given, in ms; its score if it counts now, -1 - score if not; the offset at which
#: the answer was counted, -1 if that is not known.
Difference = tuple[int, int, int, int]


class People(msgspec.Struct, array_like=True):
    """`since`: the day since 1970 on which counting by customer began, 0 if the segment is not older.

    `total`: of all time; `days`: by day, as far back as the widest window.
    """

    since: int = 0
    total: list[int] = msgspec.field(default_factory=lambda: [0] * _CLASSES)
    days: Buckets = Buckets()

    def change(self, came: Cells, went: Cells, differences: Iterable[Difference], until: int) -> None:
        """Take in what came and went by hour and score, and the differences; `until`: where windows end, in ms."""
        net: Cells = {}
        for sign, cells in ((1, came), (-1, went)):
            for cell, n in cells.items():
                place = cell // _DAY_CELLS * _CLASSES + _CLASS_OF[cell % BINS]
                net[place] = net.get(place, 0) + sign * n
        for _, at, code, _ in differences:
            place = at // DAY * _CLASSES + _CLASS_OF[max(code, -1 - code)]
            net[place] = net.get(place, 0) + (1 if code >= 0 else -1)
        oldest = until // DAY - _WIDEST + 1
        days = Opened(self.days, _CLASSES)
        days.drop(oldest)
        for cell, n in net.items():
            place = cell % _CLASSES
            self.total[place] = max(0, self.total[place] + n)
        first = oldest * _CLASSES
        days.add({cell: n for cell, n in net.items() if n > 0 and cell >= first})
        days.take({cell: -n for cell, n in net.items() if n < 0 and cell >= first})
        self.days = days.closed()

    def windows(self, until: int) -> dict[str, Classes]:
        """Return the figures by window; one that reaches back before counting began is left out."""
        days, today = Opened(self.days, _CLASSES), until // DAY
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
