"""The worker's clock jumps; answers are from 1970 or from 2100."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chaos.fault_context import FaultContext
from chaos.world import World
from embedded.script import Script
from integration.sampling import Published

from worker.embedded.inbox import Step

_HEALED_SECONDS = 15.0
_PORTION = 60
_DAY = 86_400.0
#: How far the worker's clock jumps, in seconds.
_JUMPS = (_DAY, -_DAY, 3_650 * _DAY, -3_650 * _DAY)


async def run(context: FaultContext, trials: int) -> None:
    """Jump with mails waiting for their second attempt; then answer at strange times."""
    options = {"NPS_EMAIL__RETRY__FIRST_SECONDS": "1", "NPS_EMAIL__RETRY__LONGEST_SECONDS": "2"}
    async with context.world(**options) as world:
        clock = world.folder / "clock"
        worker = await world.begin(CHAOS_CLOCK=str(clock))
        for number in range(trials):
            async with context.trial(number) as trial:
                if number < len(_JUMPS):
                    await _jump(world, clock, _JUMPS[number])
                else:
                    await world.publish([_answer(number, *_times()[number - len(_JUMPS)])])
                with trial.healing(_HEALED_SECONDS):
                    await world.caught_up()
                trial.take(await world.check())
                trial.expect("the worker has ended", worker.process.ended, expected=False)
            if trial.wrong:
                return


async def _jump(world: World, clock: Path, seconds: float) -> None:
    world.inbox.behaviour = Script(Step.DATA, *["451 4.3.0 later"] * 5)
    await world.feed_some(_PORTION)
    fresh = clock.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.replace(clock)
    await world.feed_some(_PORTION)


def _times() -> list[tuple[datetime, str | None]]:
    """Return times of answers, with the reason why one is refused: how far ahead it may be goes by Kafka's clock."""
    now = datetime.now(UTC)
    return [
        (datetime(1970, 1, 1, tzinfo=UTC), None),
        (datetime(2100, 1, 1, tzinfo=UTC), "time_future"),
        (now + timedelta(hours=23), None),
        (now + timedelta(hours=25), "time_future"),
    ]


def _answer(number: int, when: datetime, reason: str | None) -> Published:
    event: dict[str, Any] = {
        "response_id": f"odd-{number}",
        "survey_id": "s",
        "customer_id": f"odd-{number}",
        "score": 8,
        "responded_at": when.isoformat(),
        "segment": ["fr"],
    }
    return Published(event["customer_id"].encode(), json.dumps(event).encode(), [], None if reason else event, reason)
