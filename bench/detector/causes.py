"""How many incidents one common cause opens, and whether the first one names it, in a tree of 85 segments."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL, Found, Law, Tree, falls
from worker.detect.drops import Classes
from worker.lineage import is_below

LEAVES = [f"{branch}/{middle}/{leaf}" for branch in "abcd" for middle in "efgh" for leaf in "ijkl"]
#: Days before the fall, and from its beginning on.
_LEARNING, _DAYS = 60, 30
#: How many hours are judged at once: it makes no difference to what is found, but one hour takes six times as long.
_EVERY = 6
_SEED = 62


class Cause(NamedTuple):
    """What happens in the tree. `points`: by how many points a leaf falls; `right`: the segments that are the cause."""

    title: str
    points: Callable[[str], float]
    right: frozenset[str]
    #: The name of its figures.
    name: str
    #: The mean number of answers of a leaf in a day.
    rate: Callable[[str], float] = lambda _: 10.0
    #: The shares of a leaf's classes before.
    usual: Callable[[str], Classes] = lambda _: USUAL


def _everywhere(_: str) -> float:
    return -15.0


def _one_branch(leaf: str) -> float:
    return -20.0 if is_below(leaf, "a") else 0.0


def _small_branch(leaf: str) -> float:
    return -25.0 if is_below(leaf, "a/e") else 0.0


def _in(*leaves: str) -> Callable[[str], float]:
    return lambda leaf: -30.0 if any(is_below(leaf, one) for one in leaves) else 0.0


def _heavy(leaf: str) -> float:
    return 630.0 if leaf == LEAVES[0] else 10.0


def _of_levels(leaf: str) -> Classes:
    return falls(USUAL, 6.0 * ((37 * LEAVES.index(leaf)) % 7 - 3))


CAUSES = (
    Cause("everything -15", _everywhere, frozenset({""}), "all"),
    Cause("everything -15, children of different levels", _everywhere, frozenset({""}), "levels", usual=_of_levels),
    Cause("everything -15, one leaf has half of all answers", _everywhere, frozenset({""}), "heavy", rate=_heavy),
    Cause("everything -15, 3 answers a leaf and day", _everywhere, frozenset({""}), "small", rate=lambda _: 3.0),
    Cause("a branch of 16 leaves -20", _one_branch, frozenset({"a"}), "branch_16"),
    Cause("a branch of 4 leaves -25", _small_branch, frozenset({"a/e"}), "branch_4"),
    Cause("one leaf -30", _in("b/f/j"), frozenset({"b/f/j"}), "leaf"),
    Cause("two leaves of one branch -30", _in("b/f/j", "b/f/k"), frozenset({"b/f/j", "b/f/k"}), "two_leaves"),
    Cause("two leaves elsewhere -30", _in("b/f/j", "c/g/k"), frozenset({"b/f/j", "c/g/k"}), "two_apart"),
    Cause("half of a branch of 16 leaves -30", _in("a/e", "a/f"), frozenset({"a/e", "a/f"}), "half"),
)


class Counted(NamedTuple):
    """What one run has found about a cause."""

    #: The number of incidents that were opened about segments above, in or below it, and elsewhere in the tree.
    opened: int
    elsewhere: int
    updates: int
    #: Whether the first incident names the cause; None if there is none.
    is_right: bool | None
    #: The days from the beginning of the fall until the first incident.
    days: float | None


def run(seed: int, causes: Sequence[Cause], days: float = _DAYS, learning: float = _LEARNING) -> list[Counted]:
    """Live through one fall for each cause. The causes must have the same tree before, since it is learned once."""
    fell = round(learning * DAY)
    learned = Tree(LEAVES, _law(causes[0], fell), seed, every=_EVERY)
    learned.live(learning)
    return [_fall(deepcopy(learned), cause, days, fell) for cause in causes]


def _fall(tree: Tree, cause: Cause, days: float, fell: int) -> Counted:
    tree.law = _law(cause, fell)
    steps = [found for found in tree.live(days) if found.step.kind == "segment_drop"]
    opened = [found for found in steps if found.step.action == "opened"]
    about = [found for found in opened if _is_about(found, cause)]
    return Counted(
        len(about),
        len(opened) - len(about),
        sum(found.step.action == "updated" for found in steps),
        about[0].step.segment in cause.right if about else None,
        (about[0].hour - fell) / DAY if about else None,
    )


def _is_about(found: Found, cause: Cause) -> bool:
    path = found.step.segment
    return any(is_below(path, right) or is_below(right, path) for right in cause.right)


def _law(cause: Cause, fell: int) -> Law:
    def law(leaf: str, hour: int) -> tuple[float, Classes]:
        points = cause.points(leaf) if hour >= fell else 0.0
        usual = cause.usual(leaf)
        return cause.rate(leaf) / DAY, falls(usual, points) if points else usual

    return law


def _alike_before() -> list[list[Cause]]:
    """Return the causes, those together whose trees are the same before."""
    found: dict[tuple[object, object], list[Cause]] = {}
    for cause in CAUSES:
        found.setdefault((cause.rate, cause.usual), []).append(cause)
    return list(found.values())


def _of_seed(place: tuple[int, int]) -> list[Counted]:
    number, seed = place
    return run(seed, _alike_before()[number])


def report(runs: int) -> Report:
    """Return a table with a line for each cause."""
    groups = _alike_before()
    places = [(number, _SEED + seed) for number in range(len(groups)) for seed in range(runs)]
    counts: dict[str, list[Counted]] = {}
    for (number, _), found in zip(places, spread(_of_seed, places), strict=True):
        for cause, counted_once in zip(groups[number], found, strict=True):
            counts.setdefault(cause.name, []).append(counted_once)
    rows, figures = [], dict[str, float]()
    for cause in CAUSES:
        counted = counts[cause.name]
        right = [each.is_right for each in counted if each.is_right is not None]
        days = sorted(each.days for each in counted if each.days is not None)
        share, opened = sum(right) / max(1, len(right)), sum(each.opened for each in counted) / runs
        rows.append(
            [
                cause.title,
                f"{sum(right)} of {len(right)}",
                f"{opened:.1f} ({max(each.opened for each in counted)})",
                f"{sum(each.updates for each in counted) / runs:.1f}",
                f"{sum(each.elsewhere for each in counted) / runs:.1f}",
                f"{days[len(days) // 2]:.1f}" if days else "",
            ]
        )
        figures |= {f"causes.{cause.name}.first_right": share, f"causes.{cause.name}.incidents": opened}
    head = [
        "what fell",
        "first one right",
        "incidents: mean (most)",
        "updates",
        "incidents elsewhere",
        "days until found",
    ]
    return Report([Table(head, rows)], figures)


PART = Part("causes", "how many incidents one cause opens, and whether the first one names it", 20, report)
