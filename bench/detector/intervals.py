"""How often the interval of an NPS holds the true NPS: exact sums over all outcomes, and windows whose days differ."""

from collections.abc import Callable
from functools import partial
from math import sqrt

import numpy as np
from scipy.stats import multinomial

from bench.detector.part import Part, Report, Table, spread
from bench.detector.trend import Answers
from worker.nps.interval import Z_95, adjusted_variance, interval

_SEED = 66
SIZES = (1, 2, 3, 5, 10, 20, 30, 50, 100, 300, 1_000)
_SHARES = (0.02, 0.1, 0.2, 0.35, 0.5, 0.8)
#: The shares of promoters, passives and detractors.
MIXES = tuple(
    (promoters, 1 - promoters - detractors, detractors)
    for promoters in _SHARES
    for detractors in _SHARES
    if promoters + detractors < 0.99
)
#: The same, of mixes in which one class, and perhaps a second one, has from 0 to 5 % of the answers.
_RARE_SHARES, _OTHER_SHARES = (0.0, 0.01, 0.02, 0.05), (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
RARE_MIXES = tuple(
    sorted(
        {
            mix
            for rare in _RARE_SHARES
            for other in _OTHER_SHARES
            for most in [round(1 - rare - other, 6)]
            for mix in ((most, other, rare), (most, rare, other), (other, rare, most), (rare, other, most))
        }
    )
)
#: Outcomes that are rarer than this are left out of the sum.
_RARE = 1e-8
_ROUNDING = 1e-9
#: How many answers the adjusted-Wald interval adds (Rocks (2016), "Interval estimation for the Net Promoter Score").
_PSEUDO = 3.0
_DAYS = 30
_DIFFERING = (
    Answers("50 a day, days do not differ", 50),
    Answers("50 a day, days differ by 6", 50, 6.0),
    Answers("500 a day, days differ by 3", 500, 3.0),
    Answers("500 a day, days differ by 8", 500, 8.0),
    Answers("500 a day, days differ by 8, correlated by 0.7", 500, 8.0, 0.7),
)

Ends = Callable[[int, int, int], tuple[float, float]]


def adjusted_wald(promoters: float, passives: float, detractors: float) -> tuple[float, float]:
    """Return the ends of the adjusted-Wald interval in points, from -100 to 100, with which `interval` is compared.

    For 30 answers and more both are nearly the same. For fewer answers this one is at places too narrow, and holds the
    NPS only since it is widened to do so.
    """
    n = promoters + passives + detractors
    mean = (promoters - detractors) / (n + _PSEUDO)
    half = Z_95 * sqrt(adjusted_variance(promoters, detractors, n) / (n + _PSEUDO))
    found = (promoters - detractors) / n if n else mean
    return 100.0 * max(min(mean - half, found), -1.0), 100.0 * min(max(mean + half, found), 1.0)


def coverage(n: int, mix: tuple[float, float, float], ends: Ends) -> float:
    """Return how likely the interval of n answers holds the true NPS. The probabilities are scipy's."""
    promoters, detractors = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    possible = promoters + detractors <= n
    outcomes = np.column_stack((promoters, n - promoters - detractors, detractors))[possible]
    chances = multinomial.pmf(outcomes, n, mix)
    true, held = 100 * (mix[0] - mix[2]), 0.0
    for outcome, chance in zip(outcomes[chances > _RARE].tolist(), chances[chances > _RARE], strict=True):
        low, high = ends(*outcome)
        held += chance * (low - _ROUNDING <= true <= high + _ROUNDING)
    return float(held)


def of_size(n: int) -> list[float]:
    """Return the mean and the least coverage: of the usual mixes and of those with rare classes.

    Then both again of the adjusted-Wald interval.
    """
    figures = []
    for ends in (interval, adjusted_wald):
        for mixes in (MIXES, RARE_MIXES):
            found = [coverage(n, mix, ends) for mix in mixes]
            figures += [sum(found) / len(found), min(found)]
    return figures


def of_window(answers: Answers, runs: int) -> float:
    """Return how often the interval of a window of 30 days holds the level around which its days differ."""
    chance, held = np.random.default_rng(_SEED), 0
    for _ in range(runs):
        effects = chance.standard_normal(_DAYS)
        for day in range(1, _DAYS):
            effects[day] = answers.correlation * effects[day - 1] + (1 - answers.correlation**2) ** 0.5 * effects[day]
        half = (30 + answers.day_effect * effects) / 200
        n = chance.poisson(answers.rate, _DAYS)
        promoters = chance.binomial(n, 0.35 + half)
        detractors = chance.binomial(n - promoters, (0.35 - half) / (0.65 - half))
        p, d = int(promoters.sum()), int(detractors.sum())
        low, high = interval(p, int(n.sum()) - p - d, d)
        held += low <= 30 <= high
    return held / runs


def report(runs: int) -> Report:
    """Return the tables. The first one needs no runs, since its figures are exact sums."""
    exact = spread(of_size, SIZES)
    windows = spread(partial(of_window, runs=runs), _DIFFERING)
    tables = [
        Table(
            [
                "answers",
                *(f"{whose}{of}" for whose in ("", "Wald: ") for of in ("mean", "least", "rare: mean", "rare: least")),
            ],
            [(f"{n:,}", *(f"{share:.3f}" for share in found)) for n, found in zip(SIZES, exact, strict=True)],
        ),
        Table(
            ("window of 30 days", "coverage of the level"),
            [(one.title, f"{share:.2f}") for one, share in zip(_DIFFERING, windows, strict=True)],
        ),
    ]
    figures = {
        "least_mean_coverage_of_an_nps": min(found[0] for found in exact),
        "least_coverage_of_an_nps": min(found[1] for found in exact),
        "least_mean_coverage_with_rare_classes": min(found[2] for found in exact),
    }
    return Report(tables, figures)


PART = Part("intervals", "how often the interval of an NPS holds the true one", 4_000, report)
