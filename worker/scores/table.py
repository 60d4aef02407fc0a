"""The tree as text for a terminal."""

from collections.abc import Sequence

from schemas.scores import Scores, TrendScore
from worker.board.tree import Branch
from worker.flow.text import on_one_line
from worker.lineage import SEPARATOR, survey_of

#: The number of characters of a bar on each side of its middle.
_HALF = 10
#: The NPS from which on it is shown in green, and in yellow.
_GOOD, _FAIR = 30, 0
_RED, _YELLOW, _GREEN, _DIM, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_ARROWS = {"rising": "↗", "falling": "↘", "steady": "→"}
_HEAD = ("segment", "", "NPS", "95 % interval", "n", "drag ", "trend, points per 30 days", "")


def table(branches: Sequence[Branch], *, colours: bool) -> str:
    """Return a header and a line for each branch; `colours`: whether to use the colours of a terminal."""
    rows = [_HEAD, *map(_cells, branches)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for number, row in enumerate(rows):
        cells = [_aligned(column, cell, widths[column]) for column, cell in enumerate(row)]
        if colours:
            cells = [_DIM + cell + _PLAIN for cell in cells] if number == 0 else _coloured(cells, branches[number - 1])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cells(branch: Branch) -> tuple[str, ...]:
    window = branch.window
    name = on_one_line(_name(branch)) or "all"
    note = _note(branch.scores)
    if window.nps is None or window.low is None or window.high is None:
        return ("  " * branch.depth + name, _bar(None), "–", "", "0", "", _trend(branch.scores.trend), note)
    drag = "" if branch.drag is None else f"{branch.drag:+z.1f}" + ("*" if branch.differs else " ")
    return (
        "  " * branch.depth + name,
        _bar(window.nps),
        f"{window.nps:+z.0f}",
        f"{window.low:+z.0f} to {window.high:+z.0f}" + (", indicative" if window.indicative else ""),
        f"{window.n:,}",
        drag,
        _trend(branch.scores.trend),
        note,
    )


def _name(branch: Branch) -> str:
    survey = survey_of(branch.path)
    if survey is not None:
        return survey
    return branch.path.rpartition(SEPARATOR)[2] if branch.depth else branch.path


def _bar(nps: float | None) -> str:
    """Return a bar that begins in the middle and goes to the right if the NPS is above zero, to the left if below."""
    length = 0 if nps is None else max(1, round(abs(nps) / 100 * _HALF))
    left, right = (length, 0) if nps is not None and nps < 0 else (0, length)
    return f"{'━' * left:>{_HALF}}│{'━' * right:<{_HALF}}"


def _trend(trend: TrendScore | None) -> str:
    if trend is None:
        return ""
    arrow = _ARROWS.get(trend.direction, " ")
    return f"{arrow} {trend.direction} {trend.change:+z.0f} ({trend.low:+z.0f} to {trend.high:+z.0f})"


def _note(scores: Scores) -> str:
    """Return the question to ask about a segment, with its figures; empty if there is none."""
    scale, found = scores.suspect_scale, scores.suspect_gaming
    if scale is not None:
        return f"? all {scale.n:,} answers from {scale.lowest} to {scale.highest}: does the survey ask on that scale?"
    if found is None:
        return ""
    here = f"{found.promoters_before:.0%} to {found.promoters_since:.0%}"
    elsewhere = f"{found.beside_before:.0%} to {found.beside_since:.0%}"
    return f"? promoters from {here} since {found.since:%Y-%m-%d}, elsewhere from {elsewhere}: were they asked for?"


def _aligned(column: int, cell: str, width: int) -> str:
    return cell.rjust(width) if _HEAD[column] in {"NPS", "n", "drag "} else cell.ljust(width)


def _coloured(cells: list[str], branch: Branch) -> list[str]:
    nps = branch.window.nps
    colour = _DIM if nps is None else _GREEN if nps >= _GOOD else _YELLOW if nps >= _FAIR else _RED
    name, bar, figure, interval, n, drag, trend, note = cells
    drag_colour = _RED if branch.differs and (branch.drag or 0) < 0 else _DIM
    return [
        (_BOLD if branch.depth == 0 else "") + name + _PLAIN,
        colour + bar + _PLAIN,
        colour + figure + _PLAIN,
        _DIM + interval + _PLAIN,
        _DIM + n + _PLAIN,
        drag_colour + drag + _PLAIN,
        trend,
        _YELLOW + note + _PLAIN if note.strip() else "",
    ]
