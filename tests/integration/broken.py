"""A worker in which something breaks: `python -m integration.broken run …` is `python -m worker run …`, but with what
BROKEN names out of order. The worker itself has no switch for any of this.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka import codec
from aiokafka.consumer.fetcher import Fetcher

from worker import app
from worker.__main__ import main
from worker.kafka import topics
from worker.streams.fetching import Fetching
from worker.streams.membership import MemberThread
from worker.streams.ordered import OrderedConsumer, OrderedProducer
from worker.streams.shell import Shell


async def _stubborn() -> None:
    """Take no notice of being cancelled, as some loops of Faust's do."""
    while True:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            continue


def _raising(error: BaseException) -> Callable[..., Any]:
    async def fail(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0)
        raise error

    return fail


def _instead(owner: Any, name: str, value: Any) -> None:
    """Replace what every user of a module or class sees under a name, which has to be there."""
    getattr(owner, name)
    setattr(owner, name, value)


def _after(owner: Any, name: str, then: Callable[..., Any]) -> None:
    """Have a coroutine function do something more when it is done."""
    original = getattr(owner, name)

    @wraps(original)
    async def both(*arguments: Any, **options: Any) -> Any:
        result = await original(*arguments, **options)
        await then(*arguments)
        return result

    _instead(owner, name, both)


def codec_missing() -> None:
    """No library for lz4, as before it was a dependency: what is fetched cannot be read, at each start again."""
    _instead(codec, "cramjam", None)


def fetcher_raises() -> None:
    """The fetcher of the worker's consumer ends with an error of no kind that anybody expects."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("broken on purpose")

    _instead(Fetching, "_actions", fail)


def reader_raises() -> None:
    """The fetcher of every consumer ends so, also of the one that reads whose the topics are."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("broken on purpose")

    _instead(Fetcher, "_get_actions_per_node", fail)


def thread_raises() -> None:
    """A task in the consumer's thread ends with an error."""

    async def then(thread: MemberThread) -> None:
        async def fail() -> None:
            await asyncio.sleep(2)
            raise RuntimeError("broken on purpose")

        thread.add_future(fail())

    _after(MemberThread, "on_start", then)


def start_raises() -> None:
    """The producer's start ends with an error, before the worker's start is complete."""
    _instead(OrderedProducer, "on_start", _raising(RuntimeError("broken on purpose")))


def topics_raise() -> None:
    """Something is wrong before there is a worker at all."""
    _instead(topics, "ensure", _raising(RuntimeError("broken on purpose")))


def start_cancelled() -> None:
    """Something inside is cancelled before the start is complete, though nobody asked for a stop."""
    _after(Shell, "start", _raising(asyncio.CancelledError()))


def cancelled() -> None:
    """Something inside is cancelled later, though nobody asked for a stop."""
    _instead(app, "report", _raising(asyncio.CancelledError()))


def stubborn() -> None:
    """A task takes no notice of being cancelled, and then something fails."""

    async def then(*_: Any) -> None:
        asyncio.create_task(_stubborn(), name="stubborn")  # noqa: RUF006 - the loop is to find it, nobody else

    _after(Shell, "start", then)
    _instead(app, "report", _raising(RuntimeError("broken on purpose")))


def stubborn_stop() -> None:
    """A task takes no notice of being cancelled, and nothing fails."""

    async def then(*_: Any) -> None:
        asyncio.create_task(_stubborn(), name="stubborn")  # noqa: RUF006 - the loop is to find it, nobody else

    _after(Shell, "start", then)


def thread_stays() -> None:
    """A thread goes on for ever after something has failed."""

    async def then(*_: Any) -> None:
        threading.Thread(target=time.sleep, args=(3_600,)).start()

    _after(Shell, "start", then)
    _instead(app, "report", _raising(RuntimeError("broken on purpose")))


def loop_blocked() -> None:
    """The stop blocks the event loop, as it does when it waits for a thread that does not end."""

    async def block(*_: Any) -> None:
        time.sleep(3_600)  # noqa: ASYNC251 - that is the point

    _instead(OrderedConsumer, "on_stop", block)
    _instead(app, "report", _raising(RuntimeError("broken on purpose")))


if __name__ == "__main__":
    globals()[os.environ["BROKEN"]]()
    sys.exit(main())
