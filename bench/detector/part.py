"""What a part of `make detector` is: a name, and a function that simulates and returns tables and figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Result = TypeVar("Result")


class Table(NamedTuple):
    """A table for docs/statistics.md."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Return the table as Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Report(NamedTuple):
    """What a part has found."""

    tables: Sequence[Table]
    #: The figures that have a bar, by their names, for `--json`.
    figures: Mapping[str, float]


class Part(NamedTuple):
    """A part of `make detector`."""

    name: str
    #: What it measures, in a few words.
    about: str
    #: The number of runs for each figure, if the user names none.
    runs: int
    #: Simulates with this number of runs. Its seeds are fixed, so each call returns the same.
    report: Callable[[int], Report]


def spread(function: Callable[[T], Result], items: Iterable[T]) -> list[Result]:
    """Return what a function returns for each item. It must be picklable, since it runs in several processes."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(function, items))
