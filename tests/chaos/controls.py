"""Negative controls: six bugs, put in on purpose. A harness that does not find one of them proves nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from chaos.faults import judging
from chaos.faults.judging import BETWEEN_ROWS, Shop
from chaos.ground import Ground
from chaos.saboteur import PAUSE, RAISE, WATCHES_SENT
from chaos.world import PATIENCE_SECONDS, NotHealed, Worker, World, patience

_PORTION = 120
_TRIES = 3
_ENOUGH_SECONDS = 15.0
_PAUSE_SECONDS = 8.0


class Control(NamedTuple):
    """A bug, what has to happen for it to do harm, which invariants it breaks, and in what kind of world."""

    bug: str
    provoke: Callable[[World, Worker], Awaitable[None]]
    breaks: tuple[str, ...]
    world: Callable[[Ground, str], contextlib.AbstractAsyncContextManager[World]] = Ground.world


async def missed(ground: Ground, control: Control) -> str | None:
    """Return None if the harness finds the bug, by one of the invariants that it breaks; else what was seen instead."""
    async with control.world(ground, "") as world:
        wrong: list[str] = []
        for _ in range(_TRIES):
            wrong += await _wrong(world, control, CHAOS_BUG=control.bug)
            hit = [line for line in wrong if line.startswith(control.breaks)]
            if hit:
                ground.say(f"control {control.bug}: red ({hit[0]})")
                return None
    missed = f"control {control.bug}, seed {ground.seed}: GREEN, the harness has not found it; it saw {wrong}"
    ground.say(missed)
    return missed


async def without_bugs(ground: Ground, trials: int) -> None:
    """Do the same with a worker that has none of the bugs: nothing may be wrong then."""
    for number, control in enumerate(CONTROLS[:trials]):
        async with control.world(ground, f"{number}") as world, ground.trial(number) as trial:
            trial.wrong += await _wrong(world, control)


async def _wrong(world: World, control: Control, **env: str) -> list[str]:
    """Return what is wrong after the bug was provoked."""
    worker = world.worker(**env)
    await worker.start()
    try:
        await worker.ready()
        await control.provoke(world, worker)
        # A worker that stops by itself is started again, once: it may have found its state lost.
        caught_up, ended = (asyncio.create_task(work) for work in (world.caught_up(), worker.died()))
        await asyncio.wait([caught_up, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await worker.start()
            ended = asyncio.create_task(worker.died())
            await asyncio.wait([caught_up, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            caught_up.cancel()
        else:
            ended.cancel()
            await caught_up
        await asyncio.gather(caught_up, ended, return_exceptions=True)
    except NotHealed as error:
        return [str(error), *(await world.check()).wrong]
    found = (await world.check()).wrong
    await worker.kill()
    return found


async def _work(world: World, worker: Worker) -> None:
    del worker
    await world.feed_some(_PORTION)


async def _crash_with_a_batch_in_hand(world: World, worker: Worker) -> None:
    """Let a batch wait with its outputs sent, for longer than commits take; then kill the worker."""
    worker.told("outputs_acked", 2, PAUSE, _PAUSE_SECONDS)
    await world.feed_some(_PORTION)
    with contextlib.suppress(NotHealed):
        async with patience("offsets to be committed too early", _PAUSE_SECONDS / 2):
            while not await world.is_committed("responses"):  # noqa: ASYNC110 - the broker's offsets raise no event
                await asyncio.sleep(0.05)
    await worker.kill()
    await worker.start()


async def _raise_once(world: World, worker: Worker) -> None:
    worker.told("validated", 3, RAISE)
    await world.feed_some(_PORTION)


async def _restart_when_all_is_mailed(world: World, worker: Worker) -> None:
    await world.feed_some(_PORTION)
    await world.caught_up()
    before = world.inbox.accepted
    await worker.kill()
    await worker.start()
    await worker.ready()
    # Without the bug they do not come, and somebody has to say when that is certain.
    seconds = PATIENCE_SECONDS if worker.has_bug else _ENOUGH_SECONDS
    with contextlib.suppress(NotHealed):
        async with patience("every mail a second time", seconds):
            await world.inbox.wait_for(2 * before)


async def _crash_in_a_judgement(world: World, worker: Worker) -> None:
    """Kill the worker when one of the two desks that fell is written down, and the other is not."""
    shop = Shop(world, _TRIES)
    await shop.open()
    await shop.fall()
    worker.told(WATCHES_SENT, BETWEEN_ROWS, "SIGKILL")
    await world.tick_to_death(worker, shop.now)
    await worker.start()


CONTROLS = (
    Control("dedup_off", _work, ("I1",)),
    Control("commit_before_flush", _crash_with_a_batch_in_hand, ("I5", "I1")),
    Control("exception_swallowed", _raise_once, ("I1", "I2")),
    Control("no_delivery_log", _restart_when_all_is_mailed, ("I3",)),
    Control("autoescape_off", _work, ("I3",)),
    Control("rows_torn", _crash_in_a_judgement, ("I6",), judging.world),
)
#: Those of the short form.
QUICK = ("dedup_off", "no_delivery_log")
