"""What the terminal shows: counts, the latest alerts, the mails that arrived, the tree of segments with its scores.

What somebody must act on comes first. A live picture is as high as the terminal: each part has its share of the lines,
and what does not fit is counted.
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
from worker.demo.spectator import DEAD_LETTER, Seen
from worker.flow.lineage import SEPARATOR, survey_of
from worker.flow.responses.intake import ANONYMOUS
from worker.flow.text import clean
from worker.logs import counted
from worker.notify.notice import Notice

_SEVERITY_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow"}
_BAR = 20
_GOOD, _FAIR = 30, 0
_LATEST_ALERTS, LATEST_MAILS = 8, 4
#: The lines of a panel's border.
_BORDER = 2
#: The columns of its border, with the blanks beside.
_FRAME = 4
#: The columns of a severity, an action, a score, and the blanks between all columns: "critical withdrawn 10".
_SHORT_COLUMNS = 24
#: The fewest lines of alerts, mails and segments that are worth a panel, and the share of alerts in what there is.
_FEWEST = 2
#: What is counted in a plural; the other outcomes are adjectives.
_NOUNS = {DEAD_LETTER.replace("_", " "), "alert", "invitation", "mail"}
#: A terminal that is narrower has no room for bars.
_NARROW = 70


@dataclass(frozen=True)
class Happened:
    """What is shown: what was seen on Kafka, how many records were published, and which mails arrived."""

    seen: Seen
    published: int
    mails: Sequence[EmailMessage]
    emails: int


class _Lines(NamedTuple):
    """How many lines each part has."""

    alerts: int
    mails: int
    segments: int


def dashboard(
    happened: Happened,
    hints: Sequence[str] = (),
    *,
    call: str = "python -m worker",
    width: int = 100,
    height: int | None = None,
) -> RenderableType:
    """Return the whole picture; without a `height` everything is shown.

    `hints` are lines below it, which are never cut; `call` is how this user calls the worker.
    """
    counts = _counts(happened)
    used = sum(_height(line, width) for line in counts)
    hinted = sum(_height(Text(hint), width) for hint in hints)
    if height is not None and height - used - hinted < 3 * (_BORDER + _FEWEST):
        hints, hinted = (), 0
    lines = _shares(height, used + hinted)
    parts = [
        (_alerts(happened.seen.latest, lines.alerts, width), "latest alerts"),
        (_mails(happened.mails, lines.mails), "inbox of support@example.com"),
        (_tree(happened.seen, lines.segments, call, width), "NPS by segment, all time"),
    ]
    panels = (Panel(part, title=title, title_align="left", border_style="dim") for part, title in parts)
    below = (Text(hint, style="dim") for hint in hints)
    return Group(*counts, *panels, *below)


def _shares(height: int | None, used: int) -> _Lines:
    if height is None:
        return _Lines(_LATEST_ALERTS, LATEST_MAILS, 1_000_000)
    left = height - used - 3 * _BORDER
    alerts = min(_LATEST_ALERTS, max(_FEWEST, left // 3))
    mails = min(LATEST_MAILS, max(_FEWEST, left // 4))
    return _Lines(alerts, mails, max(_FEWEST, left - alerts - mails))


def _height(text: Text, width: int) -> int:
    return len(text.wrap(Console(width=width), width))


def _counts(happened: Happened) -> list[Text]:
    """Return what became of everything that was published, and what came of that."""
    seen = happened.seen
    became = {outcome.replace("_", " "): count for outcome, count in seen.records.most_common()}
    caused = {"alert": len(seen.alerts), "invitation": len(seen.invitations), "mail": happened.emails}
    follows = f", {seen.being_counted:,} being counted" if seen.being_counted else ""
    left_out = f", {seen.tests:,} test left out" if seen.tests else ""
    return [
        _numbers(f"{happened.published:,} published: ", became),
        _numbers("", caused) + Text(f"   {counted(seen.counted, 'answer')} counted{follows}{left_out}", style="dim"),
    ]


def _numbers(title: str, numbers: dict[str, int]) -> Text:
    pieces: list[tuple[str, str]] = [(title, "bold")] if title else []
    for place, (name, number) in enumerate(numbers.items()):
        plural = "s" if name in _NOUNS and number != 1 else ""
        pieces += [(" + " if title and place else "   " if place else "", "dim"), (f"{number:,} ", "bold")]
        pieces.append((name + plural, "dim"))
    return Text.assemble(*pieces)


def _tree(seen: Seen, lines: int, call: str, width: int) -> RenderableType:
    """Return the tree in its order; where it has more lines than there are, the worst of it by their full paths."""
    windows = {path: scores["windows"]["all"] for path, scores in seen.scores.items() if survey_of(path) is None}
    known = {path: window for path, window in windows.items() if window["nps"] is not None}
    if not known:
        return Text("waiting for the first answers", style="dim")
    with_bars = width >= _NARROW
    table = Table.grid(padding=(0, 2))
    for column in ("name", "nps", *(["bar"] if with_bars else []), "interval", "n"):
        # Where there is too little room, rich shortens the columns that may wrap first: names, but no figures.
        table.add_column(justify="right" if column in {"nps", "n"} else "left", no_wrap=column != "name")
    if len(known) <= lines:
        for path in sorted(known, key=lambda path: path.split(SEPARATOR) if path else []):
            depth = path.count(SEPARATOR) + 1 if path else 0
            _add(table, "  " * depth + (path.rpartition(SEPARATOR)[2] or "all"), known[path], with_bars=with_bars)
        return table
    worst = sorted((path for path in known if path), key=lambda path: known[path]["nps"])
    shown = worst[: max(1, lines - (2 if "" in known else 1))]
    if "" in known:
        _add(table, "all", known[""], with_bars=with_bars)
    for path in shown:
        _add(table, path, known[path], with_bars=with_bars)
    more = len(known) - len(shown) - ("" in known)
    rest = f"the lowest first, and {more:,} more: {call} scores --tree"
    if len(rest) > width - _FRAME:
        rest = f"and {more:,} more: scores --tree"
    return Group(table, Text(rest, style="dim", no_wrap=True, overflow="ellipsis"))


def _add(table: Table, name: str, window: dict[str, Any], *, with_bars: bool) -> None:
    table.add_row(
        Text(clean(name), style="bold" if name == "all" else "", no_wrap=True, overflow="ellipsis"),
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
    """Return a bar from the middle: to the right above zero, to the left below."""
    half = _BAR // 2
    length = max(1, round(abs(nps) / 100 * half))
    left = "━" * length if nps < 0 else ""
    right = "━" * length if nps >= 0 else ""
    return Text.assemble((left.rjust(half), "red"), ("│", "dim"), (right.ljust(half), _colour(nps)))


def _alerts(latest: Sequence[Notice], lines: int, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    # Where an id or a path is long, rich would also cut the short columns.
    longest = max(_FEWEST, (width - _FRAME - _SHORT_COLUMNS) // 2)
    for column in ("severity", "action", "score", "who", "segment", "said"):
        table.add_column(
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column == "said" else None,
            max_width=longest if column in {"who", "segment"} else None,
        )
    for told in list(latest)[:lines]:
        score, who, said = "", "", told.summary
        if isinstance(told, Alert):
            # The id of an anonymous answer is long, and names nobody.
            customer_id = "anonymous" if told.customer_id.startswith(ANONYMOUS) else told.customer_id
            score, who, said = str(told.score), told.customer.name or customer_id, told.comment or ""
        table.add_row(
            Text(told.severity, style=_SEVERITY_STYLES[told.severity]),
            Text(told.action, style="dim"),
            Text(score, style="bold"),
            Text(clean(who)),
            Text(clean(told.segment), style="cyan"),
            Text(" ".join(clean(said).split()), style="italic"),
        )
    return table if table.row_count else Text("nobody is unhappy yet", style="dim")


def _mails(mails: Sequence[EmailMessage], lines: int) -> RenderableType:
    latest = list(mails)[-lines:]
    if not latest:
        return Text("empty", style="dim")
    return Group(*(Text(str(mail["Subject"]).strip(), no_wrap=True, overflow="ellipsis") for mail in reversed(latest)))
