"""A worker at its real default settings, with nothing to do and then with little: its log has no line above INFO.

Libraries have time-outs that only show after minutes, and an operator is woken by what is logged above INFO. What is
published holds some invalid records, as everywhere in this harness: the warnings about them, one a minute at most, are
meant to be there.
"""

import asyncio
import json
import time

from chaos.fault_context import FaultContext
from chaos.world import Worker

_PER_SECOND = 5
#: How often to look whether the worker still lives and has said something.
_LOOK_SECONDS = 5.0
#: The settings that other faults set so that time passes faster; here each has its default.
_DEFAULTS = ("NPS_KAFKA__SESSION_TIMEOUT_SECONDS", "NPS_KAFKA__BATCH_RECORDS", "NPS_SMTP__CONNECTIONS")
#: The logger that warns of invalid records.
_OF_REFUSALS = "worker.streams.refusals"


async def run(context: FaultContext, trials: int) -> None:
    """Leave a worker alone for `context.idle_minutes`, then give it five responses a second for as long."""
    minutes = context.idle_minutes
    async with context.world() as world:
        for number in range(trials):
            async with context.trial(number) as trial:
                worker = world.worker()
                for name in _DEFAULTS:
                    worker.env.pop(name, None)
                await worker.start()
                await worker.ready()
                await _left_alone(worker, minutes * 60)
                trial.figures["lines while idle"] = len(worker.process.lines)
                context.say(f"idle for {minutes:g} minutes, {len(worker.process.lines)} lines")
                async with world.fed(_PER_SECOND):
                    await _left_alone(worker, minutes * 60)
                await world.caught_up()
                trial.take(await world.check())
                with trial.healing(5.0):
                    trial.expect("exit code", await worker.stop(), 0)
                trial.wrong += _alarms(worker)
                warnings = sum(_OF_REFUSALS in line for line in worker.process.lines)
                trial.expect("no more warnings of invalid records than minutes", warnings <= minutes + 1, expected=True)


async def _left_alone(worker: Worker, seconds: float) -> None:
    """Wait, but not for a worker that has ended or said something that is wrong anyhow."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not worker.process.ended and not _alarms(worker):  # noqa: ASYNC110 - no event
        await asyncio.sleep(min(_LOOK_SECONDS, seconds))


def _alarms(worker: Worker) -> list[str]:
    return [f"the log says: {line}" for line in worker.process.lines if not _is_information(line)]


def _is_information(line: str) -> bool:
    try:
        said = json.loads(line)
        return said["level"] in {"debug", "info"} or said["logger"] == _OF_REFUSALS
    except (ValueError, TypeError, KeyError):
        return False  # no line of the worker's log at all
