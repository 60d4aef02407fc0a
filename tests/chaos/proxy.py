"""A TCP proxy between clients and their broker, for the faults that a network has."""

import asyncio
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 65_536


class Proxy:
    """Passes bytes on, both ways; while it hangs it takes connections and bytes, and passes nothing on."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port; `target` is set before the first client comes."""
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def hang(self) -> None:
        """Hold everything from now on."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on what was held, and what comes."""
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return  # either end may go at any time; the other one learns of it below
        finally:
            sink.close()
