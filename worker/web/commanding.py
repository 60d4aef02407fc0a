"""Giving the commands of pages: only so many at the same time, and each for a limited time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiokafka.errors import KafkaError

from worker.errors import Unreachable
from worker.web.gate import Given

log = logging.getLogger(__name__)

#: How many commands wait for their answers at the same time. Each has connections to Kafka of its own.
_MOST_WAITING = 8
#: How long a page waits until Kafka has a command and the worker has answered it, in seconds.
_GIVE_SECONDS = 20.0


class Answer(Protocol):
    """The worker's answer to a command."""

    @property
    def outcome(self) -> str:
        """What became of it."""

    @property
    def reason(self) -> str | None:
        """Why it was refused."""


#: Gives a command, and returns its answer; None if there is no answer in time. Raises Unreachable, Fatal or KafkaError.
Give = Callable[[dict[str, Any]], Awaitable[Answer | None]]


class Commanding:
    """Gives commands, of which only so many wait for their answers."""

    def __init__(self) -> None:
        self._waiting = asyncio.Semaphore(_MOST_WAITING)

    async def answered(self, give: Give, command: dict[str, Any], about: str) -> Given:
        """Give a command, and return what became of it. `about`: what it is about, for the log."""
        if self._waiting.locked():
            return Given("busy")
        try:
            async with self._waiting, asyncio.timeout(_GIVE_SECONDS):
                answer = await give(command)
        except (Unreachable, KafkaError, TimeoutError) as error:
            why = str(error) if isinstance(error, Unreachable) else type(error).__name__
            log.warning("a command about %s may not have reached Kafka: %s", about, why)
            return Given("unsure")
        if answer is None:
            log.warning("the worker has not answered a command about %s in time", about)
            return Given("unanswered")
        if answer.outcome == "refused":
            return Given("refused", answer.reason)
        return Given("unchanged" if answer.outcome == "unchanged" else "applied")
