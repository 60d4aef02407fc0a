"""Scores of segments, as many as a test needs."""

from datetime import UTC, datetime

from schemas.scores import Scores, TrendScore, WindowScore
from worker.nps.interval import INDICATIVE_BELOW, interval
from worker.nps.windows import WINDOWS

#: A date nobody looks at.
AS_OF = datetime(2026, 3, 2, tzinfo=UTC)


def window(promoters: int, passives: int, detractors: int) -> WindowScore:
    """Return a window of so many answers."""
    n = promoters + passives + detractors
    low, high = interval(promoters, passives, detractors) if n else (None, None)
    return WindowScore(
        n=n,
        promoters=promoters,
        passives=passives,
        detractors=detractors,
        nps=100 * (promoters - detractors) / n if n else None,
        low=low,
        high=high,
        indicative=n < INDICATIVE_BELOW,
    )


def scored(segment: str, promoters: int, passives: int, detractors: int, trend: TrendScore | None = None) -> Scores:
    """Return a segment's scores, alike in all windows."""
    windows = dict.fromkeys(WINDOWS, window(promoters, passives, detractors))
    return Scores(segment=segment, as_of=AS_OF, histogram=[0] * 11, windows=windows, trend=trend)


def tree(**leaves: tuple[int, int, int]) -> dict[str, Scores]:
    """Return a tree from its leaves, `fr__desk` for fr/desk; what is above them adds up."""
    total: dict[str, list[int]] = {}
    for name, counts in leaves.items():
        path = name.replace("__", "/")
        line = [path]
        while line[-1]:
            line.append(line[-1].rpartition("/")[0])
        for segment in line:
            known = total.setdefault(segment, [0, 0, 0])
            total[segment] = [a + b for a, b in zip(known, counts, strict=True)]
    return {path: scored(path, p, pa, d) for path, (p, pa, d) in total.items()}
