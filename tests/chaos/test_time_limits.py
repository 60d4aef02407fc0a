"""The recount of time limits finds each thing that may go wrong with them, in logs that are written by hand."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from chaos import time_limits
from chaos.closed_loop import setting
from chaos.time_limits import Level, id_of, recount
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from worker.flow import events
from worker.flow.batch import MemoryRecord, Output
from worker.flow.cases import road
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import CasePolicy, IntakePolicy

SECOND = 1_000
#: Reminders after 2 and 6 s, an escalation after 8 and 10 s, and the end of the time to resolve after 12 s.
LEVEL = Level(8_000, 6_000, ((0, ("lead",)), (2_000, ("director",))), 12_000)
FIRST = datetime(2026, 11, 30, 9, tzinfo=UTC)


class Written(NamedTuple):
    """A record of the topic of the cases."""

    key: bytes
    value: bytes
    #: When it was written, in seconds after the alert.
    second: float
    partition: int = 0

    @property
    def timestamp(self) -> int:
        return round(FIRST.timestamp() * SECOND + self.second * SECOND)


def alert(second: float, action: str = "opened", index: int = 0, level: str = "fast") -> Written:
    at = round((FIRST.timestamp() + second) * SECOND)
    offset = round(second * SECOND)
    fields = [1, offset, index, "a-1", action, "error", 3, "fr", "s", "r-1", 0, at, at, level, ""]
    return Written(b"c-1", msgpack.encode(fields), second)


def command(second: float, action: str, offset: int = 0, command_id: str = "k-1") -> Written:
    value = f'{{"command_id": "{command_id}", "alert_id": "a-1", "action": "{action}"}}'.encode()
    at = round((FIRST.timestamp() + second) * SECOND)
    return Written(b"c-1", msgpack.encode([3, 0, offset, at, b"c-1", value]), second)


def tick(second: float) -> Written:
    return Written(b"\x00tick", b"", second)


def step(
    second: float, action: str, reason: str, due: float, number: int | None = None, opening: int = 1
) -> dict[str, Any]:
    """Return the event about a reminder or an escalation. `due`: the end of the time limit that it is about."""
    receivers = None if number is None else [*LEVEL.escalation[number - 1][1]]
    return {
        "alert_id": "a-1",
        "opening": opening,
        "action": action,
        "reason": reason,
        "escalation_step": number,
        "escalated_to": receivers,
        "due_at": (FIRST + timedelta(seconds=due)).isoformat(),
        "occurred_at": (FIRST + timedelta(seconds=second)).isoformat(),
    }


def escalated(second: float, number: int, opening: int = 1) -> dict[str, Any]:
    return step(second, "escalated", "not_acknowledged", 8, number, opening)


def reminded(second: float, opening: int = 1, opened: float = 0) -> dict[str, Any]:
    """Return a reminder that the case has to be acknowledged soon."""
    return step(second, "reminded", "due_soon", opened + 8, opening=opening)


def resolve_soon(second: float) -> dict[str, Any]:
    return step(second, "reminded", "due_soon", 12)


def not_resolved(second: float) -> dict[str, Any]:
    return step(second, "reminded", "not_resolved", 12)


def wrong(log: Iterable[Written], steps: Iterable[dict[str, Any]], refused: tuple[int, ...] = ()) -> list[str]:
    """Compare a log with events; every command was applied but those at these offsets."""
    outcomes = {
        id_of("alert-command-result", 0, offset): "refused" if offset in refused else "applied" for offset in range(9)
    }
    return time_limits.wrong(steps, recount(log, outcomes, {"fast": LEVEL}))


USUAL = [alert(0), tick(3), tick(9), tick(14)]
HAPPENED = [reminded(3), resolve_soon(9), escalated(9, 1), escalated(14, 2), not_resolved(14)]


def test_a_case_that_nobody_acknowledges_is_escalated_to_its_last_step() -> None:
    assert wrong(USUAL, HAPPENED) == []


@pytest.mark.parametrize("left_out", range(5))
def test_what_is_missing_is_found(left_out: int) -> None:
    steps = [one for place, one in enumerate(HAPPENED) if place != left_out]

    assert wrong(USUAL, steps) == ["I8 reminders and escalations that are missing: 1"]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_an_escalation_behind_an_acknowledgement_or_an_end_is_found(action: str) -> None:
    log = [alert(0), tick(3), command(8.5, action), tick(9)]

    steps = [reminded(3), *([] if action == "resolve" else [resolve_soon(9)])]
    assert wrong(log, steps) == []
    assert wrong(log, [*steps, escalated(9, 1)]) == ["I8 escalations behind an acknowledgement or an end: 1"]


def test_what_counts_is_the_place_in_the_log_and_not_the_time() -> None:
    # The command was written before the tick, and arrived behind it.
    late = command(8.5, "acknowledge")._replace(second=9.5)

    assert wrong([alert(0), tick(3), tick(9), late], HAPPENED[:3]) == []


def test_an_escalation_behind_a_withdrawal_is_found() -> None:
    log = [alert(0), tick(3), alert(5, "withdrawn"), tick(9)]

    assert wrong(log, [reminded(3)]) == []
    assert wrong(log, [reminded(3), escalated(9, 1)]) == ["I8 escalations behind an acknowledgement or an end: 1"]


def test_a_command_that_was_refused_or_has_come_twice_stops_nothing_further() -> None:
    log = [alert(0), tick(3), command(4, "acknowledge"), tick(9), tick(14)]
    repeated = [alert(0), tick(3), command(4, "resolve"), command(5, "reopen", 1, "k-2")]
    again = [*repeated, command(6, "resolve", 2), tick(7.5)]

    assert wrong(log, HAPPENED, refused=(0,)) == []
    # The third command has the id of the first, so the case stays open; its times began again with the reopening.
    assert wrong(again, [reminded(3), reminded(7.5, opening=2, opened=5)]) == []


def test_a_step_that_happens_a_second_time_is_found() -> None:
    lines = wrong(USUAL, [*HAPPENED, escalated(14, 1)])

    assert lines == [
        "I8 reminders and escalations that should not be: 1",
        "I8 steps of an escalation that have happened again: 1",
    ]


def test_an_acknowledged_case_is_reminded_of_its_resolution_until_it_is_resolved() -> None:
    log = [alert(0), tick(1.5), command(1.6, "acknowledge"), tick(7), tick(12.5)]
    steps = [resolve_soon(7), not_resolved(12.5)]

    assert wrong(log, steps) == []
    assert wrong([*log[:4], command(8, "resolve", 1, "k-2"), log[4]], steps) == [
        "I8 reminders and escalations that should not be: 1"
    ]


def test_a_reminder_after_the_time_that_it_is_about_is_found() -> None:
    steps = [resolve_soon(9), escalated(9, 1)]
    assert wrong([alert(0), tick(9)], steps) == []
    assert wrong([alert(0), tick(9)], [*steps, reminded(9)]) == ["I8 reminders and escalations that should not be: 1"]


def test_a_case_without_a_service_level_has_no_time_limits() -> None:
    assert wrong([alert(0, level=""), tick(9)], []) == []
    assert wrong([alert(0, level=""), tick(9)], [escalated(9, 1)]) == [
        "I8 reminders and escalations that should not be: 1"
    ]


def test_a_message_that_comes_twice_because_of_a_crash_counts_once() -> None:
    log = [alert(0), alert(0), tick(3), alert(5, "withdrawn"), alert(0), alert(5, "withdrawn"), tick(9)]

    assert wrong(log, [reminded(3)]) == []


def test_what_may_still_happen_is_known() -> None:
    def waiting(log: list[Written]) -> int:
        return recount(log, {}, {"fast": LEVEL}).waiting

    assert [waiting(USUAL[:count]) for count in (1, 2, 3, 4)] == [5, 4, 2, 0]


COMMANDS = ("acknowledge", "assign", "note", "resolve", "reopen")
#: What comes next on the topic, and how many ms later: a tick, a step of an alert, or a command with one of a few ids.
NEXT = st.tuples(
    st.sampled_from(["tick", "tick", "opened", "updated", "withdrawn", *COMMANDS]),
    st.integers(0, 5_000),
    st.integers(0, 9),
)


@given(coming=st.lists(NEXT, max_size=40))
def test_the_worker_and_the_recount_agree_whatever_comes(coming: list[tuple[str, int, int]]) -> None:
    now = round(FIRST.timestamp() * SECOND)
    records: list[MemoryRecord] = []
    for number, (what, later, which) in enumerate(coming):
        now += later
        key, value = (b"\x00tick", b"") if what == "tick" else (b"c-1", _message(number, now, what, which))
        records.append(MemoryRecord("cases", 0, number, now, key, value, []))
    outputs = _decided(records)
    answers = {
        (dict(one.headers)["ce_id"] or b"").decode(): json.loads(one.value or b"")["outcome"]
        for one in outputs
        if one.topic == events.ALERT_COMMAND_RESULTS
    }
    steps = [json.loads(one.value or b"") for one in outputs if one.topic == events.ALERTS]

    assert time_limits.wrong(steps, recount(records, answers, {"fast": LEVEL})) == []


def _message(number: int, now: int, what: str, which: int) -> bytes:
    if what not in COMMANDS:
        return msgpack.encode([1, number, 0, "a-1", what, "error", 3, "fr", "s", "r-1", 0, now, now, "fast", ""])
    body = {"command_id": f"k-{what}-{which}", "alert_id": "a-1", "customer_id": "c-1", "action": what, "actor": "ann"}
    needed = {"assignee": "eve", "outcome": "solved", "note": "by phone"}
    return msgpack.encode([3, 0, number, now, b"c-1", json.dumps(body | needed).encode()])


def _decided(records: Iterable[MemoryRecord]) -> list[Output]:
    """Return what the worker makes of a log, a record at a time."""
    rows: dict[bytes, bytes | None] = {}
    outputs: list[Output] = []
    service, due = ServiceLevels({"fast": setting(LEVEL)}), DueIndex()
    batch = road.Batch([], "commands", {}, service=service, due=due)
    for record in records:
        decided = road.decide(batch._replace(records=[record]), CasePolicy(), IntakePolicy(), rows.get)
        while True:
            rows |= decided.rows
            due.update(decided.rows)
            outputs += decided.outputs
            if decided.rest is None:
                break
            decided = decided.rest()
        batch = batch._replace(arrived=decided.rerouted, latest_time=decided.latest_time)
    return outputs
