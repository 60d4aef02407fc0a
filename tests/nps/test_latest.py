"""The last answers are those given last, in whatever order they arrive."""

import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.nps import columns
from worker.nps import latest as module
from worker.nps.latest import SPARE, CountedAnswer, Latest
from worker.nps.windows import LAST_N

ROOM = LAST_N + SPARE


def put(latest: Latest, answer: CountedAnswer) -> None:
    latest.change([answer], [])


def take(latest: Latest, answer: CountedAnswer) -> None:
    latest.change([], [answer])


def arrive(answers: Iterable[CountedAnswer]) -> Latest:
    latest = Latest()
    for answer in answers:
        put(latest, answer)
    return latest


def held(latest: Latest) -> list[CountedAnswer]:
    return list(map(CountedAnswer, columns.read(latest.at), columns.read(latest.id_hash), latest.score))


def bins(answers: Iterable[CountedAnswer]) -> list[int]:
    """Recount: the scores of the newest LAST_N."""
    newest = sorted(answers, key=lambda answer: (answer.at, answer.id_hash))[-LAST_N:]
    return [sum(answer.score == score for answer in newest) for score in range(11)]


def answers(n: int, seed: int = 0) -> list[CountedAnswer]:
    """Return n answers, several at the same time, in the order they were given."""
    chance = random.Random(seed)
    return sorted(CountedAnswer(chance.randrange(n), number, chance.randrange(11)) for number in range(n))


@pytest.mark.parametrize("n", [0, 1, LAST_N - 1, LAST_N, LAST_N + 1, ROOM, ROOM + 1, 3 * ROOM])
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_makes_no_difference(n: int, seed: int) -> None:
    given_answers = answers(n, seed)
    shuffled = random.Random(seed).sample(given_answers, n)

    assert arrive(given_answers) == arrive(shuffled)
    assert bins(given_answers) == arrive(shuffled).histogram()


def test_ties_are_broken_by_the_answers_id() -> None:
    tied = [CountedAnswer(7, number, number % 11) for number in range(3 * ROOM)]

    assert tied[-ROOM:] == held(arrive(reversed(tied)))


def test_what_is_older_than_what_fell_off_does_not_slip_in_after_a_correction_made_room() -> None:
    kept = arrive(CountedAnswer(at, at, 5) for at in range(1, ROOM + 11))
    take(kept, CountedAnswer(ROOM + 10, ROOM + 10, 5))

    put(kept, CountedAnswer(0, 0, 0))

    assert kept.floor == (10, 10)
    assert held(kept)[0] == CountedAnswer(11, 11, 5)


def test_what_fell_off_is_not_there_to_be_taken() -> None:
    kept = arrive(CountedAnswer(at, at, 5) for at in range(ROOM + 1))
    before = held(kept)

    take(kept, CountedAnswer(0, 0, 5))

    assert before == held(kept)


def test_only_the_very_answer_is_taken() -> None:
    kept = arrive([CountedAnswer(5, 1, 3), CountedAnswer(5, 2, 3)])

    take(kept, CountedAnswer(5, 1, 4))
    take(kept, CountedAnswer(5, 2, 3))

    assert held(kept) == [CountedAnswer(5, 1, 3)]


def test_as_many_as_the_spare_may_move_away_and_the_window_stays_full_and_right() -> None:
    given_answers = answers(5 * ROOM)
    kept = arrive(given_answers)
    moved = random.Random(1).sample(given_answers[-LAST_N:], SPARE)
    for answer in moved:
        take(kept, answer)

    assert bins(set(given_answers) - set(moved)) == kept.histogram()


def test_one_more_than_the_spare_leaves_the_window_one_short_never_wrong() -> None:
    given_answers = answers(5 * ROOM)
    kept = arrive(given_answers)
    for answer in given_answers[-SPARE - 1 :]:
        take(kept, answer)

    assert LAST_N - 1 == sum(kept.histogram())
    assert given_answers[-ROOM : -SPARE - 1] == held(kept)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 10), st.booleans()), max_size=60))
def test_corrections_within_the_spare_are_exact(steps: list[tuple[int, int, int, bool]]) -> None:
    """The same with a window of six and a spare of four, so that a short list of steps reaches every edge."""
    kept = Latest()
    there: set[CountedAnswer] = set()
    moved = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LAST_N", 6)
        patch.setattr(module, "SPARE", 4)
        for number, (at, _, score, goes) in enumerate(steps):
            if goes and there and moved < 4:
                answer = sorted(there)[at % len(there)]
                there.discard(answer)
                take(kept, answer)
                moved += 1
            else:
                answer = CountedAnswer(at, number, score)
                there.add(answer)
                put(kept, answer)
            newest = sorted(there)[-6:]
            assert [sum(a.score == s for a in newest) for s in range(11)] == kept.histogram()


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 10)), max_size=300), st.data())
def test_many_at_once_are_as_one_after_the_other(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    given_answers = [CountedAnswer(at, number, score) for number, (at, score) in enumerate(steps)]
    kept = Latest()
    rest = given_answers
    while rest:
        size = data.draw(st.integers(1, len(rest)), label="batch")
        kept.change(rest[:size], [])
        rest = rest[size:]

    assert arrive(given_answers) == kept


@pytest.mark.parametrize("seed", range(3))
def test_it_is_full_and_right_after_many_corrections_and_withdrawals(seed: int) -> None:
    """Many scores are corrected, which takes nothing away, and 90 of the newest answers are withdrawn or moved."""
    chance = random.Random(seed)
    known = answers(600, seed)
    kept = arrive(known)
    for _ in range(300):
        old = known.pop(chance.randrange(len(known) - LAST_N, len(known)))
        new = old._replace(score=chance.randrange(11))
        kept.change([new], [old])
        known = sorted([*known, new])
    for _ in range(90):
        take(kept, known.pop(chance.randrange(len(known) - LAST_N, len(known))))
        assert bins(known) == kept.histogram()

    assert sum(kept.histogram()) == LAST_N


def test_new_answers_fill_the_reserve_again() -> None:
    known = answers(500)
    kept = arrive(known)
    for number in range(6):
        for _ in range(SPARE):
            take(kept, known.pop())
        for place in range(SPARE):
            known.append(CountedAnswer(500 + number, 1_000 + place, place % 11))
            put(kept, known[-1])
        known.sort()
        assert bins(known) == kept.histogram()


def test_a_row_with_a_smaller_reserve_is_read_and_fills_up() -> None:
    known = answers(500)
    old = arrive(known[-128:])
    old.floor = known[-129][:2]
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Latest)
    more = [CountedAnswer(1_000 + number, number, number % 11) for number in range(ROOM)]

    for answer in more[:50]:
        put(kept, answer)
    assert len(held(kept)) == 178
    assert bins([*known, *more[:50]]) == kept.histogram()
    for answer in more[50:]:
        put(kept, answer)
    assert more == held(kept)
