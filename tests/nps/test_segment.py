"""A segment's windows equal a recount of what was answered, whatever way it came."""

import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nps.making import entries

from worker.nps import latest
from worker.nps.latest import CountedAnswer
from worker.nps.segment import Entries, Move, Segment
from worker.nps.windows import ALL, LAST, LAST_N

HOUR, DAY = 3_600_000, 86_400_000
WINDOWS = {"24h": (HOUR, 24), "7d": (DAY, 7), "30d": (DAY, 30), "90d": (DAY, 90), "365d": (DAY, 365)}

#: Where an answer can stand: in one of two sibling segments, or in none (it became a test answer).
PLACES = ("left", "right", None)
Steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # source
        st.integers(0, 12),  # which answer: one that is there already is revised
        st.sampled_from(PLACES),
        st.integers(0, 450 * 24).map(lambda hours: hours * HOUR + hours % 3),  # when it was given
        st.integers(0, 10),
    ),
    max_size=40,
)


def entry(offset: int, taken: CountedAnswer | None, put: CountedAnswer | None) -> Entries:
    """Return one response's entry."""
    return entries(moves=[Move(offset, taken, put)]) if taken or not put else entries([offset, *put])


class World:
    """Segments as the worker keeps them, and the plain list of what was answered."""

    def __init__(self, last_n: int = LAST_N) -> None:
        self.last_n = last_n
        self.segments: dict[str, Segment] = {path: Segment() for path in ("root", "left", "right")}
        self.log: list[tuple[str, int, Entries]] = []
        self.offsets: dict[int, int] = defaultdict(int)
        self.answers: dict[int, tuple[str, CountedAnswer]] = {}
        self.newest: dict[str, int] = {}

    def answer(self, source: int, number: int, place: str | None, at: int, score: int) -> None:
        """Give or revise an answer: one entry for each segment concerned."""
        before = self.answers.pop(number, None)
        after = None if place is None else (place, CountedAnswer(at, number, score))
        offset = self.offsets[source]
        self.offsets[source] += 1 + number % 2  # offsets need not be dense
        for path in self.segments:
            taken = before[1] if before and path in {"root", before[0]} else None
            put = after[1] if after and path in {"root", after[0]} else None
            if taken or put:
                message = entry(offset, taken, put)
                self.log.append((path, source, message))
                assert self.segments[path].count({source: [message]})
            if put:
                self.newest[path] = max(self.newest.get(path, 0), put.at)
        if after:
            self.answers[number] = after

    def replay(self, since: int) -> None:
        """Deliver entries again, as after a crash."""
        for path, source, message in self.log[since:]:
            assert not self.segments[path].count({source: [message]})

    def restart(self) -> None:
        """Write the rows and read them back."""
        for path, segment in self.segments.items():
            row = msgspec.msgpack.encode(segment)
            self.segments[path] = msgspec.msgpack.decode(row, type=Segment)
            assert segment == self.segments[path]

    def check(self) -> None:
        """Compare every window with a recount."""
        for path, segment in self.segments.items():
            there = sorted(given for place, given in self.answers.values() if path in {"root", place})
            expected = {ALL: bins(there), LAST: bins(there[-self.last_n :])}
            for name, (unit, length) in WINDOWS.items():
                newest = self.newest.get(path, 0) // unit
                expected[name] = bins([given for given in there if newest - given.at // unit < length])
            assert expected == segment.windows(), path


def bins(answers: list[CountedAnswer]) -> list[int]:
    return [sum(answer.score == score for answer in answers) for score in range(11)]


@pytest.mark.unmeasured
@given(Steps, st.data())
def test_windows_equal_a_recount_under_revisions_replays_and_restarts(
    steps: list[tuple[int, int, str | None, int, int]], data: st.DataObject
) -> None:
    world = World()
    for step in steps:
        world.answer(*step)
        if data.draw(st.booleans(), label="replay") and world.log:
            world.replay(data.draw(st.integers(0, len(world.log) - 1), label="since"))
        if data.draw(st.booleans(), label="restart"):
            world.restart()
        world.check()


@pytest.mark.unmeasured
@given(Steps, st.data())
def test_the_last_answers_are_exact_while_no_more_than_the_spare_moved_away(
    steps: list[tuple[int, int, str | None, int, int]], data: st.DataObject
) -> None:
    """With a window of six and a spare of five, so that a short list of steps fills it and moves answers out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latest, "LAST_N", 6)
        patch.setattr(latest, "SPARE", 5)
        world, revisions = World(last_n=6), 0
        for source, number, place, at, score in steps:
            is_revision = number in world.answers and data.draw(st.booleans(), label="revise") and revisions < 5
            revisions += is_revision
            world.answer(source, number if is_revision else 100 + len(world.log), place, at, score)
            world.check()


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(3))
def test_two_thousand_answers_of_which_some_are_corrected_equal_a_recount(seed: int) -> None:
    chance, world = random.Random(seed), World()
    for number in range(2_000):
        late = chance.expovariate(1 / (2 * DAY)) if chance.random() < 0.1 else 0
        at = max(0, 90 * DAY + number * HOUR - int(late))
        world.answer(chance.randrange(3), number, chance.choice(("left", "right")), at, chance.randrange(11))
        if chance.random() < 0.05:
            again = chance.randrange(number + 1)
            place, given_before = world.answers[again]
            # A correction of the score keeps place and time; it takes nobody's room.
            world.answer(chance.randrange(3), again, place, given_before.at, chance.randrange(11))
        if number % 250 == 0:
            world.replay(max(0, len(world.log) - 300))
            world.restart()
            world.check()
    world.check()


def test_an_answer_that_moves_to_another_segment_and_back_is_where_it_was() -> None:
    world = World()
    for number in range(150):
        world.answer(0, number, "left", number * HOUR, number % 11)
    before = {path: segment.windows() for path, segment in world.segments.items()}
    world.answer(1, 120, "right", 120 * HOUR, 10)
    world.answer(0, 120, "left", 120 * HOUR, 120 % 11)

    world.check()
    assert before["left"] == world.segments["left"].windows()
    assert before["root"] == world.segments["root"].windows()


@pytest.mark.unmeasured
@given(st.permutations(list(range(30))), st.data())
def test_the_order_in_which_sources_interleave_makes_no_difference(order: list[int], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, 100 * DAY), min_size=30, max_size=30))
    one, other = Segment(), Segment()
    for number in range(30):
        one.count({number: [entry(0, None, CountedAnswer(at[number], number, number % 11))]})
    for number in order:
        other.count({number: [entry(0, None, CountedAnswer(at[number], number, number % 11))]})

    assert one.windows() == other.windows()


def test_a_source_knows_nothing_of_the_others_marks() -> None:
    segment = Segment()
    message = entry(7, None, CountedAnswer(0, 1, 10))

    assert [True, False, True, False] == [segment.count({source: [message]}) for source in (1, 1, 2, 2)]
    assert segment.marks == {1: 7, 2: 7}
    assert segment.total[10] == 2


def test_an_entry_with_a_lower_offset_than_the_mark_is_a_replay_too() -> None:
    segment = Segment()
    segment.count({0: [entry(7, None, CountedAnswer(0, 1, 10))]})

    assert not segment.count({0: [entry(3, None, CountedAnswer(0, 2, 10))]})
    assert segment.total[10] == 1


def test_children_add_up_to_their_parent() -> None:
    chance, world = random.Random(4), World()
    for number in range(500):
        world.answer(0, chance.randrange(300), chance.choice(PLACES), number * HOUR, chance.randrange(11))
    left, right, root = (world.segments[path].total for path in ("left", "right", "root"))

    assert [a + b for a, b in zip(left, right, strict=True)] == root


@pytest.mark.unmeasured
@given(Steps, st.data())
def test_entries_in_any_batches_repeated_or_not_give_the_same_windows(
    steps: list[tuple[int, int, str | None, int, int]], data: st.DataObject
) -> None:
    world = World()
    for step in steps:
        world.answer(0, *step[1:])
    log = [message for path, _, message in world.log if path == "root"]
    segment, done = Segment(), 0
    while done < len(log):
        first = data.draw(st.integers(0, done), label="first")
        end = data.draw(st.integers(done + 1, len(log)), label="end")
        batch = log[first:end]
        put = [message for message in batch if message.put]
        data.draw(st.randoms(), label="order").shuffle(put)
        together = [*put, *(message for message in batch if message.moves)]
        together += together[: data.draw(st.integers(0, len(together)), label="again")]
        assert segment.count({0: together})
        assert not segment.count({0: together})
        done = end

    assert world.segments["root"].windows() == segment.windows()
