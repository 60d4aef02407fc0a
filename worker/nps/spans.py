"""Windows over event time: a histogram for each hour and each day, and a running total for each window.

The windows end at the time of the newest answer, or of a tick if that is later. When the end moves, the buckets that
leave a window are subtracted from its total. A late answer is added to its own bucket, and to the windows that have it.
"""

import msgspec

from worker.nps.buckets import Buckets, Cells, MutableBuckets
from worker.nps.histogram import BINS, Histogram, empty
from worker.nps.latest import PlainAnswer
from worker.nps.smoothed import HALVINGS, LONGEST, RHYTHM_DAYS, Indicator, by_week, half_life, smoothed
from worker.nps.trend import WEEKS, Direction, Trend, trend
from worker.nps.windows import DAY, HOUR, SPANS, Span

#: The windows that a row's totals belong to.
_SHAPE = ",".join(span.name for span in SPANS)
#: The number of buckets to keep, by their unit.
_WIDEST = {unit: max(span.length for span in SPANS if span.unit == unit) for unit in {span.unit for span in SPANS}}


#: Day 0, counted since 1970, was a Thursday. A week begins on Monday, in UTC.
_WEEK, _MONDAY_BEFORE_1970 = 7, 3


def _week(day: int) -> int:
    """Return the week of a day; both are counted since 1970."""
    return (day + _MONDAY_BEFORE_1970) // _WEEK


def _monday(week: int) -> int:
    """Return the first day of a week."""
    return week * _WEEK - _MONDAY_BEFORE_1970


def by_hour(answers: list[PlainAnswer]) -> Cells:
    """Return how many answers there are by hour and score."""
    found: Cells = {}
    for at, _, score in answers:
        cell = at // HOUR * BINS + score
        found[cell] = found.get(cell, 0) + 1
    return found


def _by(unit: int, hours: Cells, oldest: int) -> Cells:
    """Return the cells of hours, added up by another unit in ms, from the bucket with the index `oldest` on."""
    first, width = oldest * BINS, unit // HOUR * BINS
    if unit == HOUR:
        return {cell: n for cell, n in hours.items() if cell >= first}
    found: Cells = {}
    for cell, n in hours.items():
        longer = cell // width * BINS + cell % BINS
        if longer >= first:
            found[longer] = found.get(longer, 0) + n
    return found


class Spans(msgspec.Struct, array_like=True):
    """The windows over time of one segment."""

    #: The time at which the windows end, in ms; None before the first answer.
    until: int | None = None
    #: The histograms of hours and of days, by their unit in ms.
    buckets: dict[int, Buckets] = msgspec.field(default_factory=lambda: {unit: Buckets() for unit in _WIDEST})
    #: The total of each window, in the order of `shape`.
    totals: list[Histogram] = msgspec.field(default_factory=lambda: [empty() for _ in SPANS])
    #: The names of the windows that the totals belong to.
    shape: str = _SHAPE
    #: The week, counted since 1970, at whose beginning `trend` was computed; 0 if it has to be computed again.
    trend_week: int = 0
    #: The trend up to then. It follows from the days, and is kept since it takes time to compute.
    trend: tuple[str, float, float, float] | None = None

    def refit(self) -> None:
        """Adapt a row that was written by a version with other windows."""
        if self.shape == _SHAPE:
            return
        self.shape = _SHAPE
        for unit in _WIDEST:
            self.buckets.setdefault(unit, Buckets())
        self.totals = [empty() for _ in SPANS]
        if self.until is not None:
            for place, span in enumerate(SPANS):
                buckets = MutableBuckets(self.buckets[span.unit])
                self.totals[place] = buckets.between(span.oldest(self.until), self.until // span.unit + 1)

    def tick(self, time: int) -> bool:
        """Let the windows end at a time, in ms, if they end in an earlier hour. Say whether they did."""
        if self.until is None or self.until // HOUR >= time // HOUR:
            return False
        self._change({}, {}, time)
        return True

    def change(self, put: list[PlainAnswer], taken: list[PlainAnswer]) -> tuple[Cells, Cells]:
        """Put answers in and take others out. Answers that have left every window need not be taken out.

        Return the numbers of both by hour and score.
        """
        put_cells, taken_cells = by_hour(put), by_hour(taken)
        until = max(put)[0] if put else self.until
        if until is not None:
            self._change(put_cells, taken_cells, until)
        return put_cells, taken_cells

    def _change(self, put: Cells, taken: Cells, until: int) -> None:
        before = self.until
        self.until = until if before is None else max(before, until)
        for unit, widest in _WIDEST.items():
            now = self.until // unit
            buckets = MutableBuckets(self.buckets[unit])
            if before is not None and before // unit < now:
                self._subtract_leaving(unit, before, buckets)
                buckets.drop(now - widest + 1)
            if put:
                added = _by(unit, put, now - widest + 1)
                buckets.add(added)
                self._add_to_totals(unit, added, 1)
            if taken:
                # An answer that is not there had left all windows of an earlier version, before a longer one was added.
                self._add_to_totals(unit, buckets.take(_by(unit, taken, now - widest + 1)), -1)
            self.buckets[unit] = buckets.frozen()
        self._refresh_trend(min((*put, *taken), default=None))

    def _refresh_trend(self, first: int | None) -> None:
        """Compute the trend again if a week has begun since, or if answers of an earlier week have changed.

        `first`: the cell of the earliest answer that was put in or taken out.
        """
        assert self.until is not None
        week = _week(self.until // DAY)
        if week == self.trend_week and (first is None or _week(first // BINS * HOUR // DAY) >= week):
            return
        self.trend_week = week
        monday = _monday(week)
        found = trend(by_week(MutableBuckets(self.buckets[DAY]).days(monday, WEEKS * _WEEK + 1), 1))
        self.trend = None if found is None else (found.direction.value, *found[1:])

    @property
    def is_empty(self) -> bool:
        """Whether every answer has left every window of days."""
        return not self.buckets[DAY].indexes

    def changes(self) -> list[int]:
        """Return hours, counted since 1970. No tick before the first of them changes a window, the score or the trend.

        A window changes when its oldest answer leaves it. The smoothed score stays the same as days pass, since all
        weights shrink by the same factor. Only the half-life still changes, until it is at its longest. The trend
        changes when a week ends, if there is one or if the week has answers.
        """
        if self.until is None:
            return []
        hours = []
        for unit in _WIDEST:
            buckets, spans = MutableBuckets(self.buckets[unit]), [span for span in SPANS if span.unit == unit]
            for span in spans:
                oldest = buckets.first(span.oldest(self.until))
                if oldest is not None:
                    hours.append((oldest + span.length) * unit // HOUR)
        today = self.until // DAY
        days = MutableBuckets(self.buckets[DAY])
        oldest = days.first(today - RHYTHM_DAYS + 1)
        if oldest is not None:
            hours.append((oldest + RHYTHM_DAYS) * DAY // HOUR)
        if half_life(*days.rhythm(today, RHYTHM_DAYS)) < LONGEST:
            hours.append((today + 1) * DAY // HOUR)
        week = _week(today)
        if self.trend is not None or days.first(_monday(week)) is not None:
            hours.append(_monday(week + 1) * DAY // HOUR)
        return hours

    def indicator(self) -> Indicator | None:
        """Return the smoothed score and the trend as of the end of the windows; None without recent answers."""
        if self.until is None:
            return None
        days, today = MutableBuckets(self.buckets[DAY]), self.until // DAY
        life = half_life(*days.rhythm(today, RHYTHM_DAYS))
        figure = smoothed(days.days(today, HALVINGS * life + 1), life)
        if not self.trend_week:  # the row was written by a version that did not keep it
            self._refresh_trend(None)
        known = None if self.trend is None else Trend(Direction(self.trend[0]), *self.trend[1:])
        return None if figure is None else Indicator(figure, known)

    def _subtract_leaving(self, unit: int, before: int, buckets: MutableBuckets) -> None:
        """Subtract from the totals the answers that have left the windows since they ended at `before`, in ms."""
        assert self.until is not None
        for span, total in self._by_span(unit):
            for score, n in enumerate(buckets.between(span.oldest(before), span.oldest(self.until))):
                total[score] -= n

    def _add_to_totals(self, unit: int, cells: Cells, sign: int) -> None:
        """Add cells to the totals of the windows that they are in, or subtract them if the sign is -1."""
        assert self.until is not None
        for span, total in self._by_span(unit):
            first = span.oldest(self.until) * BINS
            for cell, n in cells.items():
                if cell >= first:
                    total[cell % BINS] += sign * n

    def _by_span(self, unit: int) -> list[tuple[Span, Histogram]]:
        return [(span, total) for span, total in zip(SPANS, self.totals, strict=True) if span.unit == unit]
