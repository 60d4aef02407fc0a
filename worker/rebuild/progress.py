"""The progress of a rebuild: a line every two seconds."""

from collections.abc import Callable, Iterable
from time import monotonic

from worker.kafka.reading import Span

#: Shows a line to the person who runs the command.
Say = Callable[[str], None]

_EVERY_SECONDS = 2.0


class Progress:
    """The progress of one part of the work; `what`: its name; `total`: its number of records."""

    def __init__(self, what: str, total: int, say: Say) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._done = 0
        self._began = self._said_at = monotonic()

    def count(self, records: int) -> None:
        """Note that a number of records is done."""
        self._done += records
        if monotonic() - self._said_at >= _EVERY_SECONDS:
            self._said_at = monotonic()
            self._say(self._line())

    def end(self) -> None:
        """Show the last line."""
        self._say(self._line())

    def _line(self) -> str:
        rate = self._done / max(monotonic() - self._began, 0.001)
        percent = 100 * self._done / self._total if self._total else 100
        return f"{self._what}: {percent:.0f} % of {self._total:,} records, {rate:,.0f} a second"


def offsets_in(spans: Iterable[Span]) -> int:
    """Return the number of offsets in spans. A span that ends before it begins has none: its records were deleted."""
    return sum(max(0, end - first) for first, end in spans)
