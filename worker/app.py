"""A worker's start, its stop and its failures, for any list of services (worker/service.py)."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import uvloop

from worker.clock import Clock, SystemClock
from worker.deadline import end_at_once, end_within
from worker.errors import Fatal, StopTimedOut
from worker.metrics.settings import Bind
from worker.roles import Role
from worker.roles.build import build
from worker.roles.monitoring import monitored
from worker.roles.surroundings import Surroundings
from worker.roles.tracing import traced
from worker.service import Service, first_end
from worker.settings import Settings
from worker.status import report

log = logging.getLogger(__name__)

S = TypeVar("S")

#: How long a stop may take, in seconds. Orchestrators wait for longer before they kill a process.
_STOP_SECONDS = 25.0
#: How long a stop may take after a fatal error, in seconds.
_FATAL_STOP_SECONDS = 3.0
#: If the event loop itself is blocked, a thread ends the process this much later than that, in seconds.
_BLOCKED_SECONDS = 1.0
#: A signal that comes within this time after the first one, in seconds, counts as the same request. `timeout`, `make`
#: and a container's init pass a signal on to the worker even if the whole process group has already got it.
_ONE_SIGNAL_SECONDS = 1.0
#: How long remaining threads and tasks may run once the worker has stopped, in seconds.
_LEFT_OVER_SECONDS = 3.0
_BUG = "stopped by a bug in the worker: please report this line; what is not committed will be read again"

#: The thresholds of Python's garbage collector. With Python's own (700, 10, 10), every second batch would cause a
#: collection of all objects. With a first one above 10,000, a collection of the young objects would take longer than
#: the sending of several mails.
_COLLECT_AFTER = (10_000, 20, 10)


@dataclass
class Worker:
    """A worker before its start or while it runs."""

    #: Its services by their role or purpose. Each list has the order in which its services start.
    services: Mapping[str, Sequence[Service]]
    #: What is called when somebody asks the worker to read secrets anew.
    renewals: Sequence[Callable[[], None]] = ()
    #: Where its probes are served; None if they are not.
    probed_at: Bind | None = None
    #: Whether a failure has happened because of which it ends, and whether it ends for whatever reason.
    is_failing: bool = False
    is_stopping: bool = False

    async def failure(self) -> None:
        """Wait until something must stop the worker; raise it."""
        waiting = [asyncio.create_task(service.failure()) for service in self]
        await first_end(waiting or [asyncio.create_task(_never())])

    def renew(self) -> None:
        """Let new connections use the secrets and certificates that are in their files now."""
        for renewal in self.renewals:
            renewal()
        log.info("SIGHUP: the next mails connect and log in anew" if self.renewals else "SIGHUP: nothing to renew")

    @property
    def ready(self) -> bool:
        """Whether there are services, and all of them are ready."""
        services = list(self)
        return bool(services) and all(service.ready for service in services)

    def of(self, kind: type[S]) -> dict[str, S]:
        """Return the services of this kind, by role. A role without one is left out.

        If a role has several of them, the one that starts last is returned.
        """
        return {
            role: service
            for role, services in self.services.items()
            for service in services
            if isinstance(service, kind)
        }

    def __iter__(self) -> Iterator[Service]:
        return (service for services in self.services.values() for service in services)


async def _never() -> None:
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def running(settings: Settings, role: Role = "all", clock: Clock | None = None) -> AsyncIterator[Worker]:
    """Start a worker, after waiting for Kafka if its roles need it. Its metrics and probes are served before that.

    At the end, finish the batches and mails in flight, commit the offsets, and stop.
    """
    clock = clock or SystemClock()
    async with monitored(settings, role, clock) as monitoring, traced(settings) as spans:
        meters = monitoring.meters
        surroundings = Surroundings(settings, clock, meters, spans)
        worker = Worker(await build(role, surroundings), surroundings.renewals, monitoring.address)
        monitoring.probes.watch(worker)
        if meters is not None:
            meters.watch(worker)
        async with serving(worker):
            yield worker


@contextlib.asynccontextmanager
async def serving(worker: Worker) -> AsyncIterator[Worker]:
    """Start a worker's services; stop them at the end.

    Raise the failure of a service if it comes during the start, and StopTimedOut if the services do not stop in time.
    """
    seconds, why = _STOP_SECONDS, None
    try:
        await _start(worker)
        yield worker
    except Fatal as error:
        seconds, why, worker.is_failing = _FATAL_STOP_SECONDS, str(error), True
        raise
    except Exception as error:
        seconds, why, worker.is_failing = _FATAL_STOP_SECONDS, f"a bug ({type(error).__name__})", True
        raise
    finally:
        worker.is_stopping = True
        await _stop(worker, seconds, why)


async def _start(worker: Worker) -> None:
    """Start every service; raise the failure of a service if it comes during the start."""
    starting = asyncio.create_task(_start_all(worker), name="the start")
    await first_end([starting, asyncio.create_task(worker.failure())])


async def _start_all(worker: Worker) -> None:
    """Start the roles concurrently, and the services of each role one after the other."""
    await asyncio.gather(*(_start_in_turn(services) for services in worker.services.values()))


async def _start_in_turn(services: Iterable[Service]) -> None:
    for service in services:
        await service.start()


async def _stop(worker: Worker, seconds: float, why: str | None) -> None:
    """Stop every service; raise StopTimedOut if that fails, or takes longer than `seconds`, as it may without Kafka.

    `why`: the failure for which the worker is stopped; None if the stop was requested. If the stop fails too, the
    error's text is `why`, since that is the cause.
    """
    # asyncio.timeout would not work: while Faust waits for batches in flight, it ignores cancellation.
    stopping = asyncio.create_task(_stop_all(worker))
    late = why or f"could not stop within {seconds:.0f} s; perhaps Kafka does not answer"
    guard = end_within(seconds + _BLOCKED_SECONDS, 1, late)
    try:
        done, _ = await asyncio.wait([stopping], timeout=seconds)
    finally:
        guard.cancel()
    if not done:
        stopping.cancel()
        raise StopTimedOut(late)
    # Faust's stop may also end in a CancelledError, which must not look like the end of a requested stop.
    error = asyncio.CancelledError() if stopping.cancelled() else stopping.exception()
    if error is not None:
        raise StopTimedOut(why or f"could not stop in an orderly way: {type(error).__name__}") from error


async def _stop_all(worker: Worker) -> None:
    """Stop the services in the opposite order of their start."""
    for service in reversed(list(worker)):
        await service.stop()


def calm_collector() -> None:
    """Let Python's garbage collector run rarely: a batch makes tens of thousands of objects, and hardly any cycle."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def on_event_loop(work: Coroutine[Any, Any, S]) -> S:
    """Run a worker's coroutine to its end on uvloop, each turn of which takes less CPU than one of asyncio's loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def run(settings: Settings, role: Role) -> int:
    """Run a worker until SIGTERM or SIGINT, or until a service fails. Return the exit code.

    The process ends with that code soon afterwards, even if threads or tasks still run.
    """
    calm_collector()
    code = await _run(settings, role)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The handlers of the event loop end with it. After that, a signal would end the process as if it had crashed.
        loop.remove_signal_handler(number)
        signal.signal(number, lambda *_: os._exit(code))
    end_within(_LEFT_OVER_SECONDS, code, "the worker has stopped, but a part of its process does not end")
    return code


async def _run(settings: Settings, role: Role) -> int:
    stop, started = asyncio.Event(), asyncio.Event()
    loop, on_signal = asyncio.get_running_loop(), stopping_by_signal(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # Before the start is complete, and after the stop has begun, there is nothing to renew.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    work = asyncio.create_task(_serve(settings, role, started, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    # The stop itself has a shorter limit. This one also includes what comes before and after the stop.
    end_within(_STOP_SECONDS + 2 * _BLOCKED_SECONDS, 1, f"could not stop within {_STOP_SECONDS:.0f} s")
    if not started.is_set():
        work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        if started.is_set() or not stop.is_set():
            log.critical("stopped: a task was cancelled, although nobody asked for a stop")
            return 1
        log.info("stopped before the start was complete")
    except StopTimedOut as error:
        if isinstance(error.__context__, Exception) and not isinstance(error.__context__, Fatal):
            log.critical(_BUG, exc_info=error.__context__)
        end_at_once(1, str(error))
    except Fatal as error:
        log.critical("stopped: %s", error)
        return error.exit_code
    except Exception:
        # A bug of the worker. The log shows its type and its place in the code, and not its text, which may quote a
        # customer.
        log.critical(_BUG, exc_info=True)
        return 1
    return 0


async def _serve(settings: Settings, role: Role, started: asyncio.Event, stop: asyncio.Event) -> None:
    async with running(settings, role) as worker:
        started.set()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, worker.renew)
        log.info("started: role %s, group %s, topics %s.*", role, settings.kafka.group, settings.topic_prefix)
        try:
            await first_end(
                [
                    asyncio.create_task(stop.wait()),
                    asyncio.create_task(worker.failure()),
                    asyncio.create_task(
                        report(settings.status_path(role), lambda: worker.ready, worker.probed_at),
                        name="the writing of the status file",
                    ),
                ]
            )
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log.info("stopped: all batches are finished, and their offsets are committed")


def stopping_by_signal(stop: asyncio.Event) -> Callable[[], None]:
    """Return the function that each signal calls. The first signal asks for an orderly stop.

    A later one ends the process at once, unless it belongs to the same request (`_ONE_SIGNAL_SECONDS`).
    """
    asked_at: float | None = None

    def on_signal() -> None:
        nonlocal asked_at
        now = monotonic()
        if asked_at is None:
            asked_at = now
            stop.set()
        elif now - asked_at >= _ONE_SIGNAL_SECONDS:
            end_at_once(1, "the worker got a second signal")

    return on_signal
