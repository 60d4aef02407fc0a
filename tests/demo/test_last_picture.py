"""The last picture after Ctrl-C: it waits for what is decided to be counted, but not for ever."""

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from schemas import examples
from worker.demo import show
from worker.demo.spectator import Seen
from worker.flow import events


def decided() -> Seen:
    found = Seen()
    decision = {"decision_id": "d-1", "response_id": "r-1", "outcome": "accepted"}
    found.take(events.DECISIONS, json.dumps(examples.DECISION | decision).encode())
    return found


def published() -> show.Published:
    values = show.Published(Path(__file__), 1.0)
    values.count = 1
    return values


def an_environment(pending: int = 0) -> Any:
    return SimpleNamespace(worker=SimpleNamespace(of=lambda _: {"notify": SimpleNamespace(pending=pending)}))


async def test_it_waits_until_the_scores_have_followed() -> None:
    found = decided()
    waiting = asyncio.create_task(show._until_complete(an_environment(), found, published()))
    await asyncio.sleep(0.2)
    assert not waiting.done()

    window = examples.SCORES["windows"]["90d"] | {"n": 1}
    found.take(events.SCORES, json.dumps(examples.SCORES | {"segment": "", "windows": {"all": window}}).encode())
    await asyncio.wait_for(waiting, 1)


async def test_it_gives_up_after_two_seconds() -> None:
    began = time.monotonic()
    await show._until_complete(an_environment(), decided(), published())

    assert time.monotonic() - began >= 1.9
