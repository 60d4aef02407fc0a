"""The service that listens for HTTP requests."""

import asyncio
import contextlib
import logging
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from worker.errors import CannotListen
from worker.service import Failure

log = logging.getLogger(__name__)
#: aiohttp's own lines quote what a client has sent, and nobody can act on them.
_QUIET = logging.getLogger(f"{__name__}.aiohttp")
_QUIET.disabled = True

#: How long a stop waits for requests that are being answered, in seconds.
_FINISH_SECONDS = 5.0
#: How long a connection may be idle between two requests, in seconds. Reverse proxies close theirs after 60 s or less.
_IDLE_SECONDS = 75.0
#: How long the rest of a request is read after the answer, in seconds, so that the client gets the answer.
_LINGER_SECONDS = 1.0
#: What every answer says about the program that serves it, in place of its libraries and their versions.
_NAME = "detractor-worker"
#: The largest number of connections at the same time, unless a server has another one. A further one is closed at once.
_MOST_CONNECTIONS = 500


class _Connection(web.RequestHandler):
    """A connection. What it gets that is no HTTP, or is too long, it answers without the words of the library.

    Those quote what the client has sent, and name types of Python.
    """

    def __init__(self, server: web.Server, headers: Mapping[str, str], *, as_sent: bool) -> None:
        """`headers`: those of every answer; `as_sent`: whether bodies stay compressed if they are."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # its lines would have the addresses of links, which are secrets
            logger=_QUIET,
            keepalive_timeout=_IDLE_SECONDS,
            auto_decompress=not as_sent,
            lingering_time=_LINGER_SECONDS,
        )
        self._headers = headers
        #: Whether there are too many connections already.
        self.is_superfluous = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or end at once if the connection is superfluous: before, there is nothing that could be closed."""
        super().connection_made(transport)
        if self.is_superfluous:
            self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the answer to what cannot be served. It does not have the `message`, the words of the library.

        What is no HTTP is a client's fault, and its status is below 500. Otherwise a handler has raised an error, which
        aiohttp would log, and its log is off. A client that is gone is no error of the handler.
        """
        del message
        if status >= 500 and not isinstance(exc, ConnectionError):
            error = exc or sys.exception()  # aiohttp does not say it of a TimeoutError
            log.error(
                "a request was not answered because of a bug in the worker: please report this line", exc_info=error
            )
        response = super().handle_error(request, status, exc, f"{status} {HTTPStatus(status).phrase}\n")
        response.headers.update(self._headers)
        return response


class Server:
    """Serves an application at an address. Each connection has a limited time until its request is there."""

    def __init__(
        self,
        application: web.Application,
        host: str,
        port: int,
        failure: Failure,
        *,
        headers: Mapping[str, str],
        what: str = "pages",
        set_by: str = "web.host, web.port",
        is_ready: Callable[[], bool] = lambda: True,
        head_seconds: float = 10.0,
        tls: ssl.SSLContext | None = None,
        as_sent: bool = False,
        most_connections: int = _MOST_CONNECTIONS,
    ) -> None:
        """`failure` gets the errors of the pages that must stop the worker. `is_ready`: whether pages can be shown.

        `headers`: the headers of every answer; `what`: what is served, in the plural; `set_by`: the settings of the
        address; `head_seconds`: how long a client may take to send the head of a request, in seconds; `tls`: the
        server's certificate, with which it serves https only; `as_sent`: whether the application gets the bodies as
        they were sent, also if they are compressed; `most_connections`: how many connections may be open.
        """
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_FINISH_SECONDS)
        application.on_response_prepare.append(self._prepare)
        self._headers = {**headers, "Server": _NAME}
        application.middlewares.insert(0, self._heard)
        self._host = host
        self._port = port
        self._what = what
        self._set_by = set_by
        self._failure = failure
        self._is_ready = is_ready
        self._head_seconds = head_seconds
        self._tls = tls
        self._as_sent = as_sent
        self._most_connections = most_connections
        self._listening: asyncio.Server | None = None
        # The ends of the connections whose request has not arrived yet.
        self._ends: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        # The number of requests whose head has arrived and whose answer is not complete, and whether there is none.
        self._in_hand = 0
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()

    @property
    def port(self) -> int:
        """The port on which it listens. There is none before the start."""
        assert self._listening is not None
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    @property
    def ready(self) -> bool:
        """Whether it listens, and can show pages."""
        return self._listening is not None and self._listening.is_serving() and self._is_ready()

    async def start(self) -> None:
        """Listen. Raise CannotListen if the address is not free, or not one of this machine."""
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._connection,
                self._host,
                self._port,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self._head_seconds,
            )
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise CannotListen(self._what, self._host, self._port, self._set_by, why) from None
        scheme = "http" if self._tls is None else "https"
        log.info("%s are served at %s://%s:%d", self._what, scheme, self._host, self.port)

    async def stop(self) -> None:
        """Accept no more requests, and finish those that are being answered."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        # From here on aiohttp would throw away what arrives, also the rest of a body that is being read.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._nothing_in_hand.wait()
        await self._runner.cleanup()
        for end in self._ends.values():
            end.cancel()
        self._ends.clear()

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._failure.raised()

    def _connection(self) -> web.RequestHandler:
        """Return what serves a new connection."""
        server, loop = self._runner.server, asyncio.get_running_loop()
        assert server is not None
        connection = _Connection(server, self._headers, as_sent=self._as_sent)
        if len(server.connections) >= self._most_connections:
            connection.is_superfluous = True
        else:
            self._ends[connection] = loop.call_later(self._head_seconds, self._end, connection)
        return connection

    def _end(self, connection: web.RequestHandler) -> None:
        """End a connection on which no request has arrived in time."""
        self._ends.pop(connection, None)
        connection.force_close()

    async def _prepare(self, _: web.Request, response: web.StreamResponse) -> None:
        """Add the headers of every answer that it does not have. The application may have others for some."""
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = _NAME

    @web.middleware
    async def _heard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Note that the request of a connection has arrived. It then has the time that its answer takes."""
        end = self._ends.pop(request.protocol, None)
        if end is not None:
            end.cancel()
        self._in_hand += 1
        self._nothing_in_hand.clear()
        try:
            response = await handler(request)
            if self._listening is None:
                response.force_close()
            return response
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._nothing_in_hand.set()
