"""The time limits of cases, recounted from the topic of the cases by none of the worker's code.

The topic brings all that changes a case in one order: steps of alerts, commands and ticks. So the recount knows at
which place of the log each reminder and each step of an escalation has to happen, and that none may happen behind an
acknowledgement or an end. Whether a command was carried out is what its answer says.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from aiokafka import ConsumerRecord
from msgspec import msgpack

#: The namespace of all ids that the worker makes.
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:nps:detractor-worker")
_TICK = b"\x00tick"
#: The tags of the messages on the topic.
_STEP, _ERASURE, _COMMAND, _ANSWER = 1, 2, 3, 4
_ENDED = frozenset({"resolved", "withdrawn"})
_OF_ACKNOWLEDGEMENT = frozenset({"remind", "escalate"})


def id_of(kind: str, *parts: str | int) -> str:
    """Return the UUIDv5 of a kind and parts, each with its length before it."""
    name = kind + "".join(f"|{len(str(part))}:{part}" for part in parts)
    return str(uuid5(_NAMESPACE, name))


class Level(NamedTuple):
    """A service level. All times are in ms, and count at all hours."""

    acknowledge: int
    remind_before: int
    #: For each step of the escalation: how long after the one before it comes, and whom it asks.
    escalation: Sequence[tuple[int, tuple[str, ...]]]
    resolve: int


class Happened(NamedTuple):
    """A reminder or an escalation."""

    alert_id: str
    opening: int
    action: str
    reason: str
    #: The number of the escalation's step; 0 for a reminder.
    step: int
    #: Whom it asks.
    receivers: tuple[str, ...]
    #: Which time limit it is about, and when it happened, in ms.
    due: int
    at: int


class _Timer(NamedTuple):
    at: int
    kind: str
    step: int = 0
    receivers: tuple[str, ...] = ()


@dataclass
class _Case:
    changed: int
    opened: int
    level: str
    state: str = "open"
    opening: int = 1
    timers: list[_Timer] = field(default_factory=list)
    acknowledge_due: int = 0
    resolve_due: int = 0
    commands: set[str] = field(default_factory=set)


@dataclass
class Recounted:
    """`happened`: what had to happen. `waiting`: how many timers may still make something happen.

    `stopped`: for each opening of an alert, the partition, and how many of its ticks lie before the first
    acknowledgement or end. `ticks`: the times of each partition's ticks.
    """

    happened: set[Happened] = field(default_factory=set)
    waiting: int = 0
    stopped: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    ticks: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def recount(
    log: Iterable["ConsumerRecord[bytes, bytes]"],
    outcomes: Mapping[str, str],
    levels: Mapping[str, Level],
) -> Recounted:
    """Recount the topic of the cases, whose records are in order within each partition.

    `outcomes`: what became of each command, by the id of the event that answers it.
    """
    found, partitions = Recounted(), defaultdict[int, list["ConsumerRecord[bytes, bytes]"]](list)
    for record in log:
        partitions[record.partition].append(record)
    for partition, records in partitions.items():
        _Partition(partition, found, outcomes, levels).take(records)
    return found


class _Partition:
    """The cases of one partition."""

    def __init__(
        self, partition: int, found: Recounted, outcomes: Mapping[str, str], levels: Mapping[str, Level]
    ) -> None:
        self._partition = partition
        self._found = found
        self._outcomes = outcomes
        self._levels = levels
        self._cases: dict[tuple[bytes, str], _Case] = {}
        self._ticks = found.ticks[partition]
        self._step = (-1, -1)
        self._commands: dict[int, int] = {}

    def take(self, records: Iterable["ConsumerRecord[bytes, bytes]"]) -> None:
        now = 0
        for record in records:
            now = max(now, record.timestamp)
            if record.key == _TICK:
                self._ticks.append(now)
                self._tick(now)
                continue
            tag, *fields = msgpack.decode(record.value or b"")
            if tag == _COMMAND:
                self._command(record.key or b"", *fields)
            elif (place := (fields[0], fields[1])) > self._step:
                self._step = place
                if tag == _STEP:
                    self._alert(record.key or b"", fields)
                elif tag == _ERASURE:
                    for key in [key for key in self._cases if key[0] == record.key]:
                        del self._cases[key]
                else:
                    assert tag == _ANSWER
        self._found.waiting += sum(len(case.timers) for case in self._cases.values())

    def _alert(self, customer: bytes, fields: list[Any]) -> None:
        alert_id, action, at = fields[2], fields[3], fields[11]
        level = fields[12] if len(fields) > 12 else ""
        case = self._cases.get((customer, alert_id))
        if action == "withdrawn":
            if case is not None and case.state not in _ENDED:
                self._move(alert_id, case, "withdrawn", at)
        elif case is None:
            case = self._cases[customer, alert_id] = _Case(at, at, level)
            self._begin(case)
        elif case.state in _ENDED:
            case.level = level
            self._move(alert_id, case, "open", at)

    def _command(self, customer: bytes, partition: int, offset: int, at: int, _key: Any, value: bytes) -> None:
        if offset <= self._commands.get(partition, -1):
            return
        self._commands[partition] = offset
        if self._outcomes.get(id_of("alert-command-result", partition, offset)) != "applied":
            return
        command = json.loads(value)
        case = self._cases[customer, command["alert_id"]]
        if command["command_id"] in case.commands:
            return
        case.commands.add(command["command_id"])
        states = {"acknowledge": "acknowledged", "resolve": "resolved", "reopen": "open"}
        self._move(command["alert_id"], case, states.get(command["action"], case.state), at)

    def _move(self, alert_id: str, case: _Case, state: str, at: int) -> None:
        case.changed = max(case.changed, at)
        if case.state in _ENDED and state == "open":
            case.opening, case.opened = case.opening + 1, case.changed
            self._begin(case)
        elif state != case.state:
            self._found.stopped.setdefault((alert_id, case.opening), (self._partition, len(self._ticks)))
        case.state = state
        if state in _ENDED:
            case.timers = []
        elif state == "acknowledged":
            case.timers = [timer for timer in case.timers if timer.kind not in _OF_ACKNOWLEDGEMENT]

    def _begin(self, case: _Case) -> None:
        level = self._levels.get(case.level)
        case.timers = [] if level is None else list(_timers(level, case.opened))
        if level is not None:
            case.acknowledge_due, case.resolve_due = case.opened + level.acknowledge, case.opened + level.resolve

    def _tick(self, now: int) -> None:
        for (_, alert_id), case in self._cases.items():
            while case.timers and case.timers[0].at <= now:
                timer = case.timers.pop(0)
                what = _what_happens(timer, case, now)
                if what is not None:
                    case.changed = max(case.changed, now)
                    due = case.acknowledge_due if timer.kind in _OF_ACKNOWLEDGEMENT else case.resolve_due
                    self._found.happened.add(
                        Happened(alert_id, case.opening, *what, timer.step, timer.receivers, due, case.changed)
                    )


def _timers(level: Level, opened: int) -> Iterator[_Timer]:
    due = opened + level.acknowledge
    delays = accumulate(delay for delay, _ in level.escalation)
    timers = [
        _Timer(due - level.remind_before, "remind"),
        *(
            _Timer(due + delay, "escalate", number, receivers)
            for number, (delay, (_, receivers)) in enumerate(zip(delays, level.escalation, strict=True), start=1)
        ),
        _Timer(opened + level.resolve - level.remind_before, "remind_resolution"),
        _Timer(opened + level.resolve, "overdue"),
    ]
    yield from sorted(timers, key=lambda timer: timer.at)


def _what_happens(timer: _Timer, case: _Case, now: int) -> tuple[str, str] | None:
    """Return the action and the reason of the event about a timer; None if it has no meaning any more."""
    if timer.kind == "remind" and case.state == "open" and now < case.acknowledge_due:
        return "reminded", "due_soon"
    if timer.kind == "escalate" and case.state == "open":
        return "escalated", "not_acknowledged"
    if timer.kind == "remind_resolution" and now < case.resolve_due:
        return "reminded", "due_soon"
    if timer.kind == "overdue":
        return "reminded", "not_resolved"
    return None


def happened(steps: Iterable[Mapping[str, Any]]) -> set[Happened]:
    """Return the reminders and escalations among the steps of cases."""
    return {
        Happened(
            step["alert_id"],
            step["opening"],
            step["action"],
            step["reason"],
            step.get("escalation_step") or 0,
            tuple(step.get("escalated_to") or ()),
            _ms(step["due_at"]),
            _ms(step["occurred_at"]),
        )
        for step in steps
        if step["action"] in {"reminded", "escalated"}
    }


def _ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1_000)


def wrong(steps: Iterable[Mapping[str, Any]], recounted: Recounted) -> list[str]:
    """Return a line for each kind of difference between the steps of cases and the recount. Each step is given once."""
    found = happened(steps)
    too_many = found - recounted.happened
    late = {one for one in too_many if one.action == "escalated" and _is_stopped(one, recounted)}
    lines = []
    if late:
        lines.append(f"I8 escalations behind an acknowledgement or an end: {len(late)}")
    if too_many - late:
        lines.append(f"I8 reminders and escalations that should not be: {len(too_many - late)}")
    if missing := recounted.happened - found:
        lines.append(f"I8 reminders and escalations that are missing: {len(missing)}")
    again = [(one.alert_id, one.opening, one.reason, one.step) for one in found if one.action == "escalated"]
    if len(set(again)) < len(again):
        lines.append(f"I8 steps of an escalation that have happened again: {len(again) - len(set(again))}")
    return lines


def _is_stopped(one: Happened, recounted: Recounted) -> bool:
    """Say whether an acknowledgement or an end lies before the first tick that an event may have come of."""
    partition, before = recounted.stopped.get((one.alert_id, one.opening), (-1, 0))
    return partition >= 0 and all(now < one.at for now in recounted.ticks[partition][:before])
