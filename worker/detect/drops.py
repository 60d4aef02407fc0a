"""Drops of a segment's NPS, found on the stream of its answers.

The test is Shiryaev-Roberts, averaged over drops of three sizes (`sizes`). Its statistic R grows with each answer that
is likelier after a drop than before it. Answers come in groups, one group for each hour, and their order within a group
says nothing. A group makes R equal to (R + w) times the group's likelihood ratio; w is the time since the last group,
in days. While nothing has changed, R less the days that have passed is a martingale. So if the baseline is known
exactly, the mean number of days until a false alarm is at least the threshold, whatever the volume, and nothing has to
be calibrated (Pollak (1985), "Optimal detection of a change in distribution", Annals of Statistics 13(1); Tartakovsky,
Nikiforov, Basseville (2014), "Sequential analysis").

The days of a segment, and the hours of a day, differ in ways that are no drop (days.py, hours.py). Therefore the
expected shares follow the day of the week and the hour, and the logarithm of the likelihood ratio is divided by the
factor by which the variance between days makes a mean more uncertain.

The baseline is only an estimate, and an estimate that is too high by chance looks like a drop later. Therefore it is
first drawn towards the parent's baseline, the more so the more alike the siblings are, and then lowered by its standard
error (`make detector` measures how many false alarms remain).

In addition to R there is a CUSUM of the same ratios (Page (1954), "Continuous inspection schemes", Biometrika 41). It
says when a drop of that size may have begun: when the CUSUM was last zero. Answers that came after the last zero of the
smallest drop's CUSUM are pending: they are not part of the baseline, and join it at the next zero.

When a drop opens, the baseline is frozen. The drop is over when the answers since then say so by the same kind of test:
"as before" against "still as low as the drop has been". The size for this is the lower bound of what was seen of the
drop. While it is right, R less the days is again at most a martingale, so a drop that lasts is called over within 60
days with a probability of at most 60 days divided by the threshold (Doob's inequality). Chance alone may have opened
it, too. Then the CUSUM of the smallest size, which goes on, comes back to zero: all answers since the drop began,
taken together, are no sign of a drop any more.

The level of an open drop is itself the baseline of another detector (`Detector.further`), which finds a further fall.
"""

from collections.abc import Callable, Iterable
from math import exp, log, sqrt
from typing import NamedTuple, TypeVar

import msgspec

from worker.detect.days import Days

T = TypeVar("T")

#: Promoters, passives and detractors: how many, or their shares.
Classes = tuple[float, float, float]

_NOTHING: Classes = (0.0, 0.0, 0.0)

#: Drops that are smaller than this are not looked for, in points (`incidents.least_points`).
LEAST_POINTS = 5.0
#: The sizes of the drops that are looked for are this many times as large. A drop of a size is likelier than none if
#: answers have fallen by more than half of it, so the smallest size is twice as large as the least drop.
_TIMES = (2, 4, 6)
#: How much each size counts. The middle one counts most, since it is what most incidents are about; the others make
#: large drops be found soon, and small ones at all (`make detector ARGS="--only cusum"` compares the delays).
_WEIGHTS = (1 / 6, 4 / 6, 1 / 6)
#: The place of the smallest drop among the sizes.
_SMALLEST = 0
#: The mean number of days after which a drop that goes on is taken to be over by mistake, and to have fallen further.
_FALSE_END, _FALSE_FURTHER = 2_400.0, 5_000.0
#: If the CUSUM of the way back up is higher than this, the drop is perhaps over.
_SIGN = 2.0
#: By how many standard errors the size of an open drop is taken to be smaller than it was seen. The answers by which a
#: drop is found overstate it, since they were chosen for being low.
_SMALLER = 1.8
#: How much likelier answers must be if a drop is over than if it is only half as large, as a natural logarithm.
_CLEARLY = 4.5
#: A baseline needs this many answers if those that the parent's baseline is worth are included (`Prior.weight`), this
#: many of its own, and this many hours, so that each day of the week was there twice.
_FEWEST, _FEWEST_OWN, _SHORTEST = 200, 50, 14 * 24
#: A baseline forgets: it is worth at most the answers of this many days. Half of it is then of the last four weeks.
_DAYS_KEPT = 40
#: Of a segment with few answers it is worth this many answers, though they take longer to come.
_FEWEST_KEPT = 1_500
#: What a baseline is worth at most while it is not known how many answers a day has.
_MOST = 5_000
#: By how many standard errors the baseline is lowered.
_DOUBT = 1.0
#: The smallest share that a class may have after a drop.
_LEAST = 0.01
#: R is cut off here: no threshold is higher.
_LARGEST = 1e12
#: A lower level that has lasted for this many hours is the new baseline.
_SETTLED = 60 * 24
_DAY = 24
#: At most this many hours without an answer count as time in which the segment was watched.
_LONGEST_WAIT = 7 * _DAY


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
    #: How the parent's days differ.
    days: Days = Days()


#: The prior of a segment about which its parent says nothing.
NO_PRIOR = Prior(_NOTHING, 0.0)


class Detector(msgspec.Struct, array_like=True, gc=False):
    """What is known of one segment's level, and of a drop below it."""

    #: The answers of the baseline.
    baseline: Classes = _NOTHING
    #: The answers that came later and are not part of the baseline.
    pending: Classes = _NOTHING
    #: R for each size, in days.
    r_values: tuple[float, float, float] = _NOTHING
    #: The CUSUM for each size. While a drop is open, only that of the smallest size goes on.
    cusums: tuple[float, float, float] = _NOTHING
    #: For each size: the hour of the first answers after the CUSUM was last zero, counted since 1970. It is 0 while
    #: the CUSUM is zero.
    possible_starts: tuple[int, int, int] = (0, 0, 0)
    #: The place of the size of the drop that is open; None while none is open.
    open_size: int | None = None
    #: R, in days, and CUSUM of the way back up, while a drop is open.
    recovery_r: float = 0.0
    recovery_cusum: float = 0.0
    #: The hour, counted since 1970, since which answers are better again, while a drop is open; 0 if they are not.
    recovering_since: int = 0
    #: How the segment's days differ. It is not studied anew while a drop is open.
    days: Days = msgspec.field(default_factory=Days)
    #: The hours of the first and of the last group, counted since 1970; 0 in rows that older versions wrote.
    learning_since: int = 0
    taken_until: int = 0
    #: By how many points answers are lower at least, while a drop is open; 0 before the first answers of that time.
    fall: float = 0.0
    #: The hour in which the open drop was reported, or was found to have fallen further, counted since 1970; 0 in rows
    #: that older versions wrote.
    open_since: int = 0
    #: The detector of a further fall below the level of the open drop; None in rows that older versions wrote.
    further: "Detector | None" = None

    def is_learned(self, prior: Prior) -> bool:
        """Say whether the baseline has enough answers, of enough days, to find drops by."""
        own = sum(self.baseline)
        return (
            own >= _FEWEST_OWN
            and own + prior.weight >= _FEWEST
            and (not self.learning_since or self.taken_until - self.learning_since >= _SHORTEST)
        )

    def take(self, group: Group, prior: Prior, least_points: float = LEAST_POINTS) -> None:
        """Take in a group of answers. Groups must come in the order of their hours.

        `least_points`: drops that are smaller than this are not looked for.
        """
        if not any(self.baseline) and self.open_size is None:
            self.learning_since = self.learning_since or group.hour
        waited = min(max(group.hour - self.taken_until, 1), _LONGEST_WAIT) / _DAY if self.taken_until else 1 / _DAY
        self.taken_until = group.hour
        if self.open_size is None and not self.is_learned(prior):
            self.baseline = _sum(self.baseline, group.classes)
            return
        self.pending = _sum(self.pending, group.classes)
        mean = self.expected(prior)
        offset = self.days.offset(group.hour)
        shares = dropped(mean, -offset) if offset else mean
        inflation = self.days.inflation(variance_of(mean))
        if self.open_size is not None:
            self._take_while_open(group, mean, shares, inflation, waited, least_points)
            return
        logs = [log_ratio / inflation for log_ratio in log_ratios(shares, group.classes, sizes(least_points))]
        self.r_values = _each(lambda size: _updated_r(self.r_values[size], waited, logs[size]))
        self.cusums = _each(lambda size: max(0.0, self.cusums[size] + logs[size]))
        self.possible_starts = _each(
            lambda size: (self.possible_starts[size] or group.hour) if self.cusums[size] else 0
        )
        if not self.cusums[_SMALLEST]:
            self._absorb_pending(self.baseline)

    def expected(self, prior: Prior) -> Classes:
        """Return the shares with which new answers are compared, on a day and in an hour that are like the mean."""
        return lowered(self.baseline, prior, self.days)

    def has_dropped(self, threshold: float) -> bool:
        """Say whether there is a drop that has to be opened.

        `threshold`: the mean number of days between false alarms. While the CUSUM of the smallest size is zero, answers
        are not lower by as much as the least drop.
        """
        return self.open_size is None and self.cusums[_SMALLEST] > 0 and self.r >= threshold

    def has_fallen_further(self, least_points: float) -> bool:
        """Say whether there is a further drop below the level of the open one, by `least_points` at least."""
        further = self.further
        if further is None or not further.has_dropped(_FALSE_FURTHER):
            return False
        return further.is_lower(further.pending, least_points)

    def is_lower(self, since: Classes, least_points: float) -> bool:
        """Say whether the NPS of some answers is lower than the baseline's by as much as the least drop."""
        return sum(since) > 0 and any(self.baseline) and self._fall(since) >= least_points

    def is_as_before(self, since: Classes, least_points: float) -> bool:
        """Say whether some answers are as before the open drop, and not only better than it was.

        They must be clearly likelier than after a drop that is half as large, and not lower by a standard error more
        than half of the least drop: the baseline may be too high by chance.
        """
        n = sum(since)
        if not n or not any(self.baseline):
            return True
        half = max(self.fall / 2, sizes(least_points)[_SMALLEST])
        variance = variance_of(((since[0] + 1) / (n + 3), (since[1] + 1) / (n + 3), (since[2] + 1) / (n + 3)))
        variance *= self.days.inflation(variance)
        fall = self._fall(since)
        log_ratio = n * half * (half / 2 - fall) / variance
        error = sqrt(variance * (1 / n + 1 / sum(self.baseline)))
        return fall - error < least_points / 2 and log_ratio >= _CLEARLY

    def _fall(self, since: Classes) -> float:
        """Return by how many points the NPS of some answers is lower than the baseline's."""
        own = sum(self.baseline)
        return 100 * ((self.baseline[0] - self.baseline[2]) / own - (since[0] - since[2]) / sum(since))

    @property
    def r(self) -> float:
        """The mean of R over the sizes, in days."""
        return sum(weight * r for weight, r in zip(_WEIGHTS, self.r_values, strict=True))

    @property
    def likely_start(self) -> int:
        """The hour, counted since 1970, in which the likeliest drop may have begun; 0 if there is no sign of one."""
        return self.possible_starts[self._likeliest]

    @property
    def sign_since(self) -> int:
        """The hour, counted since 1970, since which answers may be lower at all; 0 if there is no sign of a drop."""
        return self.possible_starts[_SMALLEST]

    @property
    def _likeliest(self) -> int:
        return max(range(len(_TIMES)), key=lambda size: (self.r_values[size], size))

    def count_in_days(self, usual: float) -> None:
        """Make days of R, which older versions counted in answers; `usual`: the answers of a usual day."""
        first, second, third = self.r_values
        self.r_values = first / usual, second / usual, third / usual
        self.recovery_r /= usual

    def open_drop(self, since: Classes | None = None, hour: int = 0) -> None:
        """Note that a drop was reported. The baseline stays as it is until the drop is over.

        `since`: the answers since the drop began; without it, they are those that are pending; `hour`: in which it was
        reported, counted since 1970; without it, the hour of the next answers counts.
        """
        self.open_size, self.recovery_r, self.recovery_cusum, self.recovering_since = self._likeliest, 0.0, 0.0, 0
        if since is not None and any(since):
            self.pending = float(since[0]), float(since[1]), float(since[2])
        self._watch_open_level(hour)

    def fall_further(self, since: Classes, hour: int) -> None:
        """Note that a further fall of an open drop was found. `since`, `hour`: as above, of the further fall."""
        self.recovery_r, self.recovery_cusum, self.recovering_since = 0.0, 0.0, 0
        self.pending = float(since[0]), float(since[1]), float(since[2])
        self._watch_open_level(hour)

    def date_open_drop(self, hour: int) -> None:
        """Note since when a drop is open if that is not known, in a row of an older version. It began before `hour`."""
        self.open_since = self.open_since or self.sign_since or hour

    def _watch_open_level(self, hour: int) -> None:
        self.fall, self.open_since = 0.0, hour
        self.further = Detector(baseline=self.pending, days=self.days)

    def _take_while_open(
        self, group: Group, mean: Classes, shares: Classes, inflation: float, waited: float, least_points: float
    ) -> None:
        """Take in a group while a drop is open; `mean`, `shares`: what is expected without it, usually and today."""
        smallest = sizes(least_points)[_SMALLEST]
        if not self.fall or self.further is None:
            before = _minus(self.pending, group.classes)
            self.fall = self.fall or fall_at_least(
                mean, before if any(before) else self.pending, inflation, least_points
            )
            # A segment that raised no alarm itself has no CUSUM of its drop, and older versions did not go on with it.
            own = max(self.cusums[_SMALLEST], log_ratios(mean, before, (smallest,))[0] / inflation, _SIGN)
            self.cusums = own, 0.0, 0.0
        self.date_open_drop(group.hour)
        self.further = self.further or Detector(baseline=_minus(self.pending, group.classes), days=self.days)
        self.further.take(group, NO_PRIOR, least_points)
        of_fall, of_smallest = (log_ / inflation for log_ in log_ratios(shares, group.classes, (self.fall, smallest)))
        self.cusums = max(0.0, self.cusums[_SMALLEST] + of_smallest), 0.0, 0.0
        self.recovery_r = _updated_r(self.recovery_r, waited, -of_fall)
        self.recovery_cusum = max(0.0, self.recovery_cusum - of_fall)
        self.recovering_since = (self.recovering_since or group.hour) if self.recovery_cusum else 0
        if not self.recovery_cusum:
            self.fall = fall_at_least(mean, self.pending, inflation, least_points)

    @property
    def has_recovered(self) -> bool:
        """Whether the open drop is over, since answers are as they were before it."""
        return self.open_size is not None and self.recovery_r >= _FALSE_END

    @property
    def has_vanished(self) -> bool:
        """Whether all answers since the open drop began, taken together, are no sign of a drop any more.

        Rows of older versions, whose CUSUM did not go on, say so after the next answers at the earliest.
        """
        is_known = self.fall > 0 and self.further is not None
        return self.open_size is not None and is_known and not self.cusums[_SMALLEST]

    def has_settled(self, hour: int) -> bool:
        """Say whether the answers have been lower for such a long time that this is now the segment's level.

        While there are signs that an open drop is over, it is waited for what comes of them, but not for ever.
        """
        first: int = self.sign_since if self.open_size is None else self.open_since
        return 0 < first <= hour - (_SETTLED if self.recovery_cusum < _SIGN else 2 * _SETTLED)

    def restart(self, level: Classes | None = None) -> None:
        """Look for drops from the beginning again.

        `level`: answers of which the baseline is learned anew; without it, the baseline is that from before the drop.
        """
        if level is not None and any(level):
            self.pending = level
            self._absorb_pending(_NOTHING)
        self.pending, self.r_values, self.cusums, self.possible_starts = _NOTHING, _NOTHING, _NOTHING, (0, 0, 0)
        self.open_size, self.recovery_r, self.recovery_cusum, self.recovering_since = None, 0.0, 0.0, 0
        self.fall, self.open_since, self.further = 0.0, 0, None

    def return_to(self, points: float, answers: float) -> None:
        """Look for drops from the beginning again, since the level is as it was before it rose.

        The baseline becomes that level. The pending answers are no part of it, since they were chosen for being low.
        `points`: the level's NPS; `answers`: of how many it is known.
        """
        own = sum(self.baseline)
        promoters, passives, detractors = self.baseline
        shares = promoters / own, passives / own, detractors / own
        shares = dropped(shares, 100 * (shares[0] - shares[2]) - points)
        answers = min(answers, self._most)
        self.baseline = answers * shares[0], answers * shares[1], answers * shares[2]
        self.restart()

    @property
    def _most(self) -> float:
        """How many answers the baseline is worth at most."""
        return max(_FEWEST_KEPT, _DAYS_KEPT * self.days.usual) if self.days.usual else _MOST

    def _absorb_pending(self, baseline: Classes) -> None:
        """Make a baseline of another one and the pending answers."""
        promoters, passives, detractors = _sum(baseline, self.pending)
        kept = min(1.0, self._most / (promoters + passives + detractors))
        self.baseline = promoters * kept, passives * kept, detractors * kept
        self.pending = _NOTHING


def sizes(least_points: float) -> tuple[float, ...]:
    """Return the sizes of the drops that are looked for, in points, the smallest first."""
    return tuple(times * least_points for times in _TIMES)


def variance_of(shares: Classes) -> float:
    """Return the variance of a single answer, in squared points."""
    mean = shares[0] - shares[2]
    return 1e4 * max(shares[0] + shares[2] - mean * mean, _LEAST)


def fall_at_least(expected: Classes, since: Classes, inflation: float, least_points: float) -> float:
    """Return by how many points answers have fallen at least, but a size between those of drops that are looked for.

    `expected`: the shares without a drop; `since`: the answers since it began; `inflation`: see Days.inflation.
    """
    n = sum(since) + 3
    shares = (since[0] + 1) / n, (since[1] + 1) / n, (since[2] + 1) / n
    error = sqrt(variance_of(shares) * inflation / n)
    fall = 100 * (expected[0] - expected[2] - shares[0] + shares[2]) - _SMALLER * error
    smallest, *_, largest = sizes(least_points)
    return min(max(fall, smallest), largest)


def lowered(baseline: Classes, prior: Prior, days: Days = NO_PRIOR.days) -> Classes:
    """Return the baseline's shares, drawn towards the prior and lowered by the standard error of their NPS.

    One answer of each class is added, so that no share is zero. `days`: how the segment's days differ.
    """
    n = sum(baseline) + prior.weight + 3
    weight = prior.weight
    shares = (
        (baseline[0] + weight * prior.shares[0] + 1) / n,
        (baseline[1] + weight * prior.shares[1] + 1) / n,
        (baseline[2] + weight * prior.shares[2] + 1) / n,
    )
    variance = variance_of(shares)
    return dropped(shares, _DOUBT * sqrt(variance * days.inflation(variance) / n))


def dropped(shares: Classes, points: float) -> Classes:
    """Return the shares after a drop of this many points, or after a rise if it is a negative number.

    Of all shares with the lower NPS, they are those that differ least from the given ones (in Kullback and Leibler's
    sense): each class is multiplied by a constant to the power of its value, which is 1, 0 or -1. So the likelihood
    ratio of answers depends on their number and their NPS only, and not on which classes the drop was made of. No share
    may be zero. An NPS falls to -99 at most, and rises to 99 at most.
    """
    promoters, passives, detractors = shares
    mean = promoters - detractors
    if points > 0:
        mean = max(mean - points / 100, min(mean, _LEAST - 1))
    else:
        mean = min(mean - points / 100, max(mean, 1 - _LEAST))
    # The factor x solves p(1 - m)x^2 - q m x - d(1 + m) = 0.
    root = sqrt(passives * passives * mean * mean + 4 * promoters * detractors * (1 - mean * mean))
    # Of the two forms of the solution, the one is taken whose terms do not cancel each other out.
    if mean > 0:
        factor = (passives * mean + root) / (2 * promoters * (1 - mean))
    else:
        factor = 2 * detractors * (1 + mean) / (root - passives * mean)
    total = promoters * factor + passives + detractors / factor
    return promoters * factor / total, passives / total, detractors / factor / total


def log_ratios(shares: Classes, classes: Classes, points: Iterable[float]) -> list[float]:
    """Return the natural logarithm of a group's likelihood ratio for drops of some sizes.

    `shares`: the shares that are expected without a drop; `classes`: the group's numbers; `points`: the sizes.
    """
    promoters, passives, detractors = shares
    n, m, k = classes
    found = []
    for size in points:
        fewer, others, more = dropped(shares, size)
        found.append(n * log(fewer / promoters) + m * log(others / passives) + k * log(more / detractors))
    return found


def _each(value: Callable[[int], T]) -> tuple[T, T, T]:
    """Return a value for each size."""
    return value(0), value(1), value(2)


def _updated_r(r: float, waited: float, log_ratio: float) -> float:
    """Return R, in days, after a group that came some days after the last one.

    Its logarithm is compared first, since `exp` of a large number overflows.
    """
    log_r = log(r + waited) + log_ratio
    return min(exp(log_r), _LARGEST) if log_r < 50 else _LARGEST


def _sum(one: Classes, other: Classes) -> Classes:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _minus(one: Classes, other: Classes) -> Classes:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
