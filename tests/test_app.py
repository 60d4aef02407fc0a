"""How a worker stops, also when something in it takes no notice."""

import asyncio
from typing import Any

import pytest

from worker import app
from worker.errors import Fatal, StateNotDurable, StopTimedOut
from worker.kafka import topics
from worker.settings import Settings


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A worker without roles, so that only starting and stopping is left. What stops is noted."""
    stopped: list[str] = []

    async def found(_: Settings) -> topics.Found:
        return topics.Found("cluster", 1)

    async def start(_: Any) -> None:
        pass

    async def stop(_: Any) -> None:
        stopped.append("stopped")

    monkeypatch.setattr(topics, "ensure", found)
    monkeypatch.setattr(app, "_start", start)
    monkeypatch.setattr(app, "_stop_roles", stop)
    return stopped


async def _go(error: BaseException | None = None) -> None:
    async with app.running(Settings.model_construct(), role="none"):  # type: ignore[arg-type]
        if error is not None:
            raise error


async def test_it_stops_in_order(idle: list[str]) -> None:
    await _go()
    assert idle == ["stopped"]


async def test_and_also_after_something_fatal(idle: list[str]) -> None:
    with pytest.raises(Fatal, match="the topic is gone"):
        await _go(StateNotDurable("the topic is gone"))
    assert idle == ["stopped"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, "could not stop within 0 s"), (StateNotDurable("the topic is gone"), "the topic is gone")],
)
async def test_what_does_not_stop_is_left_and_the_reason_said(
    idle: list[str], monkeypatch: pytest.MonkeyPatch, error: BaseException | None, said: str
) -> None:
    """Faust swallows a cancellation while it waits for batches: it must not be waited for in turn."""
    ended = asyncio.Event()

    async def hang(_: Any) -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                idle.append("swallowed")

    monkeypatch.setattr(app, "_stop_roles", hang)
    monkeypatch.setattr(app, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(app, "_FATAL_STOP_SECONDS", 0.05)
    with pytest.raises(StopTimedOut, match=said):
        await _go(error)
    ended.set()


async def test_that_something_was_cancelled_is_an_error_when_nobody_asked_for_a_stop() -> None:
    """A CancelledError would pass for a stop that somebody asked for."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    others = asyncio.create_task(asyncio.sleep(60))
    with pytest.raises(Fatal, match="the start was cancelled, though nobody asked for a stop"):
        await app._first_end([asyncio.create_task(cancelled(), name="the start"), others])
    await asyncio.gather(others, return_exceptions=True)
    assert others.cancelled()


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, "could not stop in order: CancelledError"), (StateNotDurable("the topic is gone"), "the topic is gone")],
)
async def test_a_stop_that_ends_in_a_cancellation_does_not_hide_why_it_stopped(
    idle: list[str], monkeypatch: pytest.MonkeyPatch, error: BaseException | None, said: str
) -> None:
    async def cancelled(_: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(app, "_stop_roles", cancelled)
    with pytest.raises(StopTimedOut, match=said):
        await _go(error)
    assert idle == []
