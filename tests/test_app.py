"""How a worker starts, becomes ready, fails and stops, whatever services it has: here they are test doubles."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from worker import app
from worker.app import Worker, serving
from worker.errors import Fatal, StateNotDurable, StopTimedOut
from worker.kafka import topics
from worker.roles import build
from worker.roles.surroundings import Surroundings
from worker.service import Failure, Service, first_end
from worker.settings import Settings
from worker.streams.shell import Shell

GONE = StateNotDurable("the topic is gone")


async def at_once() -> None:
    pass


async def never() -> None:
    await asyncio.Event().wait()


class Double:
    """A service without Faust and Kafka, as a role that serves a page has one. It notes what is asked of it."""

    def __init__(
        self,
        name: str = "page",
        notes: list[str] | None = None,
        *,
        start: Callable[[], Coroutine[Any, Any, None]] = at_once,
        stop: Callable[[], Coroutine[Any, Any, None]] = at_once,
    ) -> None:
        self.name, self.notes = name, [] if notes is None else notes
        self.ready = False
        self.failing = Failure()
        self._start, self._stop = start, stop

    async def start(self) -> None:
        await self._start()
        self.notes.append(f"{self.name} started")

    async def stop(self) -> None:
        await self._stop()
        self.notes.append(f"{self.name} stopped")

    async def failure(self) -> None:
        await self.failing.raised()


async def go(service: Double, error: BaseException | None = None) -> None:
    async with serving(Worker({"page": [service]})):
        if error is not None:
            raise error


async def test_services_of_a_role_start_in_turn_and_stop_in_the_opposite_order() -> None:
    notes: list[str] = []
    async with serving(Worker({"page": [Double("store", notes), Double("page", notes)]})):
        assert notes == ["store started", "page started"]

    assert notes == ["store started", "page started", "page stopped", "store stopped"]


async def test_a_role_does_not_wait_for_another_to_start() -> None:
    come = asyncio.Event()

    async def comes() -> None:
        come.set()

    roles = {"page": [Double(start=lambda: asyncio.wait_for(come.wait(), 10))], "mail": [Double(start=comes)]}  # type: ignore[arg-type]
    async with serving(Worker(roles)):
        assert come.is_set()


async def test_a_worker_without_faust_is_ready_when_its_services_are() -> None:
    services = [Double(), Double()]
    worker = Worker({"page": services})
    ready = []
    async with serving(worker):
        ready.append(worker.ready)
        for service in services:
            service.ready = True
            ready.append(worker.ready)
        assert [False, False, True] == ready
        assert worker.of(Double) == {"page": services[-1]}
        assert worker.of(Shell) == {}


async def test_a_worker_without_services_is_not_ready_and_does_not_fail() -> None:
    async with serving(Worker({})) as worker:
        assert not worker.ready
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.failure(), 0.05)


async def test_a_service_that_fails_fails_the_worker() -> None:
    service = Double()
    async with serving(Worker({"page": [Double(), service], "mail": [Double()]})) as worker:
        service.failing.keep(GONE)
        for _ in range(2):  # it may be asked any number of times
            with pytest.raises(StateNotDurable, match="the topic is gone"):
                await worker.failure()


async def test_a_service_that_fails_while_another_starts_ends_the_start_and_all_are_stopped() -> None:
    notes: list[str] = []
    failing, slow = Double("failing", notes), Double("slow", notes, start=never)
    failing.failing.keep(GONE)
    with pytest.raises(StateNotDurable, match="the topic is gone"):
        async with serving(Worker({"page": [failing, slow]})):
            pytest.fail("it has not started")

    assert notes == ["failing started", "slow stopped", "failing stopped"]


async def test_it_stops_also_after_something_fatal() -> None:
    service = Double()
    with pytest.raises(Fatal, match="the topic is gone"):
        await go(service, GONE)
    assert service.notes == ["page started", "page stopped"]


@pytest.mark.parametrize(
    ("error", "said"), [(None, "could not stop within 0 s"), (GONE, "the topic is gone")], ids=["asked", "failed"]
)
async def test_what_does_not_stop_is_left_and_the_reason_said(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | None, said: str
) -> None:
    """Faust swallows a cancellation while it waits for batches: it must not be waited for in turn."""
    ended = asyncio.Event()

    async def hang() -> None:
        while not ended.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await ended.wait()

    monkeypatch.setattr(app, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(app, "_FATAL_STOP_SECONDS", 0.05)
    with pytest.raises(StopTimedOut, match=said):
        await go(Double(stop=hang), error)
    ended.set()


async def test_that_something_was_cancelled_is_an_error_when_nobody_asked_for_a_stop() -> None:
    """A CancelledError would look like a requested stop."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    others = asyncio.create_task(asyncio.sleep(60))
    with pytest.raises(Fatal, match="the start was cancelled, although nobody asked for a stop"):
        await first_end([asyncio.create_task(cancelled(), name="the start"), others])
    await asyncio.gather(others, return_exceptions=True)
    assert others.cancelled()


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, "could not stop in an orderly way: CancelledError"), (GONE, "the topic is gone")],
    ids=["asked", "failed"],
)
async def test_a_stop_that_ends_in_a_cancellation_does_not_hide_why_it_stopped(
    error: BaseException | None, said: str
) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    service = Double(stop=cancelled)
    with pytest.raises(StopTimedOut, match=said):
        await go(service, error)
    assert service.notes == ["page started"]


async def test_a_stop_while_kafka_is_waited_for_is_heeded_although_a_library_swallows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()
    role: Any = "page"

    async def ensure(_: Settings) -> None:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def needs_kafka(surroundings: Surroundings) -> list[Service]:
        await surroundings.kafka()
        pytest.fail("the stop was not heeded")

    async def start() -> None:
        async with app.running(Settings.model_construct(), role):
            pass

    monkeypatch.setattr(topics, "ensure", ensure)
    monkeypatch.setattr(build, "ROLES", {role: needs_kafka})
    starting = asyncio.create_task(start())
    await asked.wait()
    starting.cancel()
    await asyncio.wait([starting])

    assert starting.cancelled()


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 0), (0.99, 0), (1.0, 1), (20.0, 1)])
async def test_a_signal_that_comes_again_at_once_is_the_first_one_passed_on(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    """As by `timeout`, which signals the worker and then the group that the worker is in."""
    now, ended = 100.0, []
    monkeypatch.setattr(app, "monotonic", lambda: now)
    monkeypatch.setattr(app, "end_at_once", lambda code, why: ended.append((code, why)))
    stop = asyncio.Event()
    on_signal = app.stopping_by_signal(stop)
    on_signal()
    assert stop.is_set()
    now += seconds
    on_signal()

    assert ended == [(1, "the worker got a second signal")] * expected
