"""The 11-bin histogram of scores 0 to 10. It adds, subtracts and merges exactly, so a tree of segments rolls up."""

from schemas.decision import Category

#: Answers per score, index = score.
Histogram = list[int]

BINS = 11
#: Reichheld's classes: the lowest score of a passive and of a promoter.
PASSIVE_FROM = 7
PROMOTER_FROM = 9


def empty() -> Histogram:
    """Return a histogram of no answers."""
    return [0] * BINS


def classify(score: int) -> Category:
    """Return the class of a score: 9-10 promoter, 7-8 passive, 0-6 detractor."""
    if score >= PROMOTER_FROM:
        return Category.PROMOTER
    return Category.PASSIVE if score >= PASSIVE_FROM else Category.DETRACTOR


def counts(histogram: Histogram) -> tuple[int, int, int]:
    """Return how many promoters, passives and detractors there are."""
    return (
        sum(histogram[PROMOTER_FROM:]),
        sum(histogram[PASSIVE_FROM:PROMOTER_FROM]),
        sum(histogram[:PASSIVE_FROM]),
    )


def nps(promoters: int, passives: int, detractors: int) -> float | None:
    """Return the Net Promoter Score in points, -100 to 100; None when nobody answered."""
    n = promoters + passives + detractors
    return 100.0 * (promoters - detractors) / n if n else None
