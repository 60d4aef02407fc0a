"""Several brokers that form one cluster: each partition has copies, and a leader that can be lost."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from worker.embedded.kafka import EmbeddedKafka, Node, free_port


class EmbeddedCluster:
    """Brokers 1 to `size`, as an async context manager; `progress` as for EmbeddedKafka."""

    def __init__(self, size: int = 3, *, progress: Callable[[str], None] | None = None) -> None:
        controllers: dict[int, int] = {}
        for number in range(1, size + 1):
            controllers[number] = free_port(but=controllers.values())
        self.brokers = {
            number: EmbeddedKafka(progress=progress, node=Node(number, controllers)) for number in controllers
        }
        self._stack = AsyncExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: all brokers, separated by commas."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    async def __aenter__(self) -> Self:
        """Start all of them at once: none answers before a majority is there."""
        for broker in self.brokers.values():
            self._stack.push_async_callback(broker.stop)
        try:
            await asyncio.gather(*(broker.start() for broker in self.brokers.values()))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them, the last one first."""
        await self._stack.aclose()
