"""Services: the parts of a worker, which start, become ready, may fail, and stop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from worker.cancelling import cancel_all
from worker.errors import Fatal

#: How long a coroutine may take to end by itself before it is cancelled, in seconds.
_FINISH_SECONDS = 5.0


class Service(Protocol):
    """A part of a worker. The worker awaits the failure of each service from before its start until its stop."""

    @property
    def ready(self) -> bool:
        """Whether the service can do its work now."""

    async def start(self) -> None:
        """Start. The service need not be ready when this returns."""

    async def stop(self) -> None:
        """Finish the work that has begun, and stop. Do nothing if the service was never started."""

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it. This may be called any number of times."""


class Failure:
    """The first error that must stop the worker. Tasks can wait for it."""

    def __init__(self) -> None:
        self._first: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    @property
    def error(self) -> BaseException | None:
        """The error; None if nothing has failed."""
        return self._first.result() if self._first.done() else None

    def keep(self, error: BaseException) -> None:
        """Keep an error if it is the first."""
        if not self._first.done():
            self._first.set_result(error)

    def keep_of(self, task: "asyncio.Task[Any]") -> None:
        """Keep the error of a task that has ended, if it has one. A task that was cancelled has no error."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.keep(error)

    async def wait(self) -> None:
        """Wait until there is an error."""
        await asyncio.wait([self._first])

    async def raised(self) -> None:
        """Wait until there is an error, and raise it."""
        await self.wait()
        raise self._first.result()


class Background:
    """A service that runs a coroutine from its start to its stop. An error of the coroutine is its failure."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], None] | None = None) -> None:
        """`work` makes the coroutine. `end` is called at the stop: it asks the coroutine to end by itself."""
        self._work = work
        self._end = end
        self._task: asyncio.Task[None] | None = None
        self._failure = Failure()

    @property
    def ready(self) -> bool:
        """Always true, since other services do not depend on this one."""
        return True

    async def start(self) -> None:
        """Begin to run the coroutine."""
        self._task = asyncio.create_task(self._work())
        self._task.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Give the coroutine some time to end by itself if there is an `end`. Then cancel it, and wait for its end."""
        if self._task is None:
            return
        if self._end is not None:
            self._end()
            await asyncio.wait([self._task], timeout=_FINISH_SECONDS)
        await cancel_all([self._task])

    async def failure(self) -> None:
        """Wait until the coroutine has raised an error, and raise it."""
        await self._failure.raised()


async def first_end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until one of the tasks ends, then cancel the others. Raise the error of the task that ended.

    If that task was cancelled, raise Fatal: a CancelledError would look as if a stop had been requested.
    """
    waiting = list(tasks)
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                raise Fatal(f"{task.get_name()} was cancelled, although nobody asked for a stop")
            task.result()
    finally:
        for task in waiting:
            task.cancel()
