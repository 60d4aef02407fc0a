"""Runs faults and controls, several at a time, and sums up."""

import asyncio
import json
import logging
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import controls
from chaos.controls import Control
from chaos.fault_context import IDLE_MINUTES, FaultContext, Trial
from chaos.plan import Fault
from integration import topics

from worker.embedded.kafka import EmbeddedKafka

#: How many faults are tried at the same time: most of it is waiting. With more of them healing takes longer, which the
#: short form only reports.
_SLOTS, _SLOTS_QUICK = 3, 5


@dataclass
class Asked:
    """What to run. `quick`: the short form, where times are reported and nothing more; `trials`: of each fault."""

    faults: Sequence[Fault]
    controls: Sequence[Control]
    seed: int
    quick: bool
    idle_minutes: float = IDLE_MINUTES
    trials: int | None = None


@dataclass
class Report:
    """What came of it. `red`: the controls that were found; `green`: the others, with what was seen instead."""

    asked: Asked
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    red: set[str] = field(default_factory=set)
    green: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def wrong(self, fault: str) -> int:
        """Return how many trials of a fault show a violation."""
        return sum(bool(trial.wrong) for trial in self.trials[fault]) + self._late(fault)

    def _late(self, fault: str) -> int:
        late = [trial for trial in self.trials[fault] if trial.is_late and not trial.wrong]
        return 0 if self.asked.quick else len(late)

    @property
    def violations(self) -> int:
        """All of them, those of the harness itself included."""
        return sum(map(self.wrong, self.trials)) + len(self.broken)

    @property
    def is_good(self) -> bool:
        """Whether nothing was violated, and every control was red."""
        return not self.violations and len(self.red) == len(self.asked.controls)

    def as_json(self) -> str:
        """Return the last line of the output."""
        counts = {fault: sum(trial.weight for trial in trials) for fault, trials in self.trials.items()}
        return json.dumps(
            {
                "violations": self.violations,
                "trials": counts,
                "controls_red": len(self.red),
                "controls": len(self.asked.controls),
            }
        )

    def as_table(self) -> str:
        """Return a table of trials and violations, in Markdown."""
        lines = ["| fault | trials | violations | healed, median and longest | allowed |", "|---|---|---|---|---|"]
        for fault, trials in self.trials.items():
            times = sorted(trial.seconds for trial in trials if trial.seconds is not None)
            healed = f"{times[len(times) // 2]:.1f} s, {times[-1]:.1f} s" if times else ""
            bound = next((f"{trial.bound:.0f} s" for trial in trials if trial.bound is not None), "")
            count = sum(trial.weight for trial in trials)
            lines.append(f"| {fault.replace('_', ' ')} | {count} | {self.wrong(fault)} | {healed} | {bound} |")
        return "\n".join(lines)


async def run(asked: Asked, say: Callable[[str], None]) -> Report:
    """Try every fault and every control that is asked for."""
    quiet()
    report, began = Report(asked), time.monotonic()
    slots = asyncio.Semaphore(_SLOTS_QUICK if asked.quick else _SLOTS)
    async with AsyncExitStack() as stack:
        kafka = await stack.enter_async_context(EmbeddedKafka(progress=say))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detractor-worker-chaos-")))

        def context(name: str) -> FaultContext:
            return FaultContext(name, kafka.bootstrap_servers, folder, asked.seed, say, asked.quick, asked.idle_minutes)

        async def one(fault: Fault) -> None:
            place = context(fault.name)
            report.trials[fault.name] = place.trials
            room = nullcontext() if fault.light else slots

            async def work() -> None:
                await fault.run(place, asked.trials or fault.how_often(quick=asked.quick))
                await _remove_worlds(place)

            await _within(room, report, fault.name, place, work)

        async def control(wanted: Control) -> None:
            place = context(f"control_{wanted.bug}")

            async def look() -> None:
                missed = await controls.missed(place, wanted)
                if missed is None:
                    report.red.add(wanted.bug)
                else:
                    report.green[wanted.bug] = missed
                await _remove_worlds(place)

            await _within(slots, report, f"control {wanted.bug}", place, look)

        await asyncio.gather(*map(one, asked.faults), *map(control, asked.controls))
    report.trials = {fault.name: report.trials[fault.name] for fault in asked.faults}
    report.seconds = time.monotonic() - began
    return report


async def _remove_worlds(context: FaultContext) -> None:
    """Delete the topics of a fault that is over: with many topics, the start of a worker takes long."""
    made = "|".join(map(re.escape, context.worlds))
    of_them = re.compile(rf"({made})(\..+|-\w+-\w+-changelog)")
    there = await topics.names(context.kafka)
    await topics.remove(context.kafka, [name for name in there if of_them.fullmatch(name)])


async def _within(
    room: AbstractAsyncContextManager[Any],
    report: Report,
    name: str,
    context: FaultContext,
    work: Callable[[], Awaitable[Any]],
) -> None:
    """Do it when there is room. What breaks the harness itself is a violation like others, and stops nobody else."""
    async with room:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - said in the report, with its place
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
            said = f"{name}, seed {context.seed}: {type(error).__name__}: {error}{where}"
            within = [f"in it: {type(part).__name__}: {part}" for part in _parts(error)]
            report.broken.append("\n    ".join([said, *within, *context.last_words()]))
            context.say(f"BROKEN  {report.broken[-1]}")


def _parts(error: BaseException) -> list[BaseException]:
    """Return what a group of errors consists of; Hypothesis raises groups, whose own text says nothing of the cause."""
    if not isinstance(error, BaseExceptionGroup):
        return [error.__cause__] if error.__cause__ is not None else []
    return [leaf for part in error.exceptions for leaf in (_parts(part) or [part])]


def quiet() -> None:
    """Keep the libraries from saying again what the faults do to them."""
    for name in ("aiokafka", "mail.log", "asyncio", "faust", "mode", "worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("worker.roles.trouble").setLevel(logging.WARNING)
    logging.getLogger("worker.roles.trouble").propagate = False


def say(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


def summary(report: Report) -> list[str]:
    """Return what is to be said at the end, the JSON line last."""
    lines = [report.as_table(), ""]
    if kills := report.trials.get("random_kills"):
        repeats = max(trial.figures.get("repeats", 0.0) for trial in kills)
        lines.append(f"records per event after random kills: {repeats:.4f}")
    lines.append(f"controls red: {len(report.red)} of {len(report.asked.controls)}; {report.seconds / 60:.1f} minutes")
    lines += [f"BROKEN  {line}" for line in report.broken]
    return [*lines, report.as_json()]
