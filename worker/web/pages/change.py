"""How an NPS has changed in the last days, in words: by how much, why, and in which segments."""

from typing import NamedTuple

from worker.board.board import Board
from worker.board.changes import FEWEST, MOST, Changed, Mover, changed
from worker.lineage import is_segment
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.choosing import Chosen
from worker.web.words.tree import TreeWords


class Moved(NamedTuple):
    """A segment that has changed by more than chance."""

    name: str
    #: The address of its overview.
    address: str
    #: By how much it has changed, as the rest of a sentence.
    sentence: str


class Change(NamedTuple):
    """A change in words."""

    #: By how much the NPS has changed.
    sentence: str
    #: What the segments below and their shares of the answers have to do with it.
    parts: list[str]
    moved: list[Moved]
    #: In their place, why no segment is named; empty if there are none below.
    none_moved: str
    #: Which segments below were not compared, since there are too many; empty if all were.
    left_out: str
    #: Whether the NPS has changed by more than chance.
    is_sure: bool
    #: Whether there are segments below.
    has_children: bool


def change_of(board: Board, choice: Chosen, words: TreeWords, notation: Notation) -> Change | None:
    """Return how the NPS of a segment or a survey has changed; None if that is not known (worker/board/changes.py)."""
    found = changed(board.history, choice.path, board.scores.children, choice.last)
    if found is None:
        return None
    has_children = is_segment(choice.path) and bool(board.scores.children(choice.path))
    return Change(
        _by_how_much(found, words, notation),
        _parts(found, words, notation),
        [_moved(each, choice, words, notation) for each in found.movers],
        _none_moved(found, words) if has_children and not found.movers else "",
        _left_out(found, words, notation),
        found.interval[0] > 0 or found.interval[1] < 0,
        has_children,
    )


def _by_how_much(change: Changed, words: TreeWords, notation: Notation) -> str:
    before, after = change.before.nps, change.after.nps
    assert before is not None
    assert after is not None
    points, days = round(after - before), change.after.last - change.after.first + 1
    text = (words.rose if points > 0 else words.fell if points < 0 else words.stayed).format(
        days=days, points=notation.whole_points(abs(points))
    )
    low, high = change.interval
    if not points:
        return f"{text}."
    if low <= 0 <= high:
        return f"{text}. {words.chance_change}"
    return text + words.sure_change.format(**notation.ends(low, high))


def _none_moved(change: Changed, words: TreeWords) -> str:
    """Return why no segment below is named; empty if `_left_out` says it."""
    if change.compared:
        return words.no_movers_compared if change.is_cut else words.no_movers
    return "" if change.is_cut else words.too_few_below.format(n=FEWEST)


def _left_out(change: Changed, words: TreeWords, notation: Notation) -> str:
    if not change.is_cut:
        return ""
    return (words.lower_left_out if change.compared else words.all_left_out).format(most=notation.count(MOST))


def _parts(change: Changed, words: TreeWords, notation: Notation) -> list[str]:
    if change.mix is None:
        return []
    found = []
    for sentence, part in ((words.within, change.mix.within), (words.mix, change.mix.mix)):
        interval = notation.interval(part.low, part.high)
        found.append(sentence.format(points=notation.points(part.points, 1), interval=interval))
    moved = change.mix.moved
    if change.mix.is_clear and moved.path:
        shares = {"before": notation.percent(moved.before), "after": notation.percent(moved.after)}
        found.append(words.moved.format(name=notation.name(moved.path), **shares))
    return found


def _moved(mover: Mover, choice: Chosen, words: TreeWords, notation: Notation) -> Moved:
    sentence = (words.mover_rose if mover.direction > 0 else words.mover_fell).format(
        before=notation.points(mover.before.nps),
        after=notation.points(mover.after.nps),
        **notation.ends(mover.low, mover.high),
    )
    name = notation.name_below(mover.path, choice.path)
    return Moved(name, address_of("/", choice.query, segment=mover.path), sentence)
