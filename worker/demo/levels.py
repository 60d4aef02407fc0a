"""How satisfied the customers of each desk of the samples are, on each day of the past year and now.

The samples tell what a company could see: a desk that was always weak, a shop that got clearly worse in the last month,
and one that got better in the course of the year.
"""

from collections.abc import Sequence

#: The weights of the scores from 0 to 10 of content customers, whose NPS is 39, and of unhappy ones, whose NPS is -54.
_CONTENT = (1, 1, 1, 1, 2, 3, 4, 10, 16, 24, 22)
_UNHAPPY = (6, 6, 7, 7, 6, 6, 6, 8, 7, 5, 3)
#: The usual share of unhappy customers.
_USUAL = 0.1
#: The desk that was always weak: all of its customers are unhappy.
_WEAK_DESK = ("fr", "lyon", "delivery")
#: The shop that got worse, when that began, in days before now, and the share since then.
_WORSE_SHOP, _WORSE_SINCE, _WORSE = ("fr", "nantes"), 33, 0.7
#: The shop that got better from one day to another, in days before now, and the share before the first one.
_BETTER_SHOP, _BETTER_BETWEEN, _BEFORE_BETTER = ("uk", "bristol"), (230, 110), 0.6


def weights(segment: Sequence[str], days_ago: float) -> list[float]:
    """Return the weights of the scores from 0 to 10 at a desk, so many days ago; 0 is now."""
    unhappy = _unhappy(tuple(segment), days_ago)
    content, sad = sum(_CONTENT), sum(_UNHAPPY)
    return [(1 - unhappy) * up / content + unhappy * down / sad for up, down in zip(_CONTENT, _UNHAPPY, strict=True)]


def _unhappy(segment: tuple[str, ...], days_ago: float) -> float:
    """Return the share of unhappy customers."""
    if segment == _WEAK_DESK:
        return 1.0
    if segment[:2] == _WORSE_SHOP:
        return _WORSE if days_ago < _WORSE_SINCE else _USUAL
    if segment[:2] == _BETTER_SHOP:
        first, last = _BETTER_BETWEEN
        passed = min(1.0, max(0.0, (first - days_ago) / (first - last)))
        return _BEFORE_BETTER + passed * (_USUAL - _BEFORE_BETTER)
    return _USUAL
