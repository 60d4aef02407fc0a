"""Endpoints of webhooks, which count what they accept."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web
from chaos.received_mails import SaidSilence
from notify.rigs import HOST, HttpServer, http_server

from schemas import cloudevents

_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#: How many events a worker sends at a time to each endpoint (webhook.connections), and how many it has not written down
#: at most: those that it sends, and those whose results wait.
HANDS = 2
IN_HAND = 2 * HANDS


class Arrived(NamedTuple):
    """An event that an endpoint has accepted: its id, and when, in ms.

    `about`: the id of the alert, the incident or the digest. For a digest, `listed` has the ids of the alerts and
    incidents; `silences` and `held` are what it says of silences, and which of its entries each has held back.
    """

    endpoint: str
    event_id: str
    at: int
    about: str = ""
    listed: tuple[str, ...] = ()
    silences: tuple[SaidSilence, ...] = ()
    held: Mapping[str, str] = MappingProxyType({})


class Endpoints:
    """Endpoints of one server, by the last part of their address; what each has accepted, by the id of the event."""

    def __init__(self, server: HttpServer, count: int) -> None:
        self._port = server.port
        self.names = [f"e{number}" for number in range(count)]
        self.accepted: dict[str, Counter[str]] = {name: Counter() for name in self.names}
        #: The same, copies included, in the order in which they came.
        self.arrived: list[Arrived] = []
        #: How often each digest lists each alert, by the endpoint and the digest's id.
        #: A notice that is withdrawn between two copies is not in the second one; the most of them count.
        self.digests: dict[tuple[str, str], Counter[str]] = {}
        self.seconds = 0.0
        #: How many events the endpoints have got and not answered yet.
        self.in_hand = 0
        #: Is called with each event that has come in full; returns whether it is accepted.
        self.on_event: Callable[[], bool] = lambda: True
        server.handle = self._handle  # type: ignore[method-assign]

    @property
    def env(self) -> dict[str, str]:
        """The variables that name them."""
        url = f"http://{HOST}:{self._port}"
        endpoints = {name: {"url": f"{url}/{name}", "secrets": [_SECRET]} for name in self.names}
        return {
            "NPS_WEBHOOK__ENDPOINTS": json.dumps(endpoints),
            "NPS_WEBHOOK__CONNECTIONS": str(HANDS),
            "NPS_WEBHOOK__RETRY__FIRST_SECONDS": "0.5",
            "NPS_WEBHOOK__RETRY__LONGEST_SECONDS": "1",
        }

    @property
    def digest_of(self) -> dict[str, str]:
        """The digest of each event that is one, by the event's id. An updated digest comes as another event."""
        return {one.event_id: one.about for one in self.arrived if one.listed}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        event = json.loads(await request.read())
        self.in_hand += 1
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
        finally:
            self.in_hand -= 1
        if self.on_event():
            endpoint, event_id = request.path.strip("/"), request.headers["webhook-id"]
            self.accepted[endpoint][event_id] += 1
            arrived = _arrived(endpoint, event_id, event)
            self.arrived.append(arrived)
            if event["type"] == cloudevents.DIGEST:
                place = endpoint, arrived.about
                self.digests[place] = self.digests.get(place, Counter[str]()) | Counter(arrived.listed)
            return web.Response()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _arrived(endpoint: str, event_id: str, event: Any) -> Arrived:
    now, body = int(time.time() * 1_000), event["data"]
    if event["type"] != cloudevents.DIGEST:
        return Arrived(endpoint, event_id, now, body.get("alert_id", ""))
    held = {one["data"]["alert_id"]: one["silence_id"] for one in body["entries"] if one["silence_id"]}
    said = (SaidSilence(one["silence_id"], one["created_by"], one["reason"]) for one in body["silences"])
    listed = tuple(entry["data"]["alert_id"] for entry in body["entries"])
    return Arrived(endpoint, event_id, now, body["digest_id"], listed, tuple(said), held)


@asynccontextmanager
async def endpoints(count: int) -> AsyncIterator[Endpoints]:
    """Serve so many endpoints."""
    async with http_server() as server:
        yield Endpoints(server, count)
