"""The text in which Prometheus reads the metrics.

It is made in pieces, one for each metric, so that the event loop can do other work in between: all of it takes about
ten milliseconds.
"""

import platform
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from worker import __version__
from worker.metrics import catalogue
from worker.metrics.catalogue import BUCKETS, METRICS, Kind, Metric
from worker.metrics.figures import Figures, Histogram, Series, Values

#: Every version of Prometheus reads this format, whatever else it asks for.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
#: The upper bounds of the buckets, as their label `le` has them.
_BOUNDS = (*map(str, BUCKETS), "+Inf")


class _One(NamedTuple):
    """A metric by itself, as prometheus_client wants to have it."""

    family: Family

    def collect(self) -> Iterable[Family]:
        return [self.family]


class Exposition:
    """The metrics of a process. `role`: what it was started as. `sample` returns what is read at each request.

    These are gauges, and counters that parts of the worker keep themselves.
    """

    def __init__(self, figures: Figures, role: str, sample: Callable[[], Values]) -> None:
        self._figures = figures
        self._build = __version__, platform.python_version(), role
        self._sample = sample
        # It must not be in the registry that all of a process share.
        self._process = ProcessCollector(registry=CollectorRegistry())

    def pieces(self) -> Iterator[bytes]:
        """Return the texts of all metrics that this process has. All values are of the moment of this call."""
        families = [*self._families(), *self._process.collect()]
        return (generate_latest(_One(family)) for family in families if family.samples)

    def _families(self) -> Iterator[Family]:
        # The counters are the same objects before and after `sample`, which brings them up to date.
        values: Values = {**self._figures.counters, **self._sample(), catalogue.BUILD_INFO.name: {self._build: 1}}
        for metric in METRICS:
            if metric.kind is Kind.HISTOGRAM:
                yield _histograms(metric, self._figures.histograms[metric.name].items())
            else:
                yield _family(metric, values.get(metric.name, {}))


def _family(metric: Metric, series: Series) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


def _histograms(metric: Metric, histograms: Iterable[tuple[tuple[str, ...], Histogram]]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, histogram in histograms:
        buckets = list(zip(_BOUNDS, histogram.cumulated(), strict=True))
        family.add_metric(labels, buckets, histogram.sum)
    return family
