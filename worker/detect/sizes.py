"""By how many points an NPS fell, with an interval that holds although the beginning is not known.

A drop is reported in the moment in which chance has helped, and its beginning is chosen by the same answers. The plain
difference between the answers since then and those before is therefore too large on average, and its interval too
short. A posterior distribution does not depend on when one stops to look (Berger, Wolpert (1988), "The likelihood
principle"), so the size is averaged over all hours in which the drop may have begun, each as likely as another, and
over all sizes. From 5 to 60 points, a size is as likely as any other one that is larger or smaller by the same factor.

How much the answers say for a beginning is the smaller one of two logarithms: of the ratio of the likelihoods of normal
means with the variance of all answers, and of the ratio of the multinomial likelihoods. Where nearly all answers were
promoters, the first one is far too large. How far a size may be from the one that fits best follows from the variances
before and since, each for itself.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import exp, inf, log
from typing import NamedTuple

from worker.detect.drops import Group
from worker.nps.interval import adjusted_variance

_DAY = 24
#: The sizes of drops, in points, each 6 % larger than the one before: 2 to 150.
_STEP = 1.06
_SIZES = [2 * _STEP**step for step in range(75)]
#: Between these sizes, all logarithms of a size are equally likely beforehand. Outside, the probability falls like that
#: of a normal distribution of the logarithm with this standard deviation.
_SMALL, _LARGE, _EDGE = 5.0, 60.0, 0.25
#: The sizes as differences of means, from 0 to 2, with the logarithms of their prior probabilities.
_FRACTIONS = [(size / 100, -0.5 * (max(log(_SMALL / size), log(size / _LARGE), 0.0) / _EDGE) ** 2) for size in _SIZES]
#: The drop began in the last days, and after at least this many answers, if there are as many.
_LONGEST, _FEWEST_BEFORE = 60 * _DAY, 30
#: What makes no difference to a sum of probabilities, as a logarithm.
_NOTHING = -40.0
#: The logarithm of the probability of a size that is impossible.
_IMPOSSIBLE = -inf


class SizeOfChange(NamedTuple):
    """By how many points an NPS changed: a fall is negative. 95 % of the probability lies between low and high."""

    points: float
    low: float
    high: float


def fall_of_level(
    groups: Sequence[Group], day_deviation: float = 0.0, offsets: Sequence[float] = ()
) -> SizeOfChange | None:
    """Return the size of a drop that goes on until now; None if nothing can be said, since there is one group only.

    `groups`: the segment's answers by the hour or the day, in order; `day_deviation`: the standard deviation of the
    effects that single days have on all of their answers, in points; `offsets`: by how many points each group is
    usually better than the mean, because of its day of the week and its hour. Without them, none is.
    """
    pairs = zip(groups, offsets or [0.0] * len(groups), strict=True)
    answered = [(group, offset / 100) for group, offset in pairs if sum(group.classes)]
    if len(answered) < 2:
        return None
    logs = [
        [
            prior + weight - information * (change + size) ** 2 / 2 if size <= largest else _IMPOSSIBLE
            for size, prior in _FRACTIONS
        ]
        for weight, change, information, largest in _beginnings(answered, day_deviation / 100)
    ]
    chances = [0.0] * len(_SIZES)
    highest = max(map(max, logs))
    for of_beginning in logs:
        if max(of_beginning) > highest + _NOTHING:
            chances = [sum_ + exp(log_ - highest) for sum_, log_ in zip(chances, of_beginning, strict=True)]
    total = sum(chances)
    mean = sum(size * chance for size, chance in zip(_SIZES, chances, strict=True)) / total
    least, most = (_quantile(chances, share * total) for share in (0.025, 0.975))
    return SizeOfChange(-mean, -most, -least)


class _Part(NamedTuple):
    """The promoters, passives and detractors before or since an hour, or all of them."""

    promoters: int
    passives: int
    detractors: int

    @property
    def n(self) -> int:
        """The number of answers."""
        return self.promoters + self.passives + self.detractors

    @property
    def mean(self) -> float:
        """The NPS, from -1 to 1."""
        return (self.promoters - self.detractors) / self.n

    @property
    def variance(self) -> float:
        """The variance of one answer; never zero, since some pseudo-answers count as well."""
        return adjusted_variance(self.promoters, self.detractors, self.n)

    @property
    def log_likelihood(self) -> float:
        """The logarithm of the likelihood of these answers, if their shares are the true ones."""
        return sum(count * log(count / self.n) for count in self if count)


class _Beginning(NamedTuple):
    """An hour in which the drop may have begun."""

    #: The logarithm of its probability if the size is the one that fits best: of the hours since the group before, and
    #: of the evidence that the level changed then.
    weight: float
    #: The mean of the answers since then less that of those before, each less what is usual at these times.
    change: float
    #: One divided by the variance of the change.
    information: float
    #: How large the drop can be, since no NPS is lower than -100.
    largest: float


def _beginnings(answered: Sequence[tuple[Group, float]], deviation: float) -> list[_Beginning]:
    """Return all hours in which the drop may have begun.

    `answered`: the groups, and how much better than the mean each of them usually is; `deviation`: of days. Both are
    differences of means.
    """
    groups = [group for group, _ in answered]
    columns = zip(*[group.classes for group in groups], strict=True)
    sums = list(zip(*map(accumulate, columns), strict=True))
    usual = list(accumulate(offset * sum(group.classes) for group, offset in answered))
    first, last = groups[0].hour, groups[-1].hour
    of_all = _Part(*sums[-1])
    fewest = min(_FEWEST_BEFORE, sum(sums[-2]))
    found = []
    for (earlier, later), counts, usual_before in zip(pairwise(groups), sums, usual, strict=False):
        before = _Part(*counts)
        if before.n < fewest or later.hour <= last - _LONGEST:
            continue
        since = _Part(*[total - count for total, count in zip(of_all, before, strict=True)])
        usual_change = (usual[-1] - usual_before) / since.n - usual_before / before.n
        change = since.mean - before.mean - usual_change
        days_before, days_since = 1 + (earlier.hour - first) / _DAY, 1 + (last - later.hour) / _DAY
        of_days = deviation**2 * (1 / days_before + 1 / days_since)
        # The answers since then may vary far more than those before, which may all have been promoters. But few answers
        # that happen to be alike do not show that they vary less.
        apart = before.variance / before.n + max(since.variance, of_all.variance) / since.n + of_days
        evidence = change * change / (2 * apart)
        if change < 0:
            pooled = of_all.variance * (1 / before.n + 1 / since.n) + of_days
            likelihood = before.log_likelihood + since.log_likelihood - of_all.log_likelihood
            evidence = min(change * change / (2 * pooled), likelihood)
        largest = max(1 + before.mean, _FRACTIONS[0][0])
        found.append(_Beginning(log(later.hour - earlier.hour) + evidence, change, 1 / apart, largest))
    return found


def _quantile(chances: Sequence[float], share: float) -> float:
    """Return the size below which a share of the chances lies; each chance is spread over its step of sizes."""
    below = 0.0
    for size, chance in zip(_SIZES, chances, strict=True):
        if below + chance >= share:
            within: float = _STEP ** ((share - below) / chance - 0.5)
            return size * within
        below += chance
    return _SIZES[-1]
