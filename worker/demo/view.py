"""What the terminal shows: counts, the tree of segments with its scores, the latest alerts, the mails that arrived."""

from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.alert import Alert
from worker.demo.spectator import Seen
from worker.flow.lineage import SEPARATOR, survey_of
from worker.flow.text import clean
from worker.notify.told import Told

_SEVERITY_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow"}
_BAR = 20
_GOOD, _FAIR = 30, 0
_LATEST_MAILS = 4


def dashboard(seen: Seen, published: int, mails: Sequence[EmailMessage], emails: int) -> RenderableType:
    """Return the whole picture."""
    return Group(
        _counts(seen, published, emails),
        Panel(_tree(seen), title="NPS by segment, all time", title_align="left", border_style="dim"),
        Panel(_alerts(seen.latest), title="latest alerts", title_align="left", border_style="dim"),
        Panel(_mails(mails), title="inbox of support@example.com", title_align="left", border_style="dim"),
        Text("  Everything runs on this machine only. Ctrl-C stops it.", style="dim"),
    )


def _counts(seen: Seen, published: int, emails: int) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    numbers = {
        "published": published,
        "accepted": len(seen.accepted),
        "duplicates": len(seen.dropped),
        "dead letters": len(seen.dead_letters),
        "alerts": len(seen.alerts),
        "invitations": len(seen.invitations),
        "mails": emails,
    }
    table.add_row(*(Text.assemble((f"{number:,} ", "bold"), (name, "dim")) for name, number in numbers.items()))
    return Panel(table, title="detractor alerting worker", title_align="left", border_style="blue")


def _tree(seen: Seen) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "left", "right"):
        table.add_column(justify=justify, no_wrap=True)
    segments = [path for path in seen.scores if survey_of(path) is None]
    for path in sorted(segments, key=lambda path: path.split(SEPARATOR) if path else []):
        window = seen.scores[path]["windows"]["all"]
        if window["nps"] is None:
            continue
        depth = path.count(SEPARATOR) + 1 if path else 0
        name = path.rpartition(SEPARATOR)[2] or "all"
        table.add_row(
            Text("  " * depth + clean(name), style="bold" if depth == 0 else ""),
            Text(f"{window['nps']:+z.0f}", style=_colour(window["nps"])),
            _bar(window["nps"]),
            Text(_interval(window), style="dim"),
            Text(f"n={window['n']}", style="dim"),
        )
    return table if table.row_count else Text("waiting for the first answers", style="dim")


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


def _alerts(latest: Sequence[Told]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for told in latest:
        score, who, said = "", "", told.summary
        if isinstance(told, Alert):
            score, who, said = str(told.score), told.customer.name or told.customer_id, told.comment or ""
        table.add_row(
            Text(told.severity, style=_SEVERITY_STYLES[told.severity]),
            Text(told.action, style="dim"),
            Text(score, style="bold"),
            Text(clean(who)),
            Text(clean(told.segment), style="cyan"),
            Text(" ".join(clean(said).split()), overflow="ellipsis", no_wrap=True, style="italic"),
        )
    return table if table.row_count else Text("nobody is unhappy yet", style="dim")


def _mails(mails: Sequence[EmailMessage]) -> RenderableType:
    latest = list(mails)[-_LATEST_MAILS:]
    if not latest:
        return Text("empty", style="dim")
    return Group(*(Text(str(mail["Subject"]).strip(), no_wrap=True, overflow="ellipsis") for mail in reversed(latest)))
