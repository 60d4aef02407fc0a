import asyncio

import pytest

from worker.roles.rounds import Rounds

LONG = 1_000.0
#: The part that most tests join with, another one, and one whose work waits for a gate of its own.
PART, OTHER, HELD = 1, 2, 3


class Work:
    """Counts how often it was done; a closed gate holds it up."""

    def __init__(self) -> None:
        self.begun = self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, part: int) -> None:
        self.begun += 1
        if part == HELD:
            await self.held.wait()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.done += 1


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_that_join_while_a_round_rests_share_its_work() -> None:
    work = Work()
    rounds = Rounds(work, LONG)
    joined = [asyncio.create_task(rounds.join(PART)) for _ in range(5)]
    await turn()
    assert work.begun == 0

    rounds.begin()
    await asyncio.gather(*joined)
    assert work.done == 1


async def test_a_round_begins_by_itself_after_its_rest() -> None:
    work = Work()
    rounds = Rounds(work, 0.001)
    await asyncio.gather(rounds.join(PART), rounds.join(PART))
    await rounds.join(PART)

    assert work.done == 2


async def test_if_many_join_a_round_begins_no_earlier_than_some_time_after_the_one_before() -> None:
    work = Work()
    rounds = Rounds(work, 0.0, LONG)
    await rounds.join(PART)
    joined = [asyncio.create_task(rounds.join(PART)) for _ in range(2)]
    await turn()
    assert work.done == 1, "the first one did not wait"

    rounds.begin()
    await asyncio.gather(*joined)
    assert work.done == 2


async def test_each_part_is_done_once_in_a_round_and_nobody_waits_for_another_part() -> None:
    work = Work()
    rounds = Rounds(work, LONG)
    held = asyncio.create_task(rounds.join(HELD))
    joined = [asyncio.create_task(rounds.join(part)) for part in (PART, OTHER, PART)]
    await turn()
    rounds.begin()
    await asyncio.gather(*joined)
    assert (work.begun, work.done, held.done()) == (3, 2, False)

    work.held.set()
    await held
    assert work.done == 3


async def test_a_round_begins_without_a_rest_if_one_that_joins_wants_it() -> None:
    work = Work()
    rounds = Rounds(work, LONG)
    await rounds.join(PART, at_once=True)
    joined = asyncio.create_task(rounds.join(PART))
    await turn()
    assert work.done == 1

    await rounds.join(OTHER, at_once=True)
    await joined
    assert work.done == 3


async def test_who_comes_while_the_work_is_done_joins_the_next_round_which_waits_for_the_end_of_that_work() -> None:
    work = Work()
    work.gate.clear()
    rounds = Rounds(work, 0.0)
    first = asyncio.create_task(rounds.join(PART))
    await turn()
    assert work.begun == 1
    # What the second one has left may be in the hands of the first work: it must not hear that it is done before.
    second = asyncio.create_task(rounds.join(PART, at_once=True))
    await turn()
    assert (work.begun, second.done()) == (1, False)
    other = asyncio.create_task(rounds.join(OTHER, at_once=True))
    await turn()
    assert (work.begun, other.done()) == (2, False)

    work.gate.set()
    await asyncio.gather(first, second, other)
    assert work.done == 3


async def test_a_round_that_nobody_has_joined_does_not_begin() -> None:
    work = Work()
    rounds = Rounds(work, LONG)
    rounds.begin()
    joined = asyncio.create_task(rounds.join(PART))
    await turn()

    assert work.begun == 0
    await rounds.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joined


async def test_one_that_is_cancelled_costs_the_others_nothing() -> None:
    work = Work()
    rounds = Rounds(work, LONG)
    cancelled, other = asyncio.create_task(rounds.join(PART)), asyncio.create_task(rounds.join(PART))
    await turn()
    cancelled.cancel()
    await turn()
    rounds.begin()
    await other

    assert cancelled.cancelled()
    assert work.done == 1


async def test_an_error_reaches_all_that_have_joined_and_the_next_round_works() -> None:
    work = Work()
    work.error = ValueError("no")
    rounds = Rounds(work, 0.0)
    found = await asyncio.gather(rounds.join(PART), rounds.join(PART), return_exceptions=True)
    assert [type(one) for one in found] == [ValueError, ValueError]

    work.error = None
    await rounds.join(PART)
    assert work.done == 1


@pytest.mark.parametrize("is_begun", [False, True])
async def test_cancelled_rounds_have_ended_and_others_can_begin(is_begun: bool) -> None:
    work = Work()
    work.gate.clear()
    rounds = Rounds(work, 0.0 if is_begun else LONG)
    joined = asyncio.create_task(rounds.join(PART))
    if is_begun:
        await turn()
    else:
        await asyncio.sleep(0)  # the round has not taken its first step
    await rounds.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joined
    assert work.done == 0

    work.gate.set()
    again = asyncio.create_task(rounds.join(PART))
    await asyncio.sleep(0)
    rounds.begin()
    await again
    assert work.done == 1
