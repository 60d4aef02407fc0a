"""The hours of a segment that whoever watches over all segments has not been told of yet.

An hour is told once, when a tick has ended it, or a day later where ticks are behind, as with a history; so what comes
out of order finds its hour. Then it stays as it was told: a later answer to it is told with the next hour, unless it is
a day late, and a correction likewise. Where ticks are behind, a quiet segment is told about once a day.
"""

from array import array

import msgspec

from schemas.decision import Category
from worker.nps import columns
from worker.nps.buckets import Cells
from worker.nps.histogram import BINS, classify

#: Numbers of a column that are one hour: which one since 1970, and its promoters, passives and detractors.
WIDTH = 4
#: Where in an hour a score of 0 to 10 is counted.
_PLACES = tuple(
    [Category.PROMOTER, Category.PASSIVE, Category.DETRACTOR].index(classify(score)) for score in range(BINS)
)
#: So many hours after it was told an answer says nothing about now; and so many hours back nothing more is expected.
LATE = 24
#: Fewer answers than so many wait for the end of their day.
_WORTH_IT = 8
_DAY = 24


class Untold(msgspec.Struct, array_like=True):
    """`told`: the last hour that was; `hours`: promoters, passives and detractors by hour."""

    told: int = -1
    hours: dict[int, list[int]] = {}

    def change(self, came: Cells, went: Cells) -> None:
        """Take in what came and went."""
        for sign, cells in ((1, came), (-1, went)):
            for cell, n in cells.items():
                hour, score = divmod(cell, BINS)
                if hour <= self.told:
                    if hour <= self.told - LATE:
                        continue
                    hour = self.told + 1
                counts = self.hours.get(hour)
                if counts is None:
                    counts = self.hours[hour] = [0, 0, 0]
                place = _PLACES[score]
                counts[place] = max(0, counts[place] + sign * n)

    def tell(self, until: int, *, everything: bool) -> bytes:
        """Return the hours before `until` as a column, and note that they were told.

        None are as long as they hold few answers of today, unless everything is to be told.
        """
        ended = [hour for hour in self.hours if hour < until]
        if not ended and not everything:
            return b""
        answers = sum(sum(self.hours[hour]) for hour in ended)
        if not everything and answers < _WORTH_IT and min(ended) // _DAY == until // _DAY:
            return b""
        told = array(columns.SIGNED)
        for hour in sorted(ended):
            told.extend((hour, *self.hours.pop(hour)))
        self.told = max(self.told, until - 1)
        return columns.write(told)
