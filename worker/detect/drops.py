"""Drops of a segment's NPS, found on the stream of its answers.

The test is Shiryaev-Roberts, averaged over drops of 10, 20 and 30 points. Its statistic R grows with each answer that
is likelier after a drop than before it. While nothing has changed, R less the number of answers is a martingale. So if
the baseline is known exactly, the mean number of answers until a false alarm is at least the threshold, and nothing has
to be calibrated (Pollak (1985), "Optimal detection of a change in distribution", Annals of Statistics 13(1);
Tartakovsky, Nikiforov, Basseville (2014), "Sequential analysis"). Answers come in groups, one group for each hour, and
their order within a group says nothing. A group of n answers makes R equal to (R + n) times the group's likelihood
ratio, which keeps the martingale.

The baseline is only an estimate, and an estimate that is too high by chance looks like a drop later. Therefore it is
first drawn towards the parent's baseline, the more so the more alike the siblings are, and then lowered by a part of
its standard error (`make detector` measures how many false alarms remain).

In addition to R there is a CUSUM of the same ratios (Page (1954), "Continuous inspection schemes", Biometrika 41). It
says when a drop of that size may have begun: when the CUSUM was last zero. Answers that came after the last zero of the
smallest drop's CUSUM are pending: they are not part of the baseline, and join it at the next zero.
"""

from collections.abc import Callable
from math import exp, log, sqrt
from typing import NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

#: Promoters, passives and detractors: how many, or their shares.
Classes = tuple[float, float, float]

_NOTHING: Classes = (0.0, 0.0, 0.0)

#: The sizes of the drops that are looked for, in points.
DROPS = (10, 20, 30)
#: The place of the smallest drop in DROPS.
_SMALLEST = 0
#: The mean number of answers after which a drop that goes on is taken to be over by mistake.
_FALSE_END = 20_000
#: A baseline needs this many answers if those that the parent's baseline is worth are included (`Prior.weight`), and
#: this many of its own.
_FEWEST, _FEWEST_OWN = 200, 50
#: A baseline of more answers than this is scaled down to this number, so that it forgets old answers.
_MOST = 5_000
#: By how many standard errors the baseline is lowered.
_DOUBT = 0.6
#: The smallest share that a class may have after a drop.
_LEAST = 0.01
#: R is cut off here: no threshold is higher.
_LARGEST = 1e12
#: A lower level that has lasted for this many hours is the new baseline.
_SETTLED = 60 * 24


class Group(NamedTuple):
    """The answers of one hour, or of several hours."""

    #: The last of these hours, counted since 1970.
    hour: int
    promoters: int
    passives: int
    detractors: int

    @property
    def classes(self) -> Classes:
        """The numbers of promoters, passives and detractors."""
        return self.promoters, self.passives, self.detractors


class Prior(NamedTuple):
    """What the parent's baseline says about a segment."""

    #: The shares of the parent's promoters, passives and detractors.
    shares: Classes
    #: How many answers of the segment's own the shares are worth.
    weight: float


#: The prior of a segment about which its parent says nothing.
NO_PRIOR = Prior(_NOTHING, 0.0)


class Detector(msgspec.Struct, array_like=True, gc=False):
    """What is known of one segment's level, and of a drop below it."""

    #: The answers of the baseline.
    baseline: Classes = _NOTHING
    #: The answers that came later and are not part of the baseline.
    pending: Classes = _NOTHING
    #: R for each of DROPS.
    r_values: tuple[float, float, float] = _NOTHING
    #: The CUSUM for each of DROPS.
    cusums: tuple[float, float, float] = _NOTHING
    #: For each of DROPS: the hour of the first answers after the CUSUM was last zero, counted since 1970. It is 0 while
    #: the CUSUM is zero.
    possible_starts: tuple[int, int, int] = (0, 0, 0)
    #: The place in DROPS of the drop that is open; None while none is open.
    open_size: int | None = None
    #: R and CUSUM of the way back up, while a drop is open.
    recovery_r: float = 0.0
    recovery_cusum: float = 0.0
    #: The hour, counted since 1970, since which answers are better again, while a drop is open; 0 if they are not.
    recovering_since: int = 0

    def is_learned(self, prior: Prior) -> bool:
        """Say whether the baseline has enough answers to find drops by."""
        own = sum(self.baseline)
        return own >= _FEWEST_OWN and own + prior.weight >= _FEWEST

    def take(self, group: Group, prior: Prior) -> None:
        """Take in a group of answers. Groups must come in the order of their hours."""
        if self.open_size is None and not self.is_learned(prior):
            self.baseline = _sum(self.baseline, group.classes)
            return
        logs = log_ratios(lowered(self.baseline, prior), group.classes)
        self.pending = _sum(self.pending, group.classes)
        n = sum(group.classes)
        if self.open_size is not None:
            self.recovery_r = _updated_r(self.recovery_r, n, -logs[self.open_size])
            self.recovery_cusum = max(0.0, self.recovery_cusum - logs[self.open_size])
            self.recovering_since = (self.recovering_since or group.hour) if self.recovery_cusum else 0
            return
        self.r_values = _each(lambda size: _updated_r(self.r_values[size], n, logs[size]))
        self.cusums = _each(lambda size: max(0.0, self.cusums[size] + logs[size]))
        self.possible_starts = _each(
            lambda size: (self.possible_starts[size] or group.hour) if self.cusums[size] else 0
        )
        if not self.cusums[_SMALLEST]:
            self._absorb_pending(self.baseline)

    def has_dropped(self, threshold: float) -> bool:
        """Say whether there is a drop that has to be opened.

        `threshold`: the mean number of answers between false alarms.
        """
        return self.open_size is None and sum(self.r_values) >= len(DROPS) * threshold

    @property
    def likely_start(self) -> int:
        """The hour, counted since 1970, in which the likeliest drop may have begun; 0 if there is no sign of one."""
        return self.possible_starts[self._likeliest]

    @property
    def _likeliest(self) -> int:
        return max(range(len(DROPS)), key=lambda size: (self.r_values[size], size))

    def open_drop(self) -> None:
        """Note that a drop was reported. The baseline stays as it is until the drop is over."""
        self.open_size, self.recovery_r, self.recovery_cusum, self.recovering_since = self._likeliest, 0.0, 0.0, 0

    @property
    def has_recovered(self) -> bool:
        """Whether the open drop is over, since answers are as they were before it."""
        return self.open_size is not None and self.recovery_r >= _FALSE_END

    def has_settled(self, hour: int) -> bool:
        """Say whether the answers have been lower for such a long time that this is now the segment's level."""
        first: int = self.possible_starts[_SMALLEST]
        return 0 < first <= hour - _SETTLED

    def restart(self, *, recovered: bool) -> None:
        """Look for drops from the beginning again.

        `recovered`: with the baseline from before the drop. Otherwise the baseline is learned from the pending answers.
        """
        if not recovered and any(self.pending):
            self._absorb_pending(_NOTHING)
        self.pending, self.r_values, self.cusums, self.possible_starts = _NOTHING, _NOTHING, _NOTHING, (0, 0, 0)
        self.open_size, self.recovery_r, self.recovery_cusum, self.recovering_since = None, 0.0, 0.0, 0

    def _absorb_pending(self, baseline: Classes) -> None:
        """Make a baseline of another one and the pending answers."""
        promoters, passives, detractors = _sum(baseline, self.pending)
        kept = min(1.0, _MOST / (promoters + passives + detractors))
        self.baseline = promoters * kept, passives * kept, detractors * kept
        self.pending = _NOTHING


def lowered(baseline: Classes, prior: Prior) -> Classes:
    """Return the shares with which new answers are compared: the baseline's, drawn towards the prior and lowered.

    One answer of each class is added, so that no share is zero.
    """
    n = sum(baseline) + prior.weight + 3
    promoters, passives, detractors = (
        (own + prior.weight * share + 1) / n for own, share in zip(baseline, prior.shares, strict=True)
    )
    mean = promoters - detractors
    error = sqrt((promoters + detractors - mean * mean) / n)
    return dropped((promoters, passives, detractors), 100 * _DOUBT * error)


def dropped(shares: Classes, points: float) -> Classes:
    """Return the shares after a drop of this many points.

    Promoters become detractors; once there are no more promoters, passives do.
    """
    promoters = max(shares[0] - points / 200, min(shares[0], _LEAST))
    detractors = shares[2] + points / 100 - (shares[0] - promoters)
    passives = max(1 - promoters - detractors, min(shares[1], _LEAST))
    total = promoters + passives + detractors
    return promoters / total, passives / total, detractors / total


def log_ratios(shares: Classes, classes: Classes) -> list[float]:
    """Return the natural logarithm of a group's likelihood ratio for each of DROPS.

    `shares`: the shares that are expected without a drop; `classes`: the group's numbers.
    """
    return [
        sum(n * log(new / old) for n, new, old in zip(classes, dropped(shares, points), shares, strict=True) if n)
        for points in DROPS
    ]


def _each(value: Callable[[int], T]) -> tuple[T, T, T]:
    """Return a value for each of DROPS."""
    return value(0), value(1), value(2)


def _updated_r(r: float, n: float, log_ratio: float) -> float:
    """Return R after a group of n answers; its logarithm is compared first, since `exp` of a large one overflows."""
    log_r = log(r + n) + log_ratio
    return min(exp(log_r), _LARGEST) if log_r < 50 else _LARGEST


def _sum(one: Classes, other: Classes) -> Classes:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
