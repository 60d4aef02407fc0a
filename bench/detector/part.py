"""What a part of `make detector` is: a name, and a function that simulates and returns tables and figures."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from time import monotonic
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


#: Progress is printed no more often than this, in seconds.
_EVERY = 10.0


def spread(function: Callable[[T], Result], items: Iterable[T]) -> list[Result]:
    """Return what a function returns for each item. It must be picklable, since it runs in several processes.

    How many items are done goes to stderr, so that a table can be taken from stdout.
    """
    places, results = list(items), list[Result]()
    began = printed = monotonic()
    with ProcessPoolExecutor() as pool:
        for result in pool.map(function, places):
            results.append(result)
            if (now := monotonic()) - printed >= _EVERY:
                printed = now
                print(f"{len(results)} of {len(places)} after {now - began:.0f} s", file=sys.stderr, flush=True)
    return results
