"""A worker's three stages in memory, tick by tick, and the same made again from the responses alone."""

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from flow.carrying import PARTITIONS, spread
from flow.records import HERE, HOUR, TOPIC, Record, answer

from schemas.incident import Incident
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.incidents import road as watching
from worker.flow.messages import tick
from worker.flow.policy import IncidentPolicy, Policy
from worker.flow.responses import road
from worker.flow.responses.road import Batch
from worker.flow.segments import road as segments
from worker.rebuild.answers import Answers
from worker.rebuild.incidents import Incidents
from worker.rebuild.records import apply, as_record
from worker.rebuild.tree import Tree

#: 2026-01-01, in ms.
BEGAN = 1_767_225_600_000
DESKS = ("pay", "send", "help")
GOOD = [10, 8, 10, 3, 9, 8, 10, 10, 7, 5]
BAD = [3, 0, 8, 5, 6, 2, 10, 4, 1, 7]
#: What is in no test by chance.
CALM = IncidentPolicy(false_alarms_per_year=0.02)
_STEP = 6 * HOUR


class Living:
    """A worker. `log`: all responses by partition; `published`: what receivers got, in its order."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self.published: list[Output] = []
        self.contacts: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        self.segments: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        self.watches: dict[bytes, bytes] = {}
        self._chance = random.Random(3)

    def live(self, days: float, *bad: str) -> list[Incident]:
        """Live through some days, in which some desks may be bad; return the steps of incidents."""
        first = len(self.published)
        for _ in range(round(days * 24 * HOUR / _STEP)):
            for desk in DESKS:
                for _ in range(3):
                    self._answer(desk, self._chance.choice(BAD if desk in bad else GOOD))
            self.now += _STEP
            self.tick()
        return incidents(self.published[first:])

    def tick(self) -> None:
        """Let everybody know what time it is."""
        for number in range(PARTITIONS):
            self._count(Record(b"", tick.KEY, 0, number, self.now + 5, topic="nps.tallies"))

    def _answer(self, desk: str, score: int) -> None:
        at = self.now + self._chance.randrange(_STEP)
        customer = f"c-{self._chance.randrange(5_000)}"
        event = answer(
            response_id=f"{desk}-{at}-{len(self.published)}",
            customer_id=customer,
            score=score,
            responded_at=datetime.fromtimestamp(at / 1_000, UTC).isoformat(),
            segment=["fr", desk],
        )
        number = spread(customer.encode())
        log = self.log[number]
        log.append(Record(json.dumps(event).encode(), customer.encode(), len(log), number, self.now + 4))
        decided = road.decide(Batch(log[-1:], number, TOPIC, HERE, {}), Policy(), self.contacts[number].get, spread)
        apply(self.contacts[number], decided.rows)
        self._publish(decided.outputs)

    def _publish(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            record = Record(output.value, output.key, 0, output.partition or 0, self.now + 5, topic=output.topic)
            if output.topic == events.TALLIES:
                self._count(record)
            elif output.topic == events.HOURS:
                decided = watching.watch([record], self.watches, PARTITIONS, spread, CALM)
                while decided.rest is not None:
                    decided = decided.rest()
                apply(self.watches, decided.rows)
                self._publish(decided.outputs)
            else:
                self.published.append(output)

    def _count(self, record: Record) -> None:
        rows, number = self.segments[record.partition], record.partition
        rest: Callable[[], Decided] | None = partial(segments.count, [record], rows, number)
        while rest is not None:
            decided = rest()
            apply(rows, decided.rows)
            self._publish(decided.outputs)
            rest = decided.rest

    def rebuilt(self, *, watches: bool, every: int = 24 * HOUR) -> tuple[Answers, Tree]:
        """Return what the log makes of it again."""
        recorded: Incidents | None = None
        if watches:
            recorded = Incidents()
            recorded.take([as_record(output) for output in self.published if output.topic == events.ALERTS])
        answers = Answers(PARTITIONS, Policy(), TOPIC, HERE, b"", spread)
        tree = Tree(PARTITIONS, spread, CALM, segments.MOST, recorded)
        for day in range(BEGAN, self.now + every, every):
            for number, log in enumerate(self.log):
                today = [record for record in log if day <= record.timestamp < day + every]
                tree.take(answers.take(number, today), max((record.timestamp for record in today), default=0))
            tree.tick(dict.fromkeys(range(PARTITIONS), min(day + every, self.now) + 5))
        if recorded is not None:
            recorded.finish(tree.watches, CALM)
        return answers, tree


def incidents(outputs: Iterable[Output]) -> list[Incident]:
    """Return the steps of incidents among outputs."""
    return [
        Incident.model_validate_json(output.value or b"")
        for output in outputs
        if output.topic == events.ALERTS and (output.key or b"").startswith(b"incident:")
    ]
