"""The log says once that Kafka is silent, and once that it is back."""

import asyncio
import logging
from types import SimpleNamespace

import pytest

from worker.roles import heartbeats
from worker.service import Background


async def test_a_silent_kafka_is_named_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = [0.5, 11.0, 12.0, 0.2, 0.3]
    looked = asyncio.Event()

    def age() -> float:
        if len(ages) == 1:
            looked.set()
        return ages.pop(0) if len(ages) > 1 else ages[0]

    sleep, slept = asyncio.sleep, list[float]()

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(heartbeats, "asyncio", SimpleNamespace(sleep=note))
    shells = [SimpleNamespace(consumer=SimpleNamespace(heartbeat_age=each)) for each in (age, lambda: 0.0)]
    watch = Background(lambda: heartbeats.watch_heartbeats(shells, 10.0))  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        await watch.start()
        await looked.wait()
        await watch.stop()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Kafka has not confirmed this worker's place in its group for 11 s; the worker keeps trying"),
        ("INFO", "Kafka confirms this worker's place in its group again"),
    ]
    assert slept[:5] == [10.0, 9.5, 1.0, 1.0, 9.8], "before that, no heartbeat can be too old"
