"""A worker whose only role serves a page, with neither Kafka nor Faust: `python -m integration.page`.

A request is one line: "hello" is answered, "fail" and "misconfigured" make the service fail.
"""

import asyncio
import logging
import sys
from asyncio import StreamReader, StreamWriter
from typing import Any

from worker import app, logs
from worker.errors import Fatal, StateLost, TopicsMisconfigured
from worker.roles import build
from worker.roles.surroundings import Surroundings
from worker.service import Failure, Service
from worker.settings import load

#: Not the module's name, which is __main__: the log is to show it as a worker's own line.
log = logging.getLogger("worker.page")

_FAILURES: dict[bytes, Fatal] = {
    b"fail": StateLost("the page is gone"),
    b"misconfigured": TopicsMisconfigured(["the page has a wrong setting"]),
}


class Page:
    """A service: a plain asyncio server."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._failure = Failure()

    @property
    def ready(self) -> bool:
        return self._server is not None and self._server.is_serving()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        log.info("the page is at port %d", self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            log.info("the page is closed")

    async def failure(self) -> None:
        await self._failure.raised()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        asked = (await reader.readline()).strip()
        if asked in _FAILURES:
            self._failure.keep(_FAILURES[asked])
        else:
            writer.write(asked)
        writer.close()
        await writer.wait_closed()


async def build_page(surroundings: Surroundings) -> list[Service]:
    """Return the role's only service; it asks for no Kafka."""
    del surroundings
    return [Page()]


if __name__ == "__main__":
    settings = load()
    logs.configure(settings.log_level, settings.log_format)
    role: Any = "page"
    build.ROLES = {**build.ROLES, role: build_page}
    sys.exit(app.on_event_loop(app.run(settings, role)))
