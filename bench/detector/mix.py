"""What is said of a segment whose NPS falls only because its answers come from other children than before."""

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, Law, Tree
from worker.detect.drops import Classes

#: Each child's share of the answers before, and its classes' shares.
CHILDREN: dict[str, tuple[float, Classes]] = {
    "a": (0.4, (0.7, 0.2, 0.1)),
    "b": (0.4, (0.65, 0.25, 0.1)),
    "c": (0.1, (0.4, 0.3, 0.3)),
    "d": (0.1, (0.35, 0.35, 0.3)),
}
#: Their shares since then.
SINCE = {"a": 0.1, "b": 0.1, "c": 0.4, "d": 0.4}
_LEARNING, _DAYS, _EVERY, _SEED = 60, 30, 6, 63
#: Answers of all children in a day.
RATES = (20, 50, 200)


def law(rate: float, changed: int) -> Law:
    """Return how the children answer; `rate`: answers in a day; `changed`: the hour in which their shares change."""

    def answers(leaf: str, hour: int) -> tuple[float, Classes]:
        share, shares = CHILDREN[leaf]
        return rate / DAY * (share if hour < changed else SINCE[leaf]), shares

    return answers


def first_reason(seed: int, rate: float, days: float = _DAYS, learning: float = _LEARNING) -> str:
    """Return the segment and the reason of the first incident after the shares have changed; empty if there is none."""
    tree = Tree(list(CHILDREN), law(rate, round(learning * DAY)), seed, every=_EVERY)
    tree.live(learning)
    steps = [found.step for found in tree.live(days)]
    opened = [step for step in steps if step.kind == "segment_drop" and step.action == "opened"]
    return f"{opened[0].segment or 'all'}: {opened[0].reason}" if opened else ""


def _of(place: tuple[int, int]) -> str:
    seed, rate = place
    return first_reason(seed, rate)


def report(runs: int) -> Report:
    """Return a table with a line for each number of answers in a day."""
    places = [(_SEED + seed, rate) for rate in RATES for seed in range(runs)]
    found = spread(_of, places)
    rows, figures = [], dict[str, float]()
    for rate in RATES:
        said = [each for (_, at), each in zip(places, found, strict=True) if at == rate]
        opened = [each for each in said if each]
        right = sum(each == "all: mix_changed" for each in opened)
        rows.append([str(rate), f"{len(opened)} of {runs}", f"{right} of {len(opened)}"])
        figures[f"mix.at_{rate}.said"] = right / max(1, len(opened))
    return Report(
        [Table(["answers a day", "runs with an incident", "of these, it says that the mix changed"], rows)], figures
    )


PART = Part("mix", "whether a fall that only the mix of answers makes is told as such", 12, report)
