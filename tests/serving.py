"""What the tests of HTTP servers share: a server that listens, and a way to hold what a request has begun."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from worker.server import Server


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[str]:
    """Start a server, and stop it at the end; yield its address."""
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


class Hold:
    """Stands for something that requests do, and that takes as long as a test wants."""

    def __init__(self) -> None:
        #: Can be acquired once for each request that has begun to wait.
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()

    async def wait(self, *_: Any) -> None:
        self.begun.release()
        await self.go_on.wait()
