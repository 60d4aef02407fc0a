"""Desks turn bad and good again, and the worker is killed while the tree is judged: its rows change together.

They are few here, so produce batches are made small: what a judgement changes needs several, as with thousands of
segments.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random

from chaos.fault_context import FaultContext, Trial
from chaos.saboteur import WATCHES_SENT
from chaos.world import Worker, World
from integration.sampling import Published
from integration.topics import create

#: A row or two to a produce batch.
_ENV = {"CHAOS_PRODUCE_BYTES": "1000", "CHAOS_NO_TICKS": "yes"}
_DESKS = ("a", "b", "c", "d", "e")
_BAD = ("b", "d")
#: Answers of a desk: until its level is known, which takes two weeks; while it is bad; until it is surely as before.
_KNOWN, _BADLY, _AGAIN = 260, 100, 300
_EVERY = timedelta(minutes=80)
_FALLEN = [3, 8, 0, 7, 10, 8, 5, 2, 7, 6]
_USUAL = [10, 8, 10, 7, 9, 8, 10, 10, 7, 9]
_HEALED_SECONDS = 15.0
#: A judgement of a new shop is written in about so many produce batches.
_SENDS = 24
#: When so many are sent, the first desk that fell is written down, row by row, and the second is not.
BETWEEN_ROWS = 6


@asynccontextmanager
async def world(context: FaultContext, name: str = "") -> AsyncIterator[World]:
    """Make a world for shops.

    Their weeks come at once: with one partition, in their order. The worker's own ticks say what time it is now, so the
    harness makes them, and the broker does not stamp them.
    """
    async with context.world(name, partitions=1, **_ENV) as made:
        as_sent = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        await create(made.kafka, f"{made.name}.tallies", made.partitions, as_sent)
        yield made


class Shop:
    """The next shop of a world in which there are so many, each with desks that answer for four weeks."""

    def __init__(self, world: World, count: int) -> None:
        self._world = world
        self.name = f"shop-{len(world.published)}"
        self.now = datetime.now(UTC) - count * (_KNOWN + _BADLY + _AGAIN) * _EVERY
        if world.published and (last := world.published[-1].event):
            self.now = datetime.fromisoformat(last["responded_at"]) + _EVERY

    async def open(self) -> None:
        """Let every desk's level be known."""
        await self._answer(_KNOWN)

    async def fall(self) -> None:
        """Let two of its desks turn bad."""
        await self._answer(_BADLY, _BAD)

    async def rise(self) -> None:
        """Let them be as before."""
        await self._answer(_AGAIN)

    async def _answer(self, count: int, bad: tuple[str, ...] = ()) -> None:
        times = [self.now + place * _EVERY for place in range(count)]
        await self._world.publish(
            [
                _answer(self.name, desk, when.isoformat(), place, fallen=desk in bad)
                for place, when in enumerate(times)
                for desk in _DESKS
            ]
        )
        await self._world.caught_up()
        self.now += count * _EVERY


def _answer(shop: str, desk: str, when: str, place: int, *, fallen: bool) -> Published:
    number = f"{shop}-{desk}-{when}"
    event = {
        "response_id": number,
        "survey_id": "s",
        "customer_id": number,
        "score": (_FALLEN if fallen else _USUAL)[place % 10],
        "responded_at": when,
        "segment": [shop, desk],
    }
    return Published(number.encode(), json.dumps(event).encode(), [], event)


async def run(context: FaultContext, trials: int) -> None:
    """Kill once where two drops are told, and once where they are over."""
    async with world(context) as made:
        worker = await made.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                await _fall_and_rise(made, worker, Shop(made, trials), context.rng(number), trial)
            if trial.wrong:
                return


async def _fall_and_rise(world: World, worker: Worker, shop: Shop, rng: Random, trial: Trial) -> None:
    await shop.open()
    for turn, action in ((shop.fall, "opened"), (shop.rise, "resolved")):
        await turn()
        worker.told(WATCHES_SENT, rng.randrange(1, _SENDS), "SIGKILL", rng.choice([0.0, rng.uniform(0, 0.003)]))
        await world.tick_to_death(worker, shop.now)
        await trial.heal(world, worker, _HEALED_SECONDS)
        await world.tick(shop.now)
        await world.caught_up()
        trial.take(await world.check())
        trial.take(await world.check_incidents())
        trial.expect(f"drops {action}", await world.drops(shop.name, action), {f"{shop.name}/{desk}" for desk in _BAD})
