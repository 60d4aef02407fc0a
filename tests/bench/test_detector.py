"""The detector's table: the same at each run, and a drop is found sooner than one that is not there."""

import pytest

from bench.detector.delays import LINES, Line, lengths

#: What takes seconds, not minutes.
QUICK = [LINES[0], *(line for line in LINES if line.title.startswith("of 500, ") and line.segments == 1)]


@pytest.mark.parametrize("line", QUICK, ids=lambda line: line.title)
def test_a_larger_drop_is_found_sooner_and_none_last(line: Line) -> None:
    medians = [lengths(line, points, 20)[10] for points in (30, 20, 0)]

    assert medians == sorted(medians)
    assert len(set(medians)) == 3


def test_the_figures_are_the_same_at_each_run() -> None:
    line = QUICK[-1]

    assert lengths(line, 20, 10) == lengths(line, 20, 10)
    assert lengths(line, 20, 10) == sorted(lengths(line, 20, 10))
