"""What the terminal shows: counts, the latest alerts, the mails that arrived, and the tree of segments with its scores.

A live picture is as high as the terminal. Each part has its share of the lines, and the number of entries that do not
fit is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.alert import Alert
from schemas.case import CaseState
from worker.demo import receivers
from worker.demo.spectator import DEAD_LETTER, Seen, customer_of
from worker.flow.text import on_one_line
from worker.lineage import SEPARATOR, survey_of
from worker.logs import counted

_SEVERITY_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow"}
#: The columns of a bar.
_BAR = 20
#: The lowest NPS that is shown in green, and in yellow.
_GOOD, _FAIR = 30, 0
_LATEST_ALERTS, LATEST_MAILS = 8, 4
#: The lines of a panel's border.
_BORDER_LINES = 2
#: The columns of a panel's border, with the spaces inside it.
_BORDER_COLUMNS = 4
#: The columns of a severity, an action and a score, with the spaces between all columns: "critical acknowledged 10".
_SHORT_COLUMNS = 27
#: The states of cases that are shown in place of the alert's action.
_WORKED_ON = {CaseState.ACKNOWLEDGED, CaseState.RESOLVED}
#: The fewest lines of alerts, of mails and of segments in a panel.
_FEWEST = 2
#: The words that are counted in the plural; the other outcomes are adjectives.
_NOUNS = {DEAD_LETTER.replace("_", " "), "alert", "invitation", "mail", "digest"}
#: The fewest columns of a terminal that shows bars.
_NARROW = 70


@dataclass(frozen=True)
class Snapshot:
    """What a picture shows."""

    seen: Seen
    published: int  # the number of published records
    mails: Sequence[EmailMessage]  # the latest mails that the desk got
    emails: int  # the number of all mails that arrived
    has_lead: bool = False  # whether alerts can escalate to a lead, who also gets digests


class _Lines(NamedTuple):
    """The number of lines of each part."""

    alerts: int
    mails: int
    segments: int


def dashboard(
    snapshot: Snapshot,
    hints: Sequence[str] = (),
    *,
    call: str = "python -m worker",
    width: int = 100,
    height: int | None = None,
) -> RenderableType:
    """Return the whole picture. Without a `height` it shows everything.

    `hints` are lines below it, which are never cut; `call` is the command by which this user calls the worker.
    """
    counts = [*_counts(snapshot), *(_lead(snapshot.seen) if snapshot.has_lead else [])]
    used = sum(_height(line, width) for line in counts)
    hinted = sum(_height(Text(hint), width) for hint in hints)
    if height is not None and height - used - hinted < 3 * (_BORDER_LINES + _FEWEST):
        hints, hinted = (), 0
    lines = _shares(height, used + hinted)
    parts = [
        (_alerts(snapshot.seen, lines.alerts, width), "latest alerts"),
        (_mails(snapshot.mails, lines.mails), f"inbox of {receivers.SUPPORT_ADDRESS}"),
        (_tree(snapshot.seen, lines.segments, call, width), _title_of_tree(snapshot.seen)),
    ]
    panels = (Panel(part, title=title, title_align="left", border_style="dim") for part, title in parts)
    below = (Text(hint, style="dim") for hint in hints)
    return Group(*counts, *panels, *below)


def _shares(height: int | None, used: int) -> _Lines:
    """Share the lines of a terminal out; `used` are taken by the counts and the hints."""
    if height is None:
        return _Lines(_LATEST_ALERTS, LATEST_MAILS, 1_000_000)
    left = height - used - 3 * _BORDER_LINES
    alerts = min(_LATEST_ALERTS, max(_FEWEST, left // 3))
    mails = min(LATEST_MAILS, max(_FEWEST, left // 4))
    return _Lines(alerts, mails, max(_FEWEST, left - alerts - mails))


def _height(text: Text, width: int) -> int:
    return len(text.wrap(Console(width=width), width))


def _counts(snapshot: Snapshot) -> list[Text]:
    """Return two lines: the outcomes of the published records, and what followed from them."""
    seen = snapshot.seen
    became = {outcome.replace("_", " "): count for outcome, count in seen.records.most_common()}
    acknowledged = {"acknowledged": len(seen.acknowledged)} if seen.acknowledged else {}
    caused = {"alert": len(seen.alerts), **acknowledged, "invitation": len(seen.invitations), "mail": snapshot.emails}
    follows = f", {seen.being_counted:,} being counted" if seen.being_counted else ""
    left_out = f", {seen.tests:,} test left out" if seen.tests else ""
    return [
        _numbers(f"{snapshot.published:,} published: ", became),
        _numbers("", caused) + Text(f"   {counted(seen.counted, 'answer')} counted{follows}{left_out}", style="dim"),
    ]


def _lead(seen: Seen) -> list[Text]:
    """Return two lines about what the lead got: the last escalation, and the last digest; or what is going to come."""
    within, every = receivers.ACKNOWLEDGE_SECONDS, receivers.DIGEST_INTERVAL_SECONDS
    escalated = f"a critical alert that nobody acknowledges in {within:.0f} s goes to {receivers.LEAD}"
    if seen.latest_escalations:
        step = seen.latest_escalations[0]
        who = seen.alerts.get(step.alert_id, step.customer_id)
        where = step.segment or "the root segment"
        escalated = f"the last to {', '.join(step.escalated_to or [])}: {who}, {step.score}/10, {where}"
    listed = f"the other alerts go to {receivers.LEAD} in one mail every {every:.0f} s"
    if seen.last_digest is not None:
        digest, notices = seen.last_digest
        listed = f"the last to {digest.receiver}: {counted(notices, 'notice')} in one mail"
    lines = (("escalated", len(seen.escalations), escalated), ("digest", len(seen.digests), listed))
    texts = [
        _numbers("", {name: number}) + Text(f"   {on_one_line(last)}", style="dim") for name, number, last in lines
    ]
    for text in texts:
        text.no_wrap, text.overflow = True, "ellipsis"
    return texts


def _numbers(title: str, numbers: dict[str, int]) -> Text:
    pieces: list[tuple[str, str]] = [(title, "bold")] if title else []
    for place, (name, number) in enumerate(numbers.items()):
        plural = "s" if name in _NOUNS and number != 1 else ""
        pieces += [(" + " if title and place else "   " if place else "", "dim"), (f"{number:,} ", "bold")]
        pieces.append((name + plural, "dim"))
    return Text.assemble(*pieces)


def _title_of_tree(seen: Seen) -> str:
    if not seen.past:
        return "NPS by segment, all time"
    return f"NPS by segment, with {counted(len(seen.past), 'answer')} of the past year"


def _tree(seen: Seen, lines: int, call: str, width: int) -> RenderableType:
    """Return the tree of segments. If it does not fit `lines`, return the segments with the lowest NPS instead."""
    windows = {path: scores["windows"]["all"] for path, scores in seen.scores.items() if survey_of(path) is None}
    known = {path: window for path, window in windows.items() if window["nps"] is not None}
    if not known:
        return Text("waiting for the first answers", style="dim")
    with_bars = width >= _NARROW
    table = Table.grid(padding=(0, 2))
    for column in ("name", "nps", *(["bar"] if with_bars else []), "interval", "n"):
        # If there is too little room, rich shortens columns that may wrap first: the names, and not the figures.
        table.add_column(justify="right" if column in {"nps", "n"} else "left", no_wrap=column != "name")
    if len(known) <= lines:
        for path in sorted(known, key=lambda path: path.split(SEPARATOR) if path else []):
            depth = path.count(SEPARATOR) + 1 if path else 0
            _add(table, "  " * depth + (path.rpartition(SEPARATOR)[2] or "all"), known[path], with_bars=with_bars)
        return table
    worst = sorted((path for path in known if path), key=lambda path: known[path]["nps"])
    # With two lines, there is room for the worst segment, and for how many there are.
    with_all = "" in known and lines > _FEWEST
    shown = worst[: max(1, lines - (2 if with_all else 1))]
    if with_all:
        _add(table, "all", known[""], with_bars=with_bars)
    for path in shown:
        _add(table, path, known[path], with_bars=with_bars)
    more = len(known) - len(shown) - with_all
    rest = f"the lowest first, and {more:,} more: {call} scores --tree"
    if len(rest) > width - _BORDER_COLUMNS:
        rest = f"and {more:,} more: scores --tree"
    return Group(table, Text(rest, style="dim", no_wrap=True, overflow="ellipsis"))


def _add(table: Table, name: str, window: dict[str, Any], *, with_bars: bool) -> None:
    table.add_row(
        Text(on_one_line(name), style="bold" if name == "all" else "", no_wrap=True, overflow="ellipsis"),
        Text(f"{window['nps']:+z.0f}", style=_colour(window["nps"])),
        *([_bar(window["nps"])] if with_bars else []),
        Text(_interval(window), style="dim"),
        Text(f"n={window['n']}", style="dim"),
    )


def _interval(window: dict[str, Any]) -> str:
    hint = "  indicative" if window["indicative"] else ""
    return f"{window['low']:+z.0f} to {window['high']:+z.0f}{hint}"


def _colour(nps: float) -> str:
    return "green" if nps >= _GOOD else "yellow" if nps >= _FAIR else "red"


def _bar(nps: float) -> Text:
    """Return a bar that begins in the middle, and goes to the right above zero, and to the left below."""
    half = _BAR // 2
    length = max(1, round(abs(nps) / 100 * half))
    left = "━" * length if nps < 0 else ""
    right = "━" * length if nps >= 0 else ""
    return Text.assemble((left.rjust(half), "red"), ("│", "dim"), (right.ljust(half), _colour(nps)))


def _alerts(seen: Seen, lines: int, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    # If an id or a path is long, rich would also cut the short columns.
    longest = max(_FEWEST, (width - _BORDER_COLUMNS - _SHORT_COLUMNS) // 2)
    for column in ("severity", "action", "score", "customer", "segment", "text"):
        table.add_column(
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column == "text" else None,
            max_width=longest if column in {"customer", "segment"} else None,
        )
    for notice in list(seen.latest)[:lines]:
        state = seen.cases.get(notice.alert_id)
        score, customer, text = "", "", notice.summary
        if isinstance(notice, Alert):
            score, text, customer = str(notice.score), notice.comment or "", customer_of(notice)
        table.add_row(
            Text(notice.severity, style=_SEVERITY_STYLES[notice.severity]),
            Text(state, style="green") if state and state in _WORKED_ON else Text(notice.action, style="dim"),
            Text(score, style="bold"),
            Text(on_one_line(customer)),
            Text(on_one_line(notice.segment), style="cyan"),
            Text(" ".join(on_one_line(text).split()), style="italic"),
        )
    return table if table.row_count else Text("nobody is unhappy yet", style="dim")


def _mails(mails: Sequence[EmailMessage], lines: int) -> RenderableType:
    latest = list(mails)[-lines:]
    if not latest:
        return Text("empty", style="dim")
    return Group(*(Text(str(mail["Subject"]).strip(), no_wrap=True, overflow="ellipsis") for mail in reversed(latest)))
