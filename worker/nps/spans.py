"""Windows over event time: a histogram per hour and per day, and a running total per window.

The totals follow the newest answer's time, or a tick's where that is later: when it moves on, the buckets that leave
are subtracted. A late answer goes to its own bucket and to the windows that reach back so far.
"""

import msgspec

from worker.nps.buckets import Buckets, Cells, Opened
from worker.nps.histogram import BINS, Histogram, empty
from worker.nps.latest import PlainAnswer
from worker.nps.smoothed import HALVINGS, LONGEST, RHYTHM_DAYS, Indicator, half_life, indicator
from worker.nps.windows import DAY, HOUR, SPANS, Span

#: What a row's totals stand for.
_SHAPE = ",".join(span.name for span in SPANS)
_WIDEST = {unit: max(span.length for span in SPANS if span.unit == unit) for unit in {span.unit for span in SPANS}}


def _by_hour(answers: list[PlainAnswer]) -> Cells:
    found: Cells = {}
    for at, _, score in answers:
        cell = at // HOUR * BINS + score
        found[cell] = found.get(cell, 0) + 1
    return found


def _by(unit: int, hours: Cells, oldest: int) -> Cells:
    """Return hours' cells added up by a longer unit, from its bucket `oldest` on."""
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
    """`until`: where the windows end, in ms, None before any answer; `buckets`: by unit; `totals`: as `shape` says."""

    until: int | None = None
    buckets: dict[int, Buckets] = msgspec.field(default_factory=lambda: {unit: Buckets() for unit in _WIDEST})
    totals: list[Histogram] = msgspec.field(default_factory=lambda: [empty() for _ in SPANS])
    shape: str = _SHAPE

    def refit(self) -> None:
        """Make a row that was written for other windows one for these."""
        if self.shape == _SHAPE:
            return
        self.shape = _SHAPE
        for unit in _WIDEST:
            self.buckets.setdefault(unit, Buckets())
        self.totals = [empty() for _ in SPANS]
        if self.until is not None:
            for number, span in enumerate(SPANS):
                opened = Opened(self.buckets[span.unit])
                self.totals[number] = opened.between(span.oldest(self.until), self.until // span.unit + 1)

    def tick(self, time: int) -> bool:
        """Let the windows end at a time, in ms, if they end in an hour before; say whether they did."""
        if self.until is None or self.until // HOUR >= time // HOUR:
            return False
        self._change({}, {}, time)
        return True

    def change(self, put: list[PlainAnswer], taken: list[PlainAnswer]) -> tuple[Cells, Cells]:
        """Count answers, and take others out again; what has left every window is nowhere to be taken from.

        Return both by hour.
        """
        came, went = _by_hour(put), _by_hour(taken)
        until = max(put)[0] if put else self.until
        if until is not None:
            self._change(came, went, until)
        return came, went

    def _change(self, came: Cells, went: Cells, until: int) -> None:
        before = self.until
        self.until = until if before is None else max(before, until)
        for unit, widest in _WIDEST.items():
            now = self.until // unit
            buckets = Opened(self.buckets[unit])
            if before is not None and before // unit < now:
                self._leave(unit, before, buckets)
                buckets.drop(now - widest + 1)
            if came:
                added = _by(unit, came, now - widest + 1)
                buckets.add(added)
                self._total(unit, added, 1)
            if went:
                # What is not there had left every window there was, before a longer one was added.
                self._total(unit, buckets.take(_by(unit, went, now - widest + 1)), -1)
            self.buckets[unit] = buckets.closed()

    @property
    def is_empty(self) -> bool:
        """Whether every answer has left every window of days."""
        return not self.buckets[DAY].indexes

    def changes(self) -> list[int]:
        """Return hours since 1970: no tick before the first of them changes a window, the smoothed score or the trend.

        That is when the oldest answer of some window leaves it. The smoothed score and the trend stay the same as days
        pass, since all weights shrink alike, except that the half-life follows the rhythm until it is at its longest.
        """
        if self.until is None:
            return []
        leave = []
        for unit in _WIDEST:
            opened, spans = Opened(self.buckets[unit]), [span for span in SPANS if span.unit == unit]
            for span in spans:
                oldest = opened.first(span.oldest(self.until))
                if oldest is not None:
                    leave.append((oldest + span.length) * unit // HOUR)
        today = self.until // DAY
        days = Opened(self.buckets[DAY])
        oldest = days.first(today - RHYTHM_DAYS + 1)
        if oldest is not None:
            leave.append((oldest + RHYTHM_DAYS) * DAY // HOUR)
        if half_life(*days.rhythm(today, RHYTHM_DAYS)) < LONGEST:
            leave.append((today + 1) * DAY // HOUR)
        return leave

    def indicator(self) -> Indicator | None:
        """Return the smoothed score and the trend as of where the windows end; None without recent answers."""
        if self.until is None:
            return None
        opened, today = Opened(self.buckets[DAY]), self.until // DAY
        life = half_life(*opened.rhythm(today, RHYTHM_DAYS))
        return indicator(opened.days(today, HALVINGS * life + 1), life)

    def _leave(self, unit: int, before: int, buckets: Opened) -> None:
        """Take out of the totals what has left the windows since they ended at `before`."""
        assert self.until is not None
        for span, total in self._by_span(unit):
            for score, n in enumerate(buckets.between(span.oldest(before), span.oldest(self.until))):
                total[score] -= n

    def _total(self, unit: int, cells: Cells, sign: int) -> None:
        """Add cells to the totals of the windows they are in, or subtract them."""
        assert self.until is not None
        for span, total in self._by_span(unit):
            first = span.oldest(self.until) * BINS
            for cell, n in cells.items():
                if cell >= first:
                    total[cell % BINS] += sign * n

    def _by_span(self, unit: int) -> list[tuple[Span, Histogram]]:
        return [(span, total) for span, total in zip(SPANS, self.totals, strict=True) if span.unit == unit]
