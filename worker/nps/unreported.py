"""The hours of a segment that have not yet been reported to the stage that watches over all segments.

An hour is reported once: when a tick has ended it, or a day later if ticks are behind, as they are while a history is
imported. So answers that arrive out of order are still counted in their hour. A reported hour does not change: an
answer or a correction that comes later is reported with the next hour, or left out if it is a day late. While ticks are
behind, a quiet segment is reported about once a day.
"""

from array import array

import msgspec

from schemas.decision import Category
from worker.nps import columns
from worker.nps.buckets import Cells
from worker.nps.histogram import BINS, classify

#: How many numbers of a column describe one hour: the hour since 1970, and its promoters, passives and detractors.
WIDTH = 4
#: For each score from 0 to 10: its place among the three counts of an hour.
_PLACES = tuple(
    [Category.PROMOTER, Category.PASSIVE, Category.DETRACTOR].index(classify(score)) for score in range(BINS)
)
#: In hours. An answer that comes later than this after its hour was reported says nothing about the present. And if
#: ticks are behind, no more answers are expected to an hour that is older than this.
LATE = 24
#: If there are fewer answers than this, they are not reported before the end of their day.
_WORTH_REPORTING = 8
_DAY = 24


class UnreportedHours(msgspec.Struct, array_like=True):
    """The hours that have not been reported. Hours are counted since 1970."""

    #: The last hour that has been reported; -1 if none has.
    reported_until: int = -1
    #: The promoters, passives and detractors of each later hour.
    hours: dict[int, list[int]] = {}

    def change(self, put: Cells, taken: Cells) -> None:
        """Take in the answers that were put in and taken out, by hour and score."""
        for sign, cells in ((1, put), (-1, taken)):
            for cell, n in cells.items():
                hour, score = divmod(cell, BINS)
                if hour <= self.reported_until:
                    if hour <= self.reported_until - LATE:
                        continue
                    hour = self.reported_until + 1
                counts = self.hours.get(hour)
                if counts is None:
                    counts = self.hours[hour] = [0, 0, 0]
                place = _PLACES[score]
                counts[place] = max(0, counts[place] + sign * n)

    def report(self, until: int, *, everything: bool) -> bytes:
        """Return the hours before `until` as a column, and note that they are reported.

        Unless `everything` is asked for, the column is empty while the hours are all of one day and have few answers.
        """
        ended = [hour for hour in self.hours if hour < until]
        if not ended and not everything:
            return b""
        answers = sum(sum(self.hours[hour]) for hour in ended)
        if not everything and answers < _WORTH_REPORTING and min(ended) // _DAY == until // _DAY:
            return b""
        reported = array(columns.SIGNED)
        for hour in sorted(ended):
            reported.extend((hour, *self.hours.pop(hour)))
        self.reported_until = max(self.reported_until, until - 1)
        return columns.write(reported)
