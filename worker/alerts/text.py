"""Cases as text for a terminal, and as JSON."""

import textwrap
from collections.abc import Sequence
from typing import Any

from worker.flow.cases.case import Case
from worker.flow.cases.known import KnownCase
from worker.flow.text import on_lines, on_one_line
from worker.flow.timestamps import DAY, HOUR, from_ms
from worker.terminal import fitting

#: The number of characters of an alert's id in the list. Commands take it in place of the whole id.
SHORT_ID = 8
#: The largest number of characters of a name in the list.
_LONGEST_NAME = 12
#: The smallest number of characters that a segment has in the list.
_SHORTEST_SEGMENT = 10
_MINUTE = 60_000
_HEAD = ("alert", "state", "severity", "score", "age", "due", "by", "segment")
_DUE = _HEAD.index("due")
#: The columns whose cells are at the right.
_AT_THE_RIGHT = frozenset({"score", "age", "due"})
_WIDTH_OF_DETAILS = 100
#: The number of columns that the names of fields take at least.
_WIDTH_OF_NAMES = 14


def table(cases: Sequence[KnownCase], now: int, width: int | None) -> list[str]:
    """Return a header and a line for each case. It has no customer's id, and nothing that a customer wrote.

    There is a column of the times that are left only if there are time limits.

    `now`: in ms; `width`: the number of columns of the terminal, None for as many as needed.
    """
    rows = [_HEAD, *(_cells(known.case, now) for known in cases)]
    if all(known.case.next_due is None for known in cases):
        rows = [(*row[:_DUE], *row[_DUE + 1 :]) for row in rows]
    head = rows[0]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    lines = []
    for row in rows:
        cells = [cell.rjust(size) if name in _AT_THE_RIGHT else cell.ljust(size)
                 for name, cell, size in zip(head, row, widths, strict=False)]  # fmt: skip
        before = "  ".join(cells) + "  "
        lines.append(fitting((before + _without_beginning(row[-1], width, len(before))).rstrip(), width))
    return lines


def _cells(case: Case, now: int) -> tuple[str, ...]:
    who = on_one_line(case.resolved_by or case.assignee or case.acknowledged_by)
    short = who if len(who) <= _LONGEST_NAME else who[: _LONGEST_NAME - 1] + "…"
    age = _age(now - case.opened_at)
    due = "" if case.next_due is None else _left(case.next_due - now)
    return (
        case.alert_id[:SHORT_ID],
        case.state,
        case.severity,
        str(case.score),
        age,
        due,
        short,
        on_one_line(case.segment),
    )


def _left(ms: int) -> str:
    """Return how much time is left, or by how much it is late."""
    return f"{_age(-ms)} late" if ms <= 0 else f"in {_age(ms)}"


def _without_beginning(segment: str, width: int | None, used: int) -> str:
    """Return a segment's path, without its beginning if it is too long."""
    if width is None or len(segment) <= (room := max(width - used, _SHORTEST_SEGMENT)):
        return segment
    return "…" + segment[-room + 1 :]


def _age(ms: int) -> str:
    if ms < HOUR:
        return f"{max(0, ms) // _MINUTE}m"
    return f"{ms // HOUR}h" if ms < 2 * DAY else f"{ms // DAY}d"


def details(known: KnownCase) -> list[str]:
    """Return the lines about one case, with its customer's id and its notes."""
    case = known.case
    fields = [
        ("alert", case.alert_id),
        ("customer", known.customer_id),
        ("state", f"{case.state}, step {case.step}" + (f", opening {case.opening}" if case.opening > 1 else "")),
        ("severity", f"{case.severity}, score {case.score}"),
        ("segment", case.segment or "the root segment"),
        ("response", f"{case.response_id} of survey {case.survey_id}"),
        ("opened", _when(case.opened_at)),
        ("service level", case.service_level),
        ("acknowledge by", _limit(case.acknowledge_due, case.acknowledged_at or case.ended_at)),
        ("resolve by", _limit(case.resolve_due, case.ended_at)),
        ("escalated", f"step {case.escalated}" if case.escalated else ""),
        ("acknowledged", _by(case.acknowledged_at, case.acknowledged_by)),
        ("assigned", case.assignee),
        ("ended", _by(case.ended_at, case.resolved_by)),
        ("outcome", case.outcome or ""),
        ("cause", case.cause or ""),
    ]
    width = max(_WIDTH_OF_NAMES, *(len(name) + 2 for name, text in fields if text))
    lines = [f"{name + ':':<{width}}{on_one_line(text)}" for name, text in fields if text]
    for note in case.notes:
        lines.append(f"note of {_when(note.at)} by {on_one_line(note.actor)}:")
        for line in on_lines(note.text).splitlines():
            lines += textwrap.wrap(line, _WIDTH_OF_DETAILS, initial_indent="  ", subsequent_indent="  ")
    return lines


def _limit(due: int | None, done: int | None) -> str:
    """Return a time limit, and that it was missed. `done`: when it was met; None if that has not happened yet."""
    return (
        "" if due is None else _when(due) + (f", done late: {_when(done)}" if done is not None and done > due else "")
    )


def _by(at: int | None, who: str) -> str:
    return "" if at is None else _when(at) + (f" by {who}" if who else "")


def _when(at: int) -> str:
    return from_ms(at).strftime("%Y-%m-%d %H:%M UTC")


def as_json(known: KnownCase, *, notes: bool) -> dict[str, Any]:
    """Return a case as JSON has it. `notes`: whether its notes are part of it."""
    case = known.case

    def time(at: int | None) -> str | None:
        return None if at is None else from_ms(at).isoformat()

    found = {
        "alert_id": case.alert_id,
        "customer_id": known.customer_id,
        "response_id": case.response_id,
        "survey_id": case.survey_id,
        "segment": case.segment,
        "severity": case.severity,
        "score": case.score,
        "state": case.state,
        "step": case.step,
        "opening": case.opening,
        "opened_at": time(case.opened_at),
        "acknowledged_at": time(case.acknowledged_at),
        "acknowledged_by": case.acknowledged_by or None,
        "assignee": case.assignee or None,
        "ended_at": time(case.ended_at),
        "resolved_by": case.resolved_by or None,
        "service_level": case.service_level or None,
        "acknowledge_due_at": time(case.acknowledge_due),
        "resolve_due_at": time(case.resolve_due),
        "escalated": case.escalated,
        "outcome": case.outcome,
        "cause": case.cause,
    }
    if notes:
        found["notes"] = [{"at": time(note.at), "actor": note.actor, "text": note.text} for note in case.notes]
    return found
