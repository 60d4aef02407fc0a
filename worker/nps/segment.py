"""A segment: everything its NPS is computed from, and what has been counted already."""

import msgspec

from worker.nps import histogram, latest
from worker.nps.histogram import Histogram
from worker.nps.latest import Given
from worker.nps.spans import Spans
from worker.nps.windows import ALL, LAST, SPANS


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One response's effect on one segment: the answer it takes out (of the revision before) and the one it puts in."""

    offset: int
    taken: Given | None
    put: Given | None


class Segment(msgspec.Struct, array_like=True):
    """`marks`: per source, the highest offset counted. One event is one entry, so an offset tells all of it."""

    marks: dict[int, int] = msgspec.field(default_factory=dict)
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    latest: list[Given] = msgspec.field(default_factory=list)
    floor: tuple[int, int] | None = None
    spans: Spans = msgspec.field(default_factory=Spans)

    def count(self, source: int, entry: Entry) -> bool:
        """Count an entry, once: one at or below its source's mark is a replay. Say whether it was counted."""
        if entry.offset <= self.marks.get(source, -1):
            return False
        self.marks[source] = entry.offset
        if entry.taken is not None:
            at, _, score = entry.taken
            self.total[score] -= 1
            latest.take(self.latest, entry.taken)
            self.spans.take(at, score)
        if entry.put is not None:
            at, _, score = entry.put
            self.total[score] += 1
            self.floor = latest.put(self.latest, self.floor, entry.put)
            self.spans.put(at, score)
        return True

    def windows(self) -> dict[str, Histogram]:
        """Return the histogram of each window by its name."""
        windows = {ALL: self.total, LAST: latest.histogram(self.latest)}
        for span, total in zip(SPANS, self.spans.totals, strict=True):
            windows[span.name] = total
        return windows
