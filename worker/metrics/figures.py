"""The values of counters and histograms, since the start of the process. Pure."""

from bisect import bisect_left

from worker.metrics.catalogue import BUCKETS, METRICS, Kind, Metric

#: The values of a metric by the values of its labels.
Series = dict[tuple[str, ...], float]
#: The values of several metrics by their names.
Values = dict[str, Series]


class Histogram:
    """How often a time fell into each bucket, and the sum of all times, in seconds."""

    def __init__(self) -> None:
        # The last one is above all bounds.
        self._counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a time. A negative one, which clocks that differ may give, counts as 0."""
        seconds = max(seconds, 0.0)
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def cumulated(self) -> list[int]:
        """Return how many times were at most as long as each bound, and last the number of all times."""
        total, found = 0, []
        for count in self._counts:
            total += count
            found.append(total)
        return found


class Figures:
    """Every counter and histogram. Those whose labels are the same in every worker begin at once, with 0."""

    def __init__(self) -> None:
        self.counters: Values = {metric.name: {} for metric in METRICS if metric.kind is Kind.COUNTER}
        self.histograms: dict[str, dict[tuple[str, ...], Histogram]] = {
            metric.name: {} for metric in METRICS if metric.kind is Kind.HISTOGRAM
        }

    def begin(self, metric: Metric, *place: str) -> None:
        """Let a metric begin with 0 in all its series. `place`: the values of `metric.place`."""
        for values in metric.known:
            labels = (*place, *values)
            if metric.kind is Kind.HISTOGRAM:
                self.histograms[metric.name].setdefault(labels, Histogram())
            else:
                self.counters[metric.name].setdefault(labels, 0)

    def add(self, metric: Metric, labels: tuple[str, ...] = (), amount: float = 1) -> None:
        """Add to a counter."""
        series = self.counters[metric.name]
        series[labels] = series.get(labels, 0) + amount

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Count a time in a histogram that has begun."""
        self.histograms[metric.name][labels].observe(seconds)
