"""The figures of the closed loop as text for a terminal."""

from worker.board.figures import Figures, Grouped
from worker.flow.text import on_one_line

_HEAD = ("", "resolved", "ack", "resolve", "9 of 10", "again", "recovered", "reopened")
#: The columns of the working time and of time limits.
_WORKING_HEAD = ("", "resolved", "ack", "in time", "resolve", "9 of 10", "in time", "reopened")
_NOTHING = "–"
#: The largest number of characters of a group's name. With the other columns, a line then fits 80 columns.
_LONGEST_NAME = 19
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def table(name: str, shown: Grouped, *, working: bool = False) -> list[str]:
    """Return a header, a line for all recoveries, and a line for each group. `name`: what all of them are called.

    `working`: whether the times are working time, and the columns say how many time limits were met.
    """
    lines = [(name, shown.whole), *shown.groups.items()]
    cells = _working_cells if working else _cells
    rows = [_WORKING_HEAD if working else _HEAD, *((_name(group), *cells(each)) for group, each in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(
            cell.rjust(size) if column else cell.ljust(size) for column, (cell, size) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def _name(name: str) -> str:
    name = on_one_line(name)
    return name if len(name) <= _LONGEST_NAME else "…" + name[-_LONGEST_NAME + 1 :]


def _working_cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.resolved:,}",
        _time(figures.working_median_to_acknowledge),
        _share(figures.acknowledged_in_time, figures.acknowledge_limits),
        _time(figures.working_median_to_resolve),
        _time(figures.working_ninth_decile_to_resolve),
        _share(figures.resolved_in_time, figures.resolve_limits),
        f"{figures.reopened:,}",
    )


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.resolved:,}",
        _time(figures.median_to_acknowledge),
        _time(figures.median_to_resolve),
        _time(figures.ninth_decile_to_resolve),
        f"{figures.answered_again:,}",
        _share(figures.recovered, figures.answered_again),
        f"{figures.reopened:,}",
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    if seconds < _MINUTE:
        return f"{seconds:.0f}s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f}m"
    return f"{seconds / _HOUR:.1f}h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f}d"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else _NOTHING
