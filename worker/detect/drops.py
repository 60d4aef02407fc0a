"""Drops of a segment's NPS, found on the stream of its answers.

Shiryaev-Roberts, averaged over drops of 10, 20 and 30 points: R grows with each answer that is likelier after a drop
than before it, and R less the number of answers is a martingale while nothing has changed. So with a known baseline
the mean number of answers until a false alarm is at least the threshold, without calibration (Pollak (1985), "Optimal
detection of a change in distribution", Annals of Statistics 13(1); Tartakovsky, Nikiforov, Basseville (2014),
"Sequential analysis"). Answers come in groups, an hour's at a time, within which their order says nothing: R becomes
(R + n) times the group's likelihood ratio, which leaves the martingale what it is.

A baseline is an estimate, and one that is too high by luck makes a drop of nothing. So it is drawn towards the
parent's as far as siblings are alike, and then taken a part of its standard error lower (bench/detector.py has what
comes of it). Beside R, a CUSUM of the same ratios (Page (1954), "Continuous inspection schemes", Biometrika 41) says
where a drop of that size may have begun: at its last zero. Answers since the last zero for the smallest drop are none
of the baseline's; at the next zero they join it.
"""

from collections.abc import Callable
from math import exp, log, sqrt
from typing import NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

#: Promoters, passives and detractors: how many, or their shares.
Classes = tuple[float, float, float]

_NOTHING: Classes = (0.0, 0.0, 0.0)

DROPS = (10, 20, 30)
_SMALLEST = 0
#: Answers until a drop that lasts is taken to be over by mistake, on average.
_FALSE_END = 20_000
#: A baseline needs so many answers, its own or its parent's, and so many of its own; beyond a bound it forgets.
_FEWEST, _FEWEST_OWN, _MOST = 200, 50, 5_000
#: How many standard errors lower than the estimate the baseline is taken.
_DOUBT = 0.6
#: No class's share is taken to be smaller than this after a drop.
_LEAST = 0.01
#: R need not be known beyond any threshold.
_LARGEST = 1e12
#: After so many hours a lower level is the new baseline.
_SETTLED = 60 * 24


class Group(NamedTuple):
    """The answers of an hour, or of several up to it: hours since 1970."""

    hour: int
    promoters: int
    passives: int
    detractors: int

    @property
    def classes(self) -> Classes:
        """How many of each."""
        return self.promoters, self.passives, self.detractors


class Prior(NamedTuple):
    """The parent's shares, and how many of the segment's own answers they are worth."""

    shares: Classes
    weight: float


NO_PRIOR = Prior(_NOTHING, 0.0)


class Detector(msgspec.Struct, array_like=True, gc=False):
    """What is known of one segment's level.

    `before`: the baseline's answers, and `since` those that are none of it; for each of DROPS, `ratios`: R, `cusums`:
    the CUSUM, and `zeros`: the hour of the first answers since its last zero, 0 for none; `low`: which of DROPS the
    open drop is, None while there is none, and then `back` and `rise`: R and CUSUM of the way back up, and `turn` the
    hour since which answers are better again.
    """

    before: Classes = _NOTHING
    since: Classes = _NOTHING
    ratios: tuple[float, float, float] = _NOTHING
    cusums: tuple[float, float, float] = _NOTHING
    zeros: tuple[int, int, int] = (0, 0, 0)
    low: int | None = None
    back: float = 0.0
    rise: float = 0.0
    turn: int = 0

    def is_learned(self, prior: Prior) -> bool:
        """Say whether there is a baseline to detect by."""
        own = sum(self.before)
        return own >= _FEWEST_OWN and own + prior.weight >= _FEWEST

    def take(self, group: Group, prior: Prior) -> None:
        """Take in a group of answers, in the order of their hours."""
        if self.low is None and not self.is_learned(prior):
            self.before = _sum(self.before, group.classes)
            return
        logs = log_ratios(lowered(self.before, prior), group.classes)
        self.since = _sum(self.since, group.classes)
        n = sum(group.classes)
        if self.low is not None:
            self.back = _grown(self.back, n, -logs[self.low])
            self.rise = max(0.0, self.rise - logs[self.low])
            self.turn = (self.turn or group.hour) if self.rise else 0
            return
        self.ratios = _each(lambda size: _grown(self.ratios[size], n, logs[size]))
        self.cusums = _each(lambda size: max(0.0, self.cusums[size] + logs[size]))
        self.zeros = _each(lambda size: (self.zeros[size] or group.hour) if self.cusums[size] else 0)
        if not self.cusums[_SMALLEST]:
            self._absorb(self.before)

    def has_dropped(self, threshold: float) -> bool:
        """Say whether there is a drop to tell, if a false alarm may come after `threshold` answers on average."""
        return self.low is None and sum(self.ratios) >= len(DROPS) * threshold

    @property
    def zero(self) -> int:
        """The hour in which a drop may have begun, of the size that is likeliest; 0 if there is no sign of one."""
        return self.zeros[self._likeliest]

    @property
    def _likeliest(self) -> int:
        return max(range(len(DROPS)), key=lambda size: (self.ratios[size], size))

    def open(self) -> None:
        """Note that the drop was told: the baseline is frozen until it is over."""
        self.low, self.back, self.rise, self.turn = self._likeliest, 0.0, 0.0, 0

    @property
    def has_recovered(self) -> bool:
        """Whether the drop that was told is over."""
        return self.low is not None and self.back >= _FALSE_END

    def has_settled(self, hour: int) -> bool:
        """Say whether the answers have been lower for so long that this is the level now."""
        first: int = self.zeros[_SMALLEST]
        return 0 < first <= hour - _SETTLED

    def begin_anew(self, *, recovered: bool) -> None:
        """Begin anew: with the baseline from before the drop, or, if it lasts, by learning the level there is now."""
        if not recovered and any(self.since):
            self._absorb(_NOTHING)
        self.since, self.ratios, self.cusums, self.zeros = _NOTHING, _NOTHING, _NOTHING, (0, 0, 0)
        self.low, self.back, self.rise, self.turn = None, 0.0, 0.0, 0

    def _absorb(self, before: Classes) -> None:
        promoters, passives, detractors = _sum(before, self.since)
        kept = min(1.0, _MOST / (promoters + passives + detractors))
        self.before = promoters * kept, passives * kept, detractors * kept
        self.since = _NOTHING


def lowered(before: Classes, prior: Prior) -> Classes:
    """Return the shares to detect by, with one answer more of each class, so that nothing is impossible."""
    n = sum(before) + prior.weight + 3
    promoters, passives, detractors = (
        (own + prior.weight * share + 1) / n for own, share in zip(before, prior.shares, strict=True)
    )
    mean = promoters - detractors
    error = sqrt((promoters + detractors - mean * mean) / n)
    return dropped((promoters, passives, detractors), 100 * _DOUBT * error)


def dropped(shares: Classes, points: float) -> Classes:
    """Return the shares after a drop of so many points: promoters become detractors, and passives if those run out."""
    promoters = max(shares[0] - points / 200, min(shares[0], _LEAST))
    detractors = shares[2] + points / 100 - (shares[0] - promoters)
    passives = max(1 - promoters - detractors, min(shares[1], _LEAST))
    total = promoters + passives + detractors
    return promoters / total, passives / total, detractors / total


def log_ratios(shares: Classes, classes: Classes) -> list[float]:
    """Return the log of a group's likelihood ratio for each of DROPS."""
    return [
        sum(n * log(after / now) for n, after, now in zip(classes, dropped(shares, points), shares, strict=True) if n)
        for points in DROPS
    ]


def _each(value: Callable[[int], T]) -> tuple[T, T, T]:
    """Return a value for each of DROPS."""
    return value(0), value(1), value(2)


def _grown(ratio: float, n: float, logs: float) -> float:
    grown = log(ratio + n) + logs
    return min(exp(grown), _LARGEST) if grown < 50 else _LARGEST


def _sum(one: Classes, other: Classes) -> Classes:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
