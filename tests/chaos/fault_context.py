"""Where a fault is tried: a Kafka, a folder, a seed; and where it writes down what came of each trial."""

import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chaos.invariants import Verdict
from chaos.world import NotHealed, Worker, World, world

#: How many of a trial's violations are shown at once; the first ones tell the most.
_SHOWN = 5
#: Longer than every time-out of the libraries, and than a connection may be idle.
IDLE_MINUTES = 15.0


@dataclass
class Trial:
    """One trial of a fault, or `weight` of them at once. `seconds`: how long healing took, at most `bound` allowed.

    `last_words`: what the workers said last, if something is wrong.
    """

    fault: str
    number: int
    wrong: list[str] = field(default_factory=list)
    seconds: float | None = None
    bound: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    weight: int = 1
    last_words: list[str] = field(default_factory=list)

    def take(self, verdict: Verdict) -> None:
        """Take over what a check has found."""
        self.wrong += verdict.wrong
        self.figures |= verdict.figures

    def expect(self, what: str, found: Any, expected: Any) -> None:
        """Note it if something is not as it should be."""
        if found != expected:
            self.wrong.append(f"{what}: {found}, expected {expected}")

    @contextmanager
    def healing(self, bound: float) -> Iterator[None]:
        """Measure how long healing takes; `bound` in seconds."""
        began, self.bound = time.monotonic(), bound
        yield
        self.seconds = time.monotonic() - began

    async def heal(self, world: World, worker: Worker, bound: float, *, unwatched: Collection[bytes] = ()) -> None:
        """Start a worker again, measure how long it takes until all is done, and check it as `World.check` does."""
        with self.healing(bound):
            await worker.start()
            await worker.ready()
            await world.caught_up()
        self.take(await world.check(unwatched=unwatched))

    def account(self, seed: int) -> str:
        """Return what is wrong, in which trial and with which seed, and what the workers said last."""
        first = f"{self.fault}, trial {self.number + 1}, seed {seed}: {'; '.join(self.wrong[:_SHOWN])}"
        more = [f"and {len(self.wrong) - _SHOWN} more"] if len(self.wrong) > _SHOWN else []
        return "\n    ".join([first, *more, *self.last_words])

    @property
    def is_late(self) -> bool:
        """Whether healing took longer than it should."""
        return self.seconds is not None and self.bound is not None and self.seconds > self.bound


@dataclass
class FaultContext:
    """What one fault is tried with. `quick`: the short form, for `make test`; `idle_minutes`: how long a worker idles.

    `bug`: what its workers have wrong with them, on purpose (saboteur.BUGS).
    """

    fault: str
    kafka: str
    folder: Path
    seed: int
    say: Callable[[str], None]
    quick: bool = False
    idle_minutes: float = IDLE_MINUTES
    bug: str | None = None
    trials: list[Trial] = field(default_factory=list)
    #: The names of the worlds that were made, also in parts.
    worlds: list[str] = field(default_factory=list)
    _world: World | None = None
    _part: "FaultContext | None" = None

    def rng(self, number: int) -> random.Random:
        """Return the chance of one trial, the same at each run with this seed."""
        return random.Random(f"{self.seed}-{self.fault}-{number}")

    def part(self, name: str, bug: str | None = None) -> "FaultContext":
        """Return a context of its own for a part of what is tried here, with a bug or without. It prints nothing."""
        fault = f"{self.fault}-{name}"
        part = replace(self, fault=fault, bug=bug, say=lambda _: None, trials=[], _world=None, _part=None)
        self._part = part
        return part

    @asynccontextmanager
    async def world(self, name: str = "", *, kafka: str | None = None, **options: Any) -> AsyncIterator[World]:
        """Make a world under a name of its own."""
        full = "-".join(filter(None, (self.fault.replace("_", "-"), name)))
        self.worlds.append(full)
        if self.bug is not None:
            options["CHAOS_BUG"] = self.bug
        async with world(full, kafka or self.kafka, self.folder, seed=f"{self.seed}-{full}", **options) as self._world:
            yield self._world

    @asynccontextmanager
    async def trial(self, number: int) -> AsyncIterator[Trial]:
        """Try once; what does not heal is a violation. Not to go on after one is the caller's decision."""
        trial = Trial(self.fault, number)
        try:
            yield trial
        except NotHealed as error:
            trial.wrong.append(str(error))
        self.trials.append(trial)
        took = "" if trial.seconds is None else f", healed in {trial.seconds:.1f} s"
        self.say(f"{self.fault} {number + 1}: {'; '.join(trial.wrong[:_SHOWN]) or 'fine'}{took}")
        if trial.wrong:
            trial.last_words = self.last_words()
            for line in trial.last_words:
                self.say(f"    {line}")

    async def found(self) -> list[str]:
        """Return what was wrong in the trials, and then what is wrong with the last world, if anything was."""
        wrong = [line for trial in self.trials for line in trial.wrong]
        return [*wrong, *(await self._world.check()).wrong] if wrong and self._world is not None else wrong

    def last_words(self) -> list[str]:
        """Return what the workers said last."""
        if self._part is not None:
            return self._part.last_words()
        return [] if self._world is None else self._world.last_words()
