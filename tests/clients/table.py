"""What is printed at the end."""

from collections.abc import Sequence

from clients.trial import Row

_TITLES = ("client", "version", "codec", "published", "aborted", "decided", "dead letters", "exact")
_NUMBERS = range(3, 7)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of a table, as Markdown has them."""
    cells = [
        [
            row.client,
            row.version or "-",
            row.codec,
            *(f"{number:,}" for number in (row.published, row.aborted, row.decided, row.dead_letters)),
            row.verdict,
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_TITLES, *cells, strict=True)]
    rule = "|" + "|".join("-" * (width + 1) + (":" if n in _NUMBERS else "-") for n, width in enumerate(widths)) + "|"
    return [_line(_TITLES, widths), rule, *(_line(line, widths) for line in cells)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        text.rjust(width) if number in _NUMBERS else text.ljust(width)
        for number, (text, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def summary(rows: Sequence[Row]) -> str:
    """Return the last line for people: how many were exact, were not, and were not tried."""
    exact, wrong = (sum(row.exact is value for row in rows) for value in (True, False))
    return f"{exact} exact, {wrong} not exact, {len(rows) - exact - wrong} not tried"


def is_good(rows: Sequence[Row]) -> bool:
    """Say whether something was tried, and everything that was is exact."""
    return any(row.exact for row in rows) and not any(row.exact is False for row in rows)
