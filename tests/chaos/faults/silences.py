"""A worker is killed at each step of a silence: as it begins, as it holds notices back, and as it ends.

The roles are in two workers, and the one that sends is killed, so that a silence can end while nobody sends. At the
steps of the commands, one worker has all roles.
"""

import asyncio
import random
from collections.abc import Iterable
from enum import Enum, auto

from chaos import closed_loop
from chaos.closed_loop import ClosedLoop, lines, now
from chaos.fault_context import FaultContext, Trial
from chaos.invariants import Event
from chaos.saboteur import PAUSE
from chaos.silence_steps import DECIDED, FOLLOWED, HELD, OVER, READ, WRITTEN
from chaos.silenced import Silence
from chaos.world import Worker, World, patience

_WORKING_AGAIN_SECONDS = 20.0
_PORTION, _COMMANDS = 12, 3
#: What is silenced: somebody works there at all hours.
_SEGMENTS = ("fr", "fr", "uk/a")
#: How long silences last that somebody ends before, and what is left of one that is shortened, in seconds.
_LONG_SECONDS, _SHORT_SECONDS = 3_600.0, 2.0
#: How long the reading of the silences takes in some trials, in seconds: much longer than a take-over of partitions.
READING_SECONDS = 12.0
_READ_LATE = 0.3
#: Two silences, one within the other; how often the worker is killed meanwhile, and at which steps in turn; and the
#: steps at which it is killed as one of them ends. What that one has held back may have to wait for the other one then.
_WITHIN, _KILLS = ("fr", "fr/a"), 2
_AMONG_TIMERS = (*HELD, "escalation_due", "reminder_planned", "mail_accepted")
_AS_ONE_ENDS = OVER[:-1]
#: A step is reached for so many times at most until the worker is killed.
_MOST = 4
#: How often a command has the key of another one.
_MISKEYED = 0.3


class _When(Enum):
    """When the worker is killed."""

    BEGIN = auto()
    HELD = auto()
    END = auto()


async def killed(context: FaultContext, step: str, trials: int) -> None:
    """Kill at the step, go on until the silence is over, and compare."""
    async with closed_loop.world(context) as world:
        has_all_roles = step in {DECIDED, WRITTEN}
        if not has_all_roles:
            await world.begin("process")
        worker = await world.begin("all" if has_all_roles else "notify")
        assert world.loop is not None
        for number in range(trials):
            async with context.trial(number) as trial:
                scene = _Scene(trial, world, world.loop, worker, context.rng(number))
                await scene.play(step, _when(step, number))
            if trial.wrong:
                return


async def among_timers(context: FaultContext, trials: int) -> None:
    """Kill several times while one silence lies within another, and time limits pass."""
    async with closed_loop.world(context, timed=True) as world:
        worker = await world.begin()
        assert world.loop is not None
        for number in range(trials):
            async with context.trial(number) as trial:
                scene = _Scene(trial, world, world.loop, worker, context.rng(number))
                await scene.play_two([_AMONG_TIMERS[(number + kill) % len(_AMONG_TIMERS)] for kill in range(_KILLS)])
            if trial.wrong:
                return


def _when(step: str, number: int) -> _When:
    if step in HELD:
        return _When.HELD
    return _When.BEGIN if step in {DECIDED, WRITTEN, FOLLOWED} and number % 2 == 0 else _When.END


class _Scene:
    """A silence from its begin to its end, and the worker that is killed meanwhile."""

    def __init__(self, trial: Trial, world: World, loop: ClosedLoop, worker: Worker, rng: random.Random) -> None:
        self._trial = trial
        self._world = world
        self._loop = loop
        self._worker = worker
        self._rng = rng

    async def play(self, step: str, when: _When) -> None:
        """Let the silence begin, hold notices back and end, with the worker killed at a step."""
        world, worker, rng = self._world, self._worker, self._rng
        await self._feed()  # some of it is on its way when the silence begins
        if when is _When.BEGIN:
            worker.told(step, 1, "SIGKILL")
        key = b"shop-till-7" if rng.random() < _MISKEYED else None
        silence, added = await self._loop.silence(world, rng.choice(_SEGMENTS), _LONG_SECONDS, key)
        if when is _When.BEGIN:
            await self._killed()
        await self._loop.known(worker, silence)
        if when is _When.HELD:
            await self._killed_while_holding(silence, step)
        if silence.over_at > now():
            await self._until_held(silence)
            silence.settled_at = now()
            if when is _When.END:
                worker.told(step, 1, "SIGKILL")
            await self._end(silence)
            if when is _When.END:
                await self._killed()
        await self._loop.known(worker, silence)
        await self._loop.command(world, added)  # it comes again, and changes nothing
        await self._feed()
        await world.caught_up()
        self._trial.take(await world.check())

    async def play_two(self, steps: Iterable[str]) -> None:
        """Let two silences hold notices back and end, one within the other, with the worker killed at these steps."""
        world, worker = self._world, self._worker
        await self._feed()
        silences = [(await self._loop.silence(world, segment, _LONG_SECONDS))[0] for segment in _WITHIN]
        for silence in silences:
            await self._loop.known(worker, silence)
        for step in steps:
            worker.told(step, self._rng.randrange(1, _MOST + 1), "SIGKILL")
            await world.feed_to_death(worker, _PORTION, commands=_COMMANDS)
            await self._start()
        self._rng.shuffle(silences)
        for silence in silences:
            await self._until_held(silence)
            silence.settled_at = now()
            worker.told(self._rng.choice(_AS_ONE_ENDS), 1, "SIGKILL")
            await self._end(silence)
            await self._killed()
            await self._loop.known(worker, silence)
        await self._feed()
        await world.caught_up()
        self._trial.take(await world.check())

    async def _until_held(self, silence: Silence) -> None:
        """Publish until a silence holds a mail back, and everything is decided."""
        async with patience(f"something that {silence.silence_id} holds back"):
            while True:
                await self._feed(2)
                await self._world.caught_up()
                if self._holds(await self._world.events("deliveries"), silence):
                    return

    @staticmethod
    def _holds(log: Iterable[Event], silence: Silence) -> bool:
        last = {line["delivery_id"]: line for line in lines(log) if line["channel"] == "email"}
        waiting = [line for line in last.values() if line["status"] == "deferred" and line["digest_id"]]
        return any(line["silence_id"] == silence.silence_id for line in waiting)

    async def _killed_while_holding(self, silence: Silence, step: str) -> None:
        """Kill the worker as notices are held back. In two of three trials, the silence is over before it is back."""
        self._worker.told(step, self._rng.randrange(1, _MOST + 1), "SIGKILL")
        await self._world.feed_to_death(self._worker, _PORTION, commands=_COMMANDS)
        how = self._rng.randrange(3)
        if how == 0:
            await self._end(silence)
            await self._loop.published(self._world, silence)
        elif how == 1:
            await self._loop.command(self._world, silence.shorten(now() + int(_SHORT_SECONDS * 1_000)))
            await self._loop.published(self._world, silence)
            await asyncio.sleep(_SHORT_SECONDS)
        await self._start()

    async def _killed(self) -> None:
        """Wait until the worker has died, publish something, and start it again."""
        await self._worker.died()
        await self._feed()
        await self._start()

    async def _start(self) -> None:
        bound = _WORKING_AGAIN_SECONDS
        if self._rng.random() < _READ_LATE:
            self._worker.told(READ, 1, PAUSE, READING_SECONDS)
            bound += READING_SECONDS
        with self._trial.healing(bound):
            await self._worker.start()
            await self._worker.ready()
            await self._world.committed()

    async def _feed(self, times: int = 1) -> None:
        await self._world.feed_some(times * _PORTION, commands=_COMMANDS)

    async def _end(self, silence: Silence) -> None:
        await self._loop.command(self._world, silence.end(now()))
