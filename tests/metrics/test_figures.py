"""Counters and histograms: what is known begins with 0, and each time is in one bucket."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.metrics import catalogue
from worker.metrics.catalogue import BUCKETS, METRICS, Kind
from worker.metrics.figures import Figures, Histogram

SECONDS = st.floats(min_value=-5, max_value=200, allow_nan=False) | st.sampled_from(BUCKETS)


@given(st.lists(SECONDS))
def test_a_bucket_has_all_times_up_to_its_bound(times: list[float]) -> None:
    histogram = Histogram()
    for time in times:
        histogram.observe(time)

    expected = sorted(max(time, 0.0) for time in times)
    assert [bisect_right(expected, bound) for bound in BUCKETS] + [len(times)] == histogram.cumulated()
    assert histogram.sum == pytest.approx(sum(expected))


def test_what_is_known_begins_with_0_and_keeps_its_value_if_it_begins_again() -> None:
    figures = Figures()
    for metric in METRICS:
        if metric.kind is not Kind.GAUGE:
            figures.begin(metric, *("a",) * len(metric.place))
    assert {0} == {value for series in figures.counters.values() for value in series.values()}
    assert {("a", *pair) for pair in catalogue.DELIVERIES.known} == {*figures.counters[catalogue.DELIVERIES.name]}
    assert [[0] * 9] == [histogram.cumulated() for histogram in figures.histograms[catalogue.TO_ALERT.name].values()]

    figures.add(catalogue.INVITATIONS)
    figures.observe(catalogue.TO_ALERT, (), 0.5)
    figures.begin(catalogue.INVITATIONS)
    figures.begin(catalogue.TO_ALERT)

    assert figures.counters[catalogue.INVITATIONS.name] == {(): 1}
    assert figures.histograms[catalogue.TO_ALERT.name][()].sum == 0.5


def test_a_series_that_was_not_known_begins_when_it_is_added_to() -> None:
    figures = Figures()
    figures.add(catalogue.BATCHES, ("process", "responses"), 2)
    figures.add(catalogue.BATCHES, ("process", "responses"))
    assert figures.counters[catalogue.BATCHES.name] == {("process", "responses"): 3}
