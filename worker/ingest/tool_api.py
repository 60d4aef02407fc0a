"""Asking the API of a survey tool for answers, and what each of its answers and failures means.

    answer 200                                  the body
    answer 404, 410                             the answer does not exist any more: it is given up
    a body that is too large                    the same
    answer 401                                  the token is wrong: the API is left alone for a minute
    answer 429, 503                             the API cannot be used, for as long as Retry-After says
    answer 408, 425, and other 5xx              this request is sent again later
    every other answer, also a redirect         the API refuses this request, or every one (notify's outage.py)
    no connection                               the API cannot be used
    a connection that breaks, or a time-out     this request is sent again later

No redirect is followed, so the token goes to no other address. No proxy of the environment is used. No text of an
answer is logged.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
)
from yarl import URL

from worker.clock import Clock
from worker.errors import FetchError
from worker.file_state import FileState, file_state
from worker.flow.messages.fetch_order import Get
from worker.notify.posting import ABOUT_SERVER, HEADERS, LATER, TOO_MANY, retry_after, session_of, trouble_of
from worker.receive.apis import checked_token
from worker.receive.pacing import Pace
from worker.receive.settings import SourceSettings
from worker.secret_files import read_secret

log = logging.getLogger(__name__)

#: The largest body of an answer, in bytes. A page of a thousand answers takes less.
LARGEST = 8_000_000
#: How many requests there may be at the same time.
CONNECTIONS = 4
#: How long to wait for a connection, in seconds, unless the time-out of a request is shorter.
_CONNECT_SECONDS = 10.0
#: For how long the API is left alone after it has refused the token, in seconds.
_TOKEN_SECONDS = 60.0
_OK, _UNAUTHORIZED = 200, 401
_GONE = frozenset({404, 410})
#: What some answers mean, for people.
_MEANINGS: Mapping[int, str] = {
    _UNAUTHORIZED: "the API does not accept the token: has it ended? (api_token, api_token_file)",
    403: "the token may not read this answer: does it have the permissions of docs/sources.md? (api_token)",
    **dict.fromkeys(_GONE, "the API does not have the answer, or not any more (api_url)"),
    TOO_MANY: "the API is asked too often (api_requests_per_minute)",
}


class ToolApi:
    """The API of the tool of one source, which has an address and a token in the settings."""

    def __init__(self, source: SourceSettings, clock: Clock) -> None:
        assert source.api is not None
        assert source.api_token is not None
        self._source = source
        self._api = source.api
        self._clock = clock
        self._key = f"receive.sources, {source.name}"
        self._pace = Pace(source.api.requests_per_minute)
        self._token = _Token(source.api_token.get_secret_value(), source.api_token_file, self._key)
        self._session: ClientSession | None = None

    async def fetch(self, requests: Mapping[str, Get]) -> dict[str, bytes]:
        """Return the bodies of the answers to some requests, by their names. Raise FetchError without all of them."""
        return {name: await self._answer(get) for name, get in requests.items()}

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _answer(self, get: Get) -> bytes:
        now = self._clock.steady()
        await self._clock.wait(asyncio.Event(), self._pace.turn(now))
        url = URL(f"{self._api.url}{get.path}").update_query(get.query)
        headers = {**HEADERS, "Accept": "application/json", self._api.header: f"{self._api.prefix}{self._token.text}"}
        # The cause may quote the address. "from None" keeps it out of tracebacks.
        try:
            async with self._opened().get(url, headers=headers, allow_redirects=False) as response:
                if response.status != _OK:
                    raise self._refusal(response)
                return await self._body(response)
        except (ClientError, OSError) as error:
            raise self._failure(error) from None

    def _opened(self) -> ClientSession:
        """Return the session, which is made at the first request, since it needs a running loop."""
        if self._session is None:
            seconds = self._source.api_timeout_seconds
            timeout = ClientTimeout(total=seconds, sock_connect=min(seconds, _CONNECT_SECONDS))
            self._session = session_of(CONNECTIONS, timeout)
        return self._session

    async def _body(self, response: ClientResponse) -> bytes:
        """Return the body of an answer. Raise FetchError if it is too large."""
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > LARGEST:
                response.close()
                raise FetchError("too_large", f"{self._key}: an answer of the API has more than {LARGEST:,} bytes")
        return bytes(body)

    def _failure(self, error: Exception) -> FetchError:
        """Return what it means that there was no answer."""
        trouble = trouble_of(error)
        hint = trouble.hint.format(url="api_url", cafile="the environment variable SSL_CERT_FILE")
        is_away = isinstance(error, ClientConnectorError | ConnectionTimeoutError)
        return FetchError(
            trouble.reason, f"{self._key}: {hint}", retry=not is_away, unavailable=is_away, alarm=trouble.alarm
        )

    def _refusal(self, response: ClientResponse) -> FetchError:
        """Return what an answer means that is not 200."""
        status = response.status
        reason, seconds = f"http_{status}", retry_after(response)
        hint = f"{self._key}: {_meaning(status)}"
        if status == _UNAUTHORIZED:
            return FetchError(reason, hint, unavailable=True, alarm=True, retry_after=max(seconds, _TOKEN_SECONDS))
        if status in ABOUT_SERVER:
            return FetchError(reason, hint, unavailable=True, retry_after=seconds)
        if status in _GONE:
            return FetchError(reason, hint)
        if status in LATER or status >= 500:
            return FetchError(reason, hint, retry=True)
        return FetchError(reason, hint, in_doubt=True, alarm=True)


class _Token:
    """The token of an API. If it comes from a file that is replaced, the new one is used from then on."""

    def __init__(self, text: str, file: Path | None, key: str) -> None:
        self._text = text
        self._file = file
        self._key = key
        self._state = self._current()

    @property
    def text(self) -> str:
        """The token as it is now."""
        state = self._current()
        if self._file is not None and state != self._state:
            self._state = state
            try:
                self._text = checked_token(read_secret(self._file))
            except ValueError as error:  # UnreadableSecret is one
                log.warning("%s: api_token_file: %s; the earlier token stays in use", self._key, error)
        return self._text

    def _current(self) -> FileState | None:
        return None if self._file is None else file_state(self._file)


def _meaning(status: int) -> str:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 300 <= status < 400:
        return "the API redirects to another address, and the worker follows no redirects (api_url)"
    if status >= 500 or status in LATER:
        return "the API could not answer now"
    return "the API refuses the request (api_url)"
