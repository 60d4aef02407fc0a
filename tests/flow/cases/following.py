"""One partition of cases as streams/lane.py keeps it, without Kafka: rows, what has arrived, and the latest time."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from flow.records import DAY, HOUR, NOW, Record

from schemas.alert import Severity
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.cases import case, road
from worker.flow.cases.case import Case
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.service import ServiceLevels
from worker.flow.messages import case_log
from worker.flow.messages.case_log import AlertStep, Message
from worker.flow.policy import CasePolicy, IntakePolicy

CUSTOMER = b"c-1"
COMMANDS = "nps.alert-commands"
POLICY = CasePolicy(causes=["delivery", "price"])
#: A Kafka time at which a case that was opened NOW is forgotten, if nothing happens to it.
FORGOTTEN = NOW + POLICY.open_days * DAY


def step(offset: int = 0, index: int = 0, **changes: Any) -> AlertStep:
    """Return a step of an alert: it was opened NOW, but for the fields given."""
    usual: dict[str, Any] = {
        "alert_id": "a-1",
        "action": "opened",
        "severity": Severity.CRITICAL,
        "score": 2,
        "segment": "fr/shop-3",
        "survey_id": "autumn",
        "response_id": "r-1",
        "revision": 0,
        "given": NOW - HOUR,
        "at": NOW,
    }
    return AlertStep(offset, index, **(usual | changes))


def command(**changes: Any) -> dict[str, Any]:
    """Return a command as JSON has it: somebody acknowledges the alert, but for the fields given."""
    usual: dict[str, Any] = {
        "command_id": "k-1",
        "alert_id": "a-1",
        "customer_id": CUSTOMER.decode(),
        "action": "acknowledge",
        "actor": "ann",
    }
    return usual | changes


def resolution(**changes: Any) -> dict[str, Any]:
    """Return a command that resolves the case."""
    return command(**({"command_id": "k-2", "action": "resolve", "outcome": "solved", "cause": "price"} | changes))


def moved(body: dict[str, Any], offset: int = 0, partition: int = 3, at: int = NOW) -> case_log.MovedCommand:
    """Return a command as the road of the commands moves it."""
    return case_log.MovedCommand(partition, offset, at, b"any key", json.dumps(body).encode())


def record(message: Message, at: int = NOW, customer: bytes = CUSTOMER) -> Record:
    """Return the record of a message on the topic of the cases."""
    return Record(case_log.output(customer, message).value, customer, timestamp=at, topic="nps.cases")


def tick(at: int) -> Record:
    """Return a tick."""
    return Record(b"", case_log.TICK_KEY, timestamp=at, topic="nps.cases")


class Following:
    """The cases of one partition. `sent` has everything that was published."""

    def __init__(self, policy: CasePolicy = POLICY, service: ServiceLevels | None = None) -> None:
        self.policy = policy
        self.service = service or ServiceLevels()
        self.due = DueIndex()
        self.rows: dict[bytes, bytes] = {}
        self.arrived: dict[int, int] = {}
        self.latest_time = 0
        self.sent: list[Output] = []
        self.sweep: Sweep | None = None
        self._next_command = 0

    def decide(self, records: Sequence[Record]) -> Decided:
        """Decide the first slice of a batch; nothing is written."""
        batch = road.Batch(records, COMMANDS, self.arrived, self.latest_time, self.sweep, self.service, self.due)
        return road.decide(batch, self.policy, IntakePolicy(), self.rows.get)

    def take(self, *records: Record) -> list[Output]:
        """Decide a batch and write all of its slices, one after the other; return the outputs."""
        outputs = []
        for decided in self.slices(records):
            self.write(decided)
            outputs += decided.outputs
        return outputs

    def slices(self, records: Sequence[Record]) -> Iterator[Decided]:
        """Yield the slices of a batch. Each has to be written before the next one is asked for."""
        decided: Decided | None = self.decide(records)
        while decided is not None:
            yield decided
            decided = None if decided.rest is None else decided.rest()

    def write(self, decided: Decided) -> None:
        """Write a slice, whose outputs are published."""
        for key, row in decided.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        self.due.update(decided.rows)
        self.arrived = {**self.arrived, **decided.rerouted}
        self.latest_time = max(self.latest_time, decided.latest_time)
        self.sent += decided.outputs

    def say(self, body: dict[str, Any], at: int = NOW) -> dict[str, Any]:
        """Give a command; return its answer."""
        self._next_command += 1
        outputs = self.take(record(moved(body, self._next_command, at=at), at))
        (answer,) = answers(outputs)
        return answer

    def case(self, alert_id: str = "a-1", customer: bytes = CUSTOMER) -> Case | None:
        """Return a case; None if it is not known."""
        row = self.rows.get(customer)
        return None if row is None else case.decode_cases(row).find(alert_id)


def opened(policy: CasePolicy = POLICY) -> Following:
    """Return cases with one that was opened NOW."""
    following = Following(policy)
    following.take(record(step()))
    return following


def answers(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """Return the answers to commands among outputs."""
    return [json.loads(output.value or b"") for output in outputs if output.topic == events.ALERT_COMMAND_RESULTS]


def told(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """Return the steps of cases among outputs."""
    return [json.loads(output.value or b"") for output in outputs if output.topic == events.ALERTS]


def letters(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """Return the dead letters among outputs."""
    return [json.loads(output.value or b"") for output in outputs if output.topic == events.DEAD_LETTERS]
