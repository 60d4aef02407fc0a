"""The result of a replay as text for a terminal, and as JSON. Neither has an address or a word of a customer."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.flow.text import on_one_line
from worker.flow.timestamps import from_ms
from worker.replay.changes import Changes, Receivers
from worker.replay.comparing import Case, Change, Count, Difference, Place
from worker.replay.outcomes import NOBODY, Received
from worker.terminal import fitting

_HEAD = ("receiver", "channel", "now", "new", *Change)
_NAMES = 2
_NOTHING = "nothing"
#: The largest number of characters of a receiver's name in the table.
_LONGEST_NAME = 30
_KNOWS_NOT = (
    "Every server accepts every notice at once: outages, refusals and wrong addresses of the past are not known.",
    "What people did about alerts is taken as it was.",
)


@dataclass
class Result:
    """What came of a replay. Times are in ms."""

    since: int
    until: int
    changes: Changes
    receivers: Receivers
    #: The time of the earliest record that the topic still has; None if it has none.
    history_since: int | None = None
    #: Whether retention has deleted earlier records.
    is_cut: bool = False
    #: The numbers of steps of alerts and incidents, with the current configuration and with the new one.
    steps: tuple[int, int] = (0, 0)
    counts: Mapping[Place, Count] = field(default_factory=dict)
    #: The numbers of notices that wait at the end, and of refused records by reason, likewise.
    waiting: tuple[int, int] = (0, 0)
    refused: tuple[Mapping[str, int], Mapping[str, int]] = field(default_factory=lambda: ({}, {}))
    #: The number of alerts and incidents about which notices differ, and the earliest of them.
    differing: int = 0
    cases: Sequence[Case] = ()


def lines(result: Result, width: int | None = None) -> Iterator[str]:
    """Yield the result as text: first the figures, then what has to be known about them, then the cases.

    `width`: the number of columns of the terminal, None for as many as needed. Sentences are continued on further
    lines, and other lines are cut.
    """
    for line in _figures(result):
        yield fitting(line, width)
    for note in _notes(result):
        yield from [note] if width is None else textwrap.wrap(note, width, subsequent_indent="  ")
    for line in _differences(result):
        yield fitting(line, width)


def _figures(result: Result) -> Iterator[str]:
    source = "responses, decided again" if result.changes.decides_again else "alerts and incidents that were published"
    yield f"{_time(result.since)} to {_time(result.until)}, by the {source}"
    was, would = result.steps
    yield f"steps of alerts and incidents: {was:,}" + (f" now, {would:,} new" if result.changes.decides_again else "")
    yield ""
    yield from _table(result.counts)
    yield ""


def _differences(result: Result) -> Iterator[str]:
    yield ""
    if not result.differing:
        yield "no notice would differ"
        return
    yield f"notices about {result.differing:,} alerts and incidents would differ:"
    for case in result.cases:
        yield ""
        yield from _case(case)


def _table(counts: Mapping[Place, Count]) -> Iterator[str]:
    rows = [_HEAD, *(_cells(place, counts[place]) for place in sorted(counts, key=_by_receiver))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = [
            cell.ljust(size) if column < _NAMES else cell.rjust(size)
            for column, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _by_receiver(place: Place) -> tuple[bool, str, str]:
    return place.channel == NOBODY, place.receiver, place.channel


def _cells(place: Place, count: Count) -> tuple[str, ...]:
    name = on_one_line(place.receiver)
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    names = (NOBODY, short) if place.channel == NOBODY else (short, place.channel)
    return (*names, f"{count.current:,}", f"{count.new:,}", *(f"{count.changes[change]:,}" for change in Change))


def _notes(result: Result) -> Iterator[str]:
    """Yield what has to be known about the figures."""
    for place, name in result.receivers.names.items():
        yield f"{name} is called {place.receiver} now ({place.channel}): the addresses are the same."
    for place in result.receivers.moved:
        count = result.counts.get(place, Count())
        yield f"{place.receiver} has other addresses in the new configuration ({place.channel}): {count.new:,} notices."
    if result.changes.tried:
        yield f"Tried: {', '.join(result.changes.tried)}."
    if result.changes.not_tried:
        yield f"Differs, but is not tried: {', '.join(result.changes.not_tried)}."
    if not (result.changes.tried or result.changes.not_tried):
        yield "The two configurations are the same."
    if result.history_since is None:
        yield "The topic has no records."
    elif result.is_cut or result.history_since > result.since:
        yield f"The topic begins at {_time(result.history_since)}; what was before is not known."
    for reason in sorted({*result.refused[0], *result.refused[1]}):
        was, would = (refused.get(reason, 0) for refused in result.refused)
        yield f"Refused records ({reason}): {was:,} now, {would:,} new."
    if any(result.waiting):
        was, would = result.waiting
        yield f"Notices that wait at the end: {was:,} now, {would:,} new; later steps may still change them."
    yield from _KNOWS_NOT


def _case(case: Case) -> Iterator[str]:
    yield f"{case.alert_id}  {on_one_line(case.kind)}, {on_one_line(case.segment) or 'the root segment'}"
    for difference in case.differences:
        place, why = difference.place, f" ({difference.why})" if difference.why else ""
        who = (
            f"nobody, {place.receiver}"
            if place.channel == NOBODY
            else f"{on_one_line(place.receiver)} by {place.channel}"
        )
        yield f"  {who}: {_notice(difference.was)} -> {_notice(difference.would)}{why}"


def _notice(told: Received | None) -> str:
    if told is None:
        return _NOTHING
    return f"{told.action} {_time(told.at)}{f' {told.severity}' * bool(told.severity)}{' (waits)' * told.waits}"


def _time(ms: int) -> str:
    return from_ms(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_json(result: Result) -> Iterator[dict[str, Any]]:
    """Yield the figures, and then each case, as values of JSON. Times are in RFC 3339."""
    yield {
        "from": _iso(result.since),
        "to": _iso(result.until),
        "source": "responses" if result.changes.decides_again else "alerts",
        "history_from": None if result.history_since is None else _iso(result.history_since),
        "history_is_cut": result.is_cut,
        "steps": _both(result.steps),
        "receivers": [
            {"receiver": place.receiver, "channel": place.channel, **_count_json(result.counts[place])}
            for place in sorted(result.counts, key=_by_receiver)
        ],
        "renamed": [
            {"channel": p.channel, "now": p.receiver, "new": name} for p, name in result.receivers.names.items()
        ],
        "other_addresses": [place._asdict() for place in result.receivers.moved],
        "refused": {
            reason: _both((result.refused[0].get(reason, 0), result.refused[1].get(reason, 0)))
            for reason in sorted({*result.refused[0], *result.refused[1]})
        },
        "waiting": _both(result.waiting),
        "settings_tried": result.changes.tried,
        "settings_not_tried": result.changes.not_tried,
        "differing": result.differing,
    }
    for case in result.cases:
        yield {
            "alert_id": case.alert_id,
            "kind": case.kind,
            "segment": case.segment,
            "at": _iso(case.at),
            "differences": [_difference_json(difference) for difference in case.differences],
        }


def _both(pair: tuple[int, int]) -> dict[str, int]:
    return {"now": pair[0], "new": pair[1]}


def _count_json(count: Count) -> dict[str, int]:
    return {"now": count.current, "new": count.new, **{str(change): count.changes[change] for change in Change}}


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        **difference.place._asdict(),
        "change": difference.change,
        "now": _notice_json(difference.was),
        "new": _notice_json(difference.would),
        "why": difference.why or None,
    }


def _notice_json(told: Received | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {"action": told.action, "severity": told.severity or None, "at": _iso(told.at), "waits": told.waits}


def _iso(ms: int) -> str:
    return from_ms(ms).isoformat()
