"""Live updates of open pages, by server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

The content of a page is rendered when the stores that it shows have changed, and is sent if its HTML is another one. It
is rendered once for all people who have the same page open in the same language with the same rights; a page with forms
is rendered once for each person, and each session gets its own token in the forms. Only the newest content waits for a
client, whatever it has missed. A client that reads too slowly, or has vanished, is dropped.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from aiohttp import web

from worker.access.person import Person
from worker.cancelling import cancel_all
from worker.clock import Clock
from worker.flow.timestamps import HOUR
from worker.routing.receiver import Language
from worker.service import Background
from worker.web.entrance import Entrance, Visitor
from worker.web.routes import Route
from worker.web.showing import TOKEN, Found, Showing
from worker.web.view import View
from worker.web.visit import Visit

log = logging.getLogger(__name__)

#: The largest number of open pages that get updates.
MOST_CLIENTS = 500
#: The shortest time between two renderings of the same content, in ms. With it, what has happened is on an open page
#: within a second.
_SHORTEST_MS = 800
#: How often it is looked whether stores have changed, in seconds.
_LOOK_SECONDS = 0.1
#: How often it is looked for clients whose connection or session has ended, in ms.
_GONE_MS = 1_000
#: How often a client gets a comment, so that proxies keep its connection, and so that a client that has vanished is
#: noticed, in seconds.
_COMMENT_SECONDS = 15.0
#: How long a client may take to read what it gets, in seconds, and its system to acknowledge it, in ms.
_READ_SECONDS, _ACKNOWLEDGE_MS = 10.0, 30_000
#: How long a client is served until it has to come again, which checks its rights again, in seconds.
_LONGEST_SECONDS = 1_800.0
#: What a client gets if its page is no more, or is not one that the person may see any more.
_OVER = b"event: over\ndata:\n\n"
_COMMENT = b":\n\n"
#: A client whose connection breaks off comes again after so many milliseconds.
_BEGIN = b"retry: 2000\n\n"
_TYPE = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


class Key(NamedTuple):
    """What clients have in common that get the same content."""

    path: str
    query: tuple[tuple[str, str], ...]
    language: Language
    #: The person; without a name if the content has no forms.
    person: Person


@dataclass(eq=False)
class Client:
    """An open page."""

    #: The hash of the content that it has.
    seen: str
    token: bytes
    transport: asyncio.BaseTransport | None
    visitor: Visitor
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Watched:
    """Content that somebody has open."""

    route: Route
    visit: Visit
    clients: set[Client] = field(default_factory=set)
    #: What the content was made from: versions of stores, and how old the data is.
    made_from: tuple[int, ...] | None = None
    made_at: int = 0
    #: The hash of the content, and the event with it; empty if there is no such page any more.
    seen: str = ""
    event: bytes = _OVER


class Live:
    """A service that renews open pages."""

    def __init__(self, showing: Showing, entrance: Entrance, clock: Clock) -> None:
        self._showing = showing
        self._entrance = entrance
        self._clock = clock
        self._watched: dict[Key, Watched] = {}
        self._serving: set[asyncio.Task[object]] = set()
        self._is_open = False
        #: When it was looked for clients that have gone, in ms.
        self._looked_at = 0
        self._renewing = Background(self._run)

    @property
    def ready(self) -> bool:
        """Always true: pages can be read without it."""
        return True

    @property
    def clients(self) -> int:
        """The number of open pages that get updates."""
        return len(self._serving)

    @property
    def watched(self) -> int:
        """The number of different contents that are open."""
        return len(self._watched)

    async def start(self) -> None:
        """Begin."""
        self._is_open = True
        await self._renewing.start()

    async def stop(self) -> None:
        """End all connections."""
        self._is_open = False
        await self._renewing.stop()
        await cancel_all(self._serving)

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._renewing.failure()

    async def serve(
        self, request: web.Request, found: Found, visit: Visit, visitor: Visitor, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send the content of a page whenever it changes, until the client goes, or has to come again.

        `visit`: a visit of the page. The query's part `seen` is the hash of the content that the client has.
        """
        task = asyncio.current_task()
        if not self._is_open or task is None or len(self._serving) >= MOST_CLIENTS:
            return web.Response(status=503, text="busy\n", headers={**headers, "Retry-After": "30"})
        response = web.StreamResponse(headers={**headers, **_TYPE})
        _give_up_early(request)
        key = _key(found.route, visit)
        seen = request.headers.get("Last-Event-ID") or request.query.get("seen", "")
        client = Client(seen, visit.form_token.encode(), request.transport, visitor)
        self._serving.add(task)
        watched = self._watched.setdefault(key, Watched(found.route, replace(visit, person=key.person)))
        watched.clients.add(client)
        try:
            await self._send_all(request, response, watched, client)
        except (ConnectionError, TimeoutError):  # the client has gone, or is too slow
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._serving.discard(task)
            watched.clients.discard(client)
            if not watched.clients and self._watched.get(key) is watched:
                del self._watched[key]
        return response

    async def _send_all(
        self, request: web.Request, response: web.StreamResponse, watched: Watched, client: Client
    ) -> None:
        if watched.made_from is None:
            self._renew(watched)
        until = self._clock.steady() + _LONGEST_SECONDS * 1_000
        async with asyncio.timeout(_READ_SECONDS):
            await response.prepare(request)
            await response.write(_BEGIN)
        while self._clock.steady() < until and self._entrance.is_still_in(client.visitor):
            client.news.clear()
            data = _COMMENT
            if watched.seen != client.seen or watched.event is _OVER:
                client.seen, data = watched.seen, watched.event.replace(TOKEN.encode(), client.token)
            async with asyncio.timeout(_READ_SECONDS):
                await response.write(data)
            if watched.event is _OVER:
                return
            try:
                async with asyncio.timeout(_COMMENT_SECONDS):
                    await client.news.wait()
            except TimeoutError:
                continue

    async def _run(self) -> None:
        """Renew what is open, again and again."""
        while True:
            for watched in list(self._watched.values()):
                if self._is_due(watched):
                    began = self._clock.steady()
                    self._renew(watched)
                    # At least half of the time is left for other work.
                    await asyncio.sleep((self._clock.steady() - began) / 1_000)
            self._wake_those_who_go()
            await asyncio.sleep(_LOOK_SECONDS)

    def _wake_those_who_go(self) -> None:
        """Let those notice it now whose connection or session has ended, rather than at their next comment."""
        now = self._clock.steady()
        if now - self._looked_at < _GONE_MS:
            return
        self._looked_at = now
        for watched in self._watched.values():
            for client in watched.clients:
                has_gone = client.transport is None or client.transport.is_closing()
                if has_gone or not self._entrance.is_still_in(client.visitor):
                    client.news.set()

    def _is_due(self, watched: Watched) -> bool:
        """Say whether content has to be rendered again."""
        if self._clock.steady() - watched.made_at < _SHORTEST_MS:
            return False
        return watched.made_from != self._makes(watched.route)

    def _makes(self, route: Route) -> tuple[int, ...]:
        """Return what the content of a route would be made from now."""
        board = self._showing.board
        fresh = board.freshness(self._clock.now())
        return (*board.versions(sorted(route.kinds)), fresh.caught_up, fresh.age_ms // HOUR)

    def _renew(self, watched: Watched) -> None:
        """Render content, and wake the clients that have another one. A bug ends the page's updates, and no other."""
        watched.made_from, watched.made_at = self._makes(watched.route), self._clock.steady()
        visit = replace(watched.visit, now=self._clock.now())
        watched.seen, watched.event = "", _OVER
        try:
            shown = self._showing.ask(watched.route, visit)
            if isinstance(shown, View) and shown.status < 400:
                main, watched.seen = self._showing.content(shown, visit)
                watched.event = _event(main, watched.seen)
        except Exception:
            log.exception("a page could not be renewed because of a bug in the worker: please report this line")
        for client in watched.clients:
            if client.seen != watched.seen or watched.event is _OVER:
                client.news.set()


def _key(route: Route, visit: Visit) -> Key:
    """Return what a visit shares with others."""
    person = visit.person if route.has_forms else replace(visit.person, name="")
    return Key(visit.path, tuple(visit.query.items()), visit.language, person)


def _event(main: str, seen: str) -> bytes:
    """Return content as an event. Its lines end with line feeds only, since events know other line ends as well."""
    lines = main.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return (f"id: {seen}\nevent: page\n" + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def _give_up_early(request: web.Request) -> None:
    """Let the system end a connection whose other end does not acknowledge anything any more."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _ACKNOWLEDGE_MS)
