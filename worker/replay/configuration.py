"""One configuration in one partition: the alerts that it opens, if they are decided again, and whom it tells."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from worker.flow import events
from worker.flow.batch import MemoryRecord, Output, Record
from worker.flow.policy import Policy
from worker.flow.responses.rules.detractor_alert import RULE
from worker.notify.planning import Planner
from worker.rebuild.answers import Answers
from worker.replay.delivering import Deliverer, deliverers, reason_of
from worker.replay.outcomes import Outcome


class Rules(NamedTuple):
    """A configuration as far as it can be tried on the past."""

    #: How the notices of each channel are planned, by the channel's name.
    planners: Mapping[str, Planner]
    policy: Policy


class _RuleDecision(msgspec.Struct):
    rule: str
    reason: str


class _Decision(msgspec.Struct):
    """The fields that are read from a decision."""

    outcome: str
    rules: list[_RuleDecision] = []


_read_decision = msgspec.json.Decoder(_Decision).decode


class Decided(NamedTuple):
    """What a response causes: records of the alerts topic, or the reason why there are none."""

    steps: list[MemoryRecord]
    why_none: str


class Configuration:
    """Decides and plans with one configuration. Times are in ms. `answers`: None if no responses are decided."""

    def __init__(self, outboxes: Mapping[str, Deliverer], answers: Answers | None) -> None:
        self._outboxes = outboxes
        self._answers = answers
        self._refused: Counter[str] = Counter()

    def forked(self, rules: Rules) -> "Configuration":
        """Return the configuration that goes on from the same state with other rules.

        The outbox of a channel that the state does not have is empty, since a new channel begins with what comes next.
        """
        outboxes = {
            channel: self._outboxes[channel].forked(planner) if channel in self._outboxes else Deliverer(planner)
            for channel, planner in rules.planners.items()
        }
        return Configuration(outboxes, None if self._answers is None else self._answers.forked(rules.policy))

    @property
    def dead_letters(self) -> Counter[str]:
        """The number of records that were refused so far, by reason."""
        return sum((outbox.dead_letters for outbox in self._outboxes.values()), self._refused.copy())

    def decide(self, response: Record) -> Decided:
        """Decide a record of the responses topic."""
        assert self._answers is not None
        outputs = self._answers.decide(response.partition, [response])
        for output in outputs:
            if output.topic == events.DEAD_LETTERS:
                self._refused[reason_of(output)] += 1
        steps = [_step(output, response) for output in outputs if output.topic == events.ALERTS]
        return Decided(steps, "" if steps else _why_none(outputs))

    def take(self, step: Record) -> list[Outcome]:
        """Plan the notices of a record of the alerts topic. Return what becomes of notices until its time."""
        return [outcome for outbox in self._outboxes.values() for outcome in outbox.take(step)]

    def advance(self, time: int) -> list[Outcome]:
        """Return what becomes of notices until a time."""
        return [outcome for outbox in self._outboxes.values() for outcome in outbox.advance(time)]

    def end(self) -> list[Outcome]:
        """Return what becomes of the notices that still wait, if nothing else happens."""
        return [outcome for outbox in self._outboxes.values() for outcome in outbox.end()]


def configuration(rules: Rules, answers: Answers | None) -> Configuration:
    """Return a configuration that has seen nothing yet."""
    return Configuration(deliverers(rules.planners), answers)


def _step(output: Output, response: Record) -> MemoryRecord:
    """Return an alert that a response causes, as a record that is written at the time of the response."""
    return MemoryRecord(
        output.topic, response.partition, response.offset, response.timestamp, output.key, output.value, output.headers
    )


def _why_none(outputs: Iterable[Output]) -> str:
    """Return why a response opens or changes no alert."""
    for output in outputs:
        if output.topic == events.DEAD_LETTERS:
            return reason_of(output)
        if output.topic == events.DECISIONS:
            decision = _read_decision(output.value or b"")
            return next((rule.reason for rule in decision.rules if rule.rule == RULE), decision.outcome)
    return ""
