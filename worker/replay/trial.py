"""One partition of the past, tried with two configurations. Pure: the times are those of the records.

Until a moment, only the current configuration decides. At this moment the new one takes over its state, as if a worker
were started again with it, and from then on both go on by themselves and are compared.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from schemas.alert import AlertAction
from worker.flow import events
from worker.flow.batch import Record
from worker.flow.record import header
from worker.replay.comparing import Comparison
from worker.replay.configuration import Configuration, Decided, Rules
from worker.replay.outcomes import NotReceived, Outcome


class _Step(msgspec.Struct):
    """The fields that are read from a step of an alert."""

    alert_id: str
    action: str


_read_step = msgspec.json.Decoder(_Step).decode


class Trial:
    """`since`: the moment from which on the configurations are compared, in ms; `new`: the rules of the new one."""

    def __init__(self, current: Configuration, new: Rules, since: int, comparison: Comparison) -> None:
        self._current = current
        self._rules = new
        self._since = since
        self._comparison = comparison
        self._new: Configuration | None = None
        self._refused_before: Counter[str] = Counter()
        #: The numbers of steps of alerts and incidents that were compared, with each of the configurations.
        self.steps = [0, 0]

    def take_step(self, record: Record) -> None:
        """Take in a record of the alerts topic, which is the same for both configurations."""
        new = self._other(record.timestamp)
        outcomes = self._current.take(record)
        if new is not None:
            if record.value is not None and header(record, "ce_type") != events.CASE.type:
                self.steps = [number + 1 for number in self.steps]
            self._comparison.add(outcomes, new.take(record))

    def take_response(self, record: Record) -> None:
        """Take in a record of the responses topic, which each configuration decides by itself."""
        new = self._other(record.timestamp)
        decided = self._current.decide(record)
        outcomes = _all(self._current, decided, record.timestamp)
        if new is None:
            return
        would = new.decide(record)
        others = _all(new, would, record.timestamp)
        self.steps = [number + _count(one.steps) for number, one in zip(self.steps, (decided, would), strict=True)]
        self._comparison.add([*outcomes, *_why(would, decided)], [*others, *_why(decided, would)])

    def end(self, until: int) -> None:
        """End the trial: compare what is sent until this moment, and what waits then."""
        new = self._other(max(until, self._since))
        assert new is not None
        self._comparison.add(self._current.advance(until), new.advance(until))
        self._comparison.add(self._current.end(), new.end())
        self._comparison.close()

    @property
    def dead_letters(self) -> tuple[Counter[str], Counter[str]]:
        """The numbers of refused records by reason, with each of the configurations, since they are compared."""
        assert self._new is not None
        return self._current.dead_letters - self._refused_before, self._new.dead_letters

    def _other(self, time: int) -> Configuration | None:
        """Return the new configuration at a time; None if it has not begun yet."""
        if self._new is None and time >= self._since:
            self._current.advance(self._since - 1)
            self._refused_before = self._current.dead_letters
            self._new = self._current.forked(self._rules)
        return self._new


def _all(configuration: Configuration, decided: Decided, time: int) -> list[Outcome]:
    """Return what becomes of notices until the time of a response."""
    outcomes = configuration.advance(time)
    for step in decided.steps:
        outcomes += configuration.take(step)
    return outcomes


def _count(steps: Iterable[Record]) -> int:
    """Return how many of these records are steps of alerts. The erasure of a customer is none."""
    return sum(step.value is not None for step in steps)


def _why(other: Decided, own: Decided) -> list[NotReceived]:
    """Return why a configuration does not open or update the alerts that the other one opens or updates."""
    steps = [] if own.steps else [_read_step(step.value) for step in other.steps if step.value]
    return [NotReceived(step.alert_id, "", "", own.why_none) for step in steps if step.action != AlertAction.WITHDRAWN]
