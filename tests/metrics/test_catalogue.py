"""The names follow the rules of Prometheus, and the number of series is bounded by what is known in advance."""

import re

import pytest

from worker.metrics.catalogue import BUCKETS, METRICS, Kind, Metric

#: What would identify a person or an event, or may have any number of values.
_FORBIDDEN = frozenset(
    {"customer", "response", "alert", "delivery", "segment", "path", "survey", "receiver", "route", "id", "key", "le"}
)


def name(metric: Metric) -> str:
    return metric.name


@pytest.mark.parametrize("metric", METRICS, ids=name)
def test_a_name_follows_the_rules(metric: Metric) -> None:
    """See https://prometheus.io/docs/practices/naming/."""
    assert re.fullmatch(r"nps_[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    assert (metric.kind is Kind.HISTOGRAM) <= metric.name.endswith("_seconds")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created", "_ms", "_minutes"))


@pytest.mark.parametrize("metric", METRICS, ids=name)
def test_a_meaning_is_one_line_of_whole_sentences(metric: Metric) -> None:
    assert metric.meaning.endswith(".")
    assert "\n" not in metric.meaning
    assert "|" not in metric.meaning, "it stands in a table"


@pytest.mark.parametrize("metric", METRICS, ids=name)
def test_labels_name_nobody_and_have_values_of_the_right_number(metric: Metric) -> None:
    assert not _FORBIDDEN.intersection(*(label.split("_") for label in metric.labels), metric.labels)
    assert {len(metric.labels) - len(metric.place)} == {len(values) for values in metric.known}
    assert len(set(metric.known)) == len(metric.known)
    assert all(type(value) is str and value for values in metric.known for value in values)


def test_every_metric_is_listed_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_what_is_known_in_advance_is_a_few_hundred_series() -> None:
    lines = {Kind.HISTOGRAM: len(BUCKETS) + 3}
    assert sum(len(metric.known) * lines.get(metric.kind, 1) for metric in METRICS) < 500
