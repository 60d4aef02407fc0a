"""Posting to an HTTP endpoint: the connections that are kept, and what each answer and each failure means.

    answer 2xx                              accepted
    answer 429, 503                         unavailable, for as long as Retry-After says
    answer 408, 425, and other 5xx          retry, after Retry-After at the earliest
    every other answer, also a redirect     permanent, alarm
    no answer, although the request was sent    retry; the request may have been accepted
    an answer that is not valid HTTP        the same, with an alarm
    every failure before that               unavailable, with an alarm if somebody must act

`unavailable` is about the server: nothing has happened to what was posted. A permanent refusal may be about the server
too: outage.py decides that. If a connection that was idle breaks while the request is being sent over it, the request
is sent again at once; it may have been accepted, whatever the repeat gets. No proxy of the environment is used, and no
text of an answer is kept or logged.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    TraceConfig,
)

from worker import __version__
from worker.errors import DeliveryError
from worker.notify.channel import LONGEST_RETRY_AFTER
from worker.notify.endpoint import Endpoint
from worker.tls import trusting

#: The answers that are about the server: it is asked too often, or is down for a while.
TOO_MANY = 429
ABOUT_SERVER = frozenset({TOO_MANY, 503})
#: The answers below 500 that allow another attempt: the request came too slowly, or too early.
LATER = frozenset({408, 425})
#: The answers that name another address (RFC 9110, 15.4). 304, for instance, does not.
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: How much of an answer is read, in bytes, and for how long, in seconds. Both only serve to keep the connection.
_ANSWER_BYTES, _ANSWER_SECONDS = 4_096, 1.0
#: An idle connection is kept for so many seconds.
_KEEP_SECONDS = 15.0
#: What every request says: answers are not compressed, so that their size is what the limits are about.
HEADERS = {"User-Agent": f"detractor-worker/{__version__}", "Accept-Encoding": "identity"}


class Trouble(NamedTuple):
    """A failure that happened before there was an answer."""

    reason: str
    #: Whether somebody has to act.
    alarm: bool
    #: A sentence for the operator. `{url}` and `{cafile}` stand for the keys of the settings.
    hint: str


_OVERDUE = Trouble("timeout", False, "the server did not answer in time ({url})")
_BROKEN = Trouble("disconnected", False, "the connection broke ({url})")
_BAD_ANSWER = Trouble(
    "protocol_error",
    True,
    "the answer is not valid HTTP, for instance longer than its Content-Length, or its headers are too large ({url})",
)
#: The troubles by the type of the exception. The first type that fits decides.
_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (
        ssl.SSLError,
        Trouble(
            "tls_failed",
            True,
            "TLS failed: is the certificate for this name, and is its issuer trusted? ({cafile})",
        ),
    ),
    (socket.gaierror, Trouble("name_not_found", False, "the name was not found ({url})")),
    (TimeoutError, _OVERDUE),
    (ConnectionRefusedError, Trouble("refused", False, "the connection was refused ({url})")),
    (OSError, _BROKEN),
    (ServerDisconnectedError, _BROKEN),
    (ClientError, _BAD_ANSWER),
)


def trouble_of(error: Exception) -> Trouble:
    """Return what it means that there was no answer. `error`: what aiohttp or asyncio has raised."""
    why = error.os_error if isinstance(error, ClientConnectorError) and not isinstance(error, ssl.SSLError) else error
    return next(trouble for kind, trouble in _TROUBLES if isinstance(why, kind))


class PostingSettings(Protocol):
    """What the settings of a channel say about posting."""

    @property
    def timeout_seconds(self) -> float:
        """How long a request may take."""

    @property
    def connections(self) -> int:
        """How many connections there may be to each endpoint."""


def posters(channel: str, endpoints: Mapping[str, Endpoint], settings: PostingSettings) -> "dict[str, Poster]":
    """Return what posts to each endpoint of a channel, by its name. Raise SettingsError like Poster."""
    return {
        name: Poster(
            endpoint,
            f"{channel} {name}",
            f"{channel}.endpoints.{name}",
            timeout_seconds=settings.timeout_seconds,
            connections=settings.connections,
        )
        for name, endpoint in endpoints.items()
    }


class _Progress:
    """How far an attempt has come."""

    #: Whether the request is being sent, so that the server may have got it.
    is_sent = False
    #: Whether an earlier connection broke while the request was being sent over it. What the server says about the
    #: repeat does not tell what became of that one.
    was_sent = False
    #: Whether it is sent over a connection that was idle before, which the server may just have closed.
    is_reused = False


def session_of(
    connections: int, timeout: ClientTimeout, tls: ssl.SSLContext | None = None, traces: Sequence[TraceConfig] = ()
) -> ClientSession:
    """Return a session of so many connections to one server. It needs a running loop.

    No proxy of the environment is used, no cookie is kept, and answers stay as they are sent. `tls`: the context of
    encrypted connections; None for that of aiohttp, which trusts the authorities of the operating system.
    """
    return ClientSession(
        connector=TCPConnector(limit=connections, ssl=tls or True, keepalive_timeout=_KEEP_SECONDS),
        timeout=timeout,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        trace_configs=[*traces],
    )


class Poster:
    """Posts to one endpoint, over as many connections at the same time as `connections` says.

    `name`: the endpoint in words, such as "webhook crm"; `key`: its key in the settings. Raise SettingsError if the
    file of the certificate authorities holds no certificate.
    """

    def __init__(self, endpoint: Endpoint, name: str, key: str, *, timeout_seconds: float, connections: int) -> None:
        self._endpoint = endpoint
        self._name = name
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._connections = connections
        self._tls = trusting(endpoint.cafile, f"{key}.cafile") if endpoint.is_encrypted else None
        self._session: ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str], begun: Callable[[], None]) -> None:
        """Post a body. Return once the server has accepted it; otherwise raise DeliveryError.

        `begun` is called when the server has answered about this request, and not about itself.
        """
        progress = _Progress()
        # The cause may quote the address. "from None" keeps it out of tracebacks.
        try:
            status, seconds = await self._answer(body, headers, progress)
        except (ClientError, OSError) as error:
            raise self._failure(error, is_sent=progress.is_sent, was_sent=progress.was_sent) from None
        if status not in ABOUT_SERVER:
            begun()
        if not 200 <= status < 300:
            raise self._refusal(status, seconds, was_sent=progress.was_sent)

    async def check(self) -> None:
        """Connect as for a request, then disconnect. Raise DeliveryError, with a hint, if that fails."""
        host, port = self._endpoint.host, self._endpoint.port
        try:
            async with asyncio.timeout(self._timeout_seconds):
                _, writer = await asyncio.open_connection(host, port, ssl=self._tls)
        except OSError as error:
            raise self._failure(error, is_sent=False) from None
        writer.close()

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _answer(self, body: bytes, headers: Mapping[str, str], progress: _Progress) -> tuple[int, float]:
        """Return the status of the answer, and its Retry-After in seconds.

        A server may close idle connections at any time, so only a new connection shows whether it can be used. Should
        it have got the request over an idle one all the same, it can recognise the repeat.
        """
        for _ in range(self._connections):
            try:
                return await self._request(body, headers, progress)
            except (ServerDisconnectedError, ClientOSError):
                if not progress.is_reused:
                    raise
            progress.was_sent |= progress.is_sent
            progress.is_sent = progress.is_reused = False
        return await self._request(body, headers, progress)

    async def _request(self, body: bytes, headers: Mapping[str, str], progress: _Progress) -> tuple[int, float]:
        async with self._opened().post(
            self._endpoint.url.get_secret_value(),
            data=body,
            headers={**HEADERS, **headers},
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            await _drain(response)
            return response.status, retry_after(response)

    def _opened(self) -> ClientSession:
        """Return the session, which is made at the first request, since it needs a running loop."""
        if self._session is None:
            timeout = ClientTimeout(total=self._timeout_seconds)
            self._session = session_of(self._connections, timeout, self._tls, [_trace()])
        return self._session

    def _failure(self, error: Exception, *, is_sent: bool, was_sent: bool = False) -> DeliveryError:
        """Return what it means that there was no answer."""
        trouble = trouble_of(error)
        hint = f"{self._name}: {trouble.hint.format(url=f'{self._key}.url', cafile=f'{self._key}.cafile')}"
        return DeliveryError(
            trouble.reason,
            retry=True,
            alarm=trouble.alarm,
            unavailable=not is_sent,
            unsure=is_sent or was_sent,
            hint=hint,
        )

    def _refusal(self, status: int, seconds: float, *, was_sent: bool) -> DeliveryError:
        """Return what an answer means that is no success."""
        permanent = status not in ABOUT_SERVER | LATER and status < 500
        return DeliveryError(
            f"http_{status}",
            retry=not permanent,
            alarm=permanent,
            unavailable=status in ABOUT_SERVER,
            unsure=was_sent,
            hint=f"{self._name}: {_meaning(status)} ({self._key})",
            retry_after=seconds,
            limits_rate=status == TOO_MANY,
        )


def _meaning(status: int) -> str:
    match status:
        case 401 | 403:
            return "the server does not let the worker in: are the address and the secrets right?"
        case 404 | 410:
            return "the server has nothing at this address any more"
        case 429:
            return "the server is asked too often"
        case _ if status in _REDIRECTS:
            return "the server redirects to another address, and the worker follows no redirects"
        case _ if status >= 500 or status in LATER:
            return "the server could not accept it now"
        case _:
            return "the server refuses it"


def retry_after(response: ClientResponse) -> float:
    """Return for how many seconds the server asks to be left alone; 0 if it does not ask."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        until = _moment(text)
        # The server's own clock decides, if it says what time it is.
        now = _moment(response.headers.get("Date", "")) or datetime.now(UTC)
        seconds = 0.0 if until is None else (until - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _moment(text: str) -> datetime | None:
    """Return the time of an HTTP date; None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):  # by what a text has in place of a date
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


async def _drain(response: ClientResponse) -> None:
    """Read the beginning of an answer, so that the connection can be kept if that is all of it."""
    left = _ANSWER_BYTES
    # The status has said what there is to know, so it does not matter whether the rest arrives.
    with contextlib.suppress(ClientError, OSError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            while left > 0 and not response.content.at_eof():
                left -= len(await response.content.read(left))
    if not response.content.at_eof():
        response.close()


def _trace() -> TraceConfig:
    """Return what notes how far an attempt has come."""

    async def on_sent(_session: ClientSession, context: Any, _params: Any) -> None:
        context.trace_request_ctx.is_sent = True

    async def on_reused(_session: ClientSession, context: Any, _params: Any) -> None:
        context.trace_request_ctx.is_reused = True

    trace = TraceConfig()
    trace.on_request_headers_sent.append(on_sent)
    trace.on_connection_reuseconn.append(on_reused)
    return trace
