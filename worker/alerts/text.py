"""Cases as text for a terminal, and as JSON."""

import textwrap
from collections.abc import Sequence
from typing import Any

from worker.alerts.known import KnownCase
from worker.flow.cases.case import Case
from worker.flow.text import clean
from worker.flow.timestamps import DAY, HOUR, from_ms

#: The number of characters of an alert's id in the list. Commands take it in place of the whole id.
SHORT_ID = 8
#: The largest number of characters of a name in the list.
_LONGEST_NAME = 12
#: The smallest number of characters that a segment has in the list.
_SHORTEST_SEGMENT = 10
_MINUTE = 60_000
_HEAD = ("alert", "state", "severity", "score", "age", "by", "segment")
_WIDTH_OF_DETAILS = 100


def table(cases: Sequence[KnownCase], now: int, width: int | None) -> list[str]:
    """Return a header and a line for each case. It has no customer's id, and nothing that a customer wrote.

    `now`: in ms; `width`: the number of columns of the terminal, None for as many as needed.
    """
    rows = [_HEAD, *(_cells(known.case, now) for known in cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = []
    for row in rows:
        cells = [cell.rjust(size) if name in {"score", "age"} else cell.ljust(size)
                 for name, cell, size in zip(_HEAD, row, widths, strict=False)]  # fmt: skip
        before = "  ".join(cells) + "  "
        lines.append((before + _fitting(row[-1], width, len(before))).rstrip())
    return lines


def _cells(case: Case, now: int) -> tuple[str, ...]:
    who = clean(case.resolved_by or case.assignee or case.acknowledged_by)
    short = who if len(who) <= _LONGEST_NAME else who[: _LONGEST_NAME - 1] + "…"
    age = _age(now - case.opened_at)
    return case.alert_id[:SHORT_ID], case.state, case.severity, str(case.score), age, short, clean(case.segment)


def _fitting(segment: str, width: int | None, used: int) -> str:
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
        ("acknowledged", _by(case.acknowledged_at, case.acknowledged_by)),
        ("assigned", case.assignee),
        ("ended", _by(case.ended_at, case.resolved_by)),
        ("outcome", case.outcome or ""),
        ("cause", case.cause or ""),
    ]
    lines = [f"{name + ':':<14}{clean(text)}" for name, text in fields if text]
    for note in case.notes:
        lines.append(f"note of {_when(note.at)} by {clean(note.actor)}:")
        for line in clean(note.text).splitlines():
            lines += textwrap.wrap(line, _WIDTH_OF_DETAILS, initial_indent="  ", subsequent_indent="  ")
    return lines


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
        "outcome": case.outcome,
        "cause": case.cause,
    }
    if notes:
        found["notes"] = [{"at": time(note.at), "actor": note.actor, "text": note.text} for note in case.notes]
    return found
