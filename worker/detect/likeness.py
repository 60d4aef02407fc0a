"""How alike the segments of one parent are, and so how much the parent says about a small segment.

This is empirical Bayes. The variance between siblings that is more than chance (DerSimonian, R., Laird, N. (1986),
"Meta-analysis in clinical trials", Controlled Clinical Trials 7) says how many answers of its own a segment needs until
they weigh as much as its parent's.
"""

from collections.abc import Sequence

from worker.detect.drops import Classes
from worker.nps.interval import adjusted_variance

#: Fewer siblings than this say nothing about how siblings differ. A sibling with fewer answers than this is left out.
_FEWEST_SIBLINGS, _FEWEST_ANSWERS = 3, 50
#: The parent's shares are worth at most this many answers, however alike the siblings are.
_MOST = 500.0


def likeness(siblings: Sequence[Classes]) -> float:
    """Return how many answers of a segment's own the parent's shares are worth; 0 if that is not known.

    `siblings`: the answers of each segment below the parent.
    """
    means, variances, errors = [], [], []
    for promoters, passives, detractors in siblings:
        n = promoters + passives + detractors
        if n >= _FEWEST_ANSWERS:
            means.append((promoters - detractors) / n)
            variances.append(adjusted_variance(promoters, detractors, n))
            errors.append(variances[-1] / n)
    if len(means) < _FEWEST_SIBLINGS:
        return 0.0
    weights = [1.0 / error for error in errors]
    total = sum(weights)
    centre = sum(weight * mean for weight, mean in zip(weights, means, strict=True)) / total
    spread = sum(weight * (mean - centre) ** 2 for weight, mean in zip(weights, means, strict=True))
    between = (spread - (len(means) - 1)) / (total - sum(weight * weight for weight in weights) / total)
    answers = sum(variances) / len(variances)
    return min(answers / between, _MOST) if between > 0 else _MOST
