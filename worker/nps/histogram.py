"""The histogram of the scores 0 to 10. Histograms add and subtract exactly, so a parent is the sum of its children."""

from schemas.decision import Category

#: The number of answers of each score; the index is the score.
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
    """Return the numbers of promoters, passives and detractors."""
    return (
        sum(histogram[PROMOTER_FROM:]),
        sum(histogram[PASSIVE_FROM:PROMOTER_FROM]),
        sum(histogram[:PASSIVE_FROM]),
    )


def nps(promoters: int, passives: int, detractors: int) -> float | None:
    """Return the Net Promoter Score in points, from -100 to 100; None if nobody answered."""
    n = promoters + passives + detractors
    return 100.0 * (promoters - detractors) / n if n else None
