"""The figures of a window, as events have them."""

from functools import lru_cache

from schemas.emitted import emitted
from schemas.scores import WindowScore
from worker.nps.histogram import nps
from worker.nps.interval import INDICATIVE_BELOW, interval

_WindowScore = emitted(WindowScore)


@lru_cache(maxsize=1_024)  # most windows of a small segment are alike
def window_score(promoters: int, passives: int, detractors: int) -> WindowScore:
    """Return the NPS of these numbers of answers, with its interval."""
    n = promoters + passives + detractors
    low, high = interval(promoters, passives, detractors) if n else (None, None)
    return _WindowScore(
        n=n,
        promoters=promoters,
        passives=passives,
        detractors=detractors,
        nps=nps(promoters, passives, detractors),
        low=low,
        high=high,
        indicative=n < INDICATIVE_BELOW,
    )
