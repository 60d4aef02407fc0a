"""The figures about trends and intervals: the same at each run, and better where there is something to see."""

import numpy as np
import pytest

from bench.detector import intervals, trend
from worker.nps.interval import interval


def test_a_fall_is_said_more_often_the_longer_it_lasts() -> None:
    found = trend.falling(trend.UNCHANGED[1], 6)

    assert found == sorted(found)
    assert found[-1] > found[0]
    assert found == trend.falling(trend.UNCHANGED[1], 6)


def test_the_words_begin_after_a_year() -> None:
    assert len(trend.words(trend.UNCHANGED[0], trend.flat(5), 1)) == 6


def test_coverage_is_a_sum_of_probabilities() -> None:
    """One answer has three outcomes, so the sums are known. The true NPS is +40."""
    mix = (0.6, 0.2, 0.2)

    assert intervals.coverage(1, mix, lambda *_: (-100.0, 100.0)) == pytest.approx(1)
    assert intervals.coverage(1, mix, lambda promoters, *_: (100.0 * promoters, 100.0)) == pytest.approx(0.4)
    assert 0.8 < intervals.coverage(5, mix, interval) < 1
    assert intervals.coverage(1, (0.8, 0.1, 0.1), intervals.adjusted_wald) < intervals.coverage(
        1, (0.8, 0.1, 0.1), interval
    )


def test_days_that_differ_lower_the_coverage_of_a_window() -> None:
    found = [intervals.of_window(one, 200) for one in intervals._DIFFERING]

    assert found[0] > 0.9
    assert found[-1] < 0.6
    assert np.all(np.array(found) >= 0)
