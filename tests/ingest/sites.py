"""The HTTP server of the receiver without a Kafka: what it would publish is kept in a list."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession
from receive.deliveries import AT, KEY
from serving import listening

from worker.clock import SystemClock
from worker.errors import Unreachable
from worker.flow.batch import Output
from worker.flow.policy import IntakePolicy
from worker.ingest.site import HEADERS, Needs, Site
from worker.kafka.producing import Publish
from worker.receive.entries import entries
from worker.receive.settings import ReceiveSettings
from worker.server import Server
from worker.service import Failure

#: A source whose tool signs, one whose secret is in a header, and one whose secret is in the path.
SECRET = "s3cr3t-of-the-source"
SOURCES = [
    {"name": "signed", "tool": "template", "secrets": [SECRET], "signature": "hmac-sha256-hex",
     "signature_header": "X-Signature"},
    {"name": "by_header", "tool": "template", "secrets": [SECRET]},
    {"name": "by_path", "tool": "template", "secrets": [SECRET], "signature": "secret-path"},
]  # fmt: skip
RESPONSE = {
    "response_id": "r-1",
    "survey_id": "s-1",
    "customer_id": "c-1",
    "score": 3,
    "comment": "Trop lent.",
    "responded_at": "2026-03-02T10:00:00Z",
}


class Clock(SystemClock):
    """A clock that shows the time at which the signatures of the fixtures were made."""

    time = AT

    def now(self) -> int:
        return self.time


class Desk:
    """What a receiver has published and counted."""

    def __init__(self) -> None:
        self.published: list[Output] = []
        self.asked = 0
        self.is_away = False
        self.counted = Counter[tuple[str, str]]()
        self.acknowledged = Counter[str]()
        self.clock = Clock()
        self.port = 0
        self.publish: Publish = self.keep

    async def keep(self, outputs: Sequence[Output], seconds: float) -> None:
        assert seconds > 0
        self.asked += 1
        if self.is_away:
            raise Unreachable("Kafka has not acknowledged in time")
        self.published += outputs

    def on_outcome(self, source: str, outcome: str, count: int = 1) -> None:
        self.counted[source, outcome] += count

    def on_acknowledged(self, source: str, seconds: float) -> None:
        assert seconds >= 0
        self.acknowledged[source] += 1

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def settings_of(**changes: Any) -> ReceiveSettings:
    return ReceiveSettings.model_validate({"pseudonym_key": KEY, "sources": SOURCES, **changes})


def site_of(desk: Desk, settings: ReceiveSettings, policy: IntakePolicy | None = None) -> Site:
    """Return the server of a desk."""
    return Site(
        Needs(
            settings=settings,
            entries=entries(settings),
            policy=policy or IntakePolicy(),
            publish=desk.publish,
            clock=desk.clock,
            observer=desk,
            is_ready=lambda: not desk.is_away,
        )
    )


@asynccontextmanager
async def served(desk: Desk, *, policy: IntakePolicy | None = None, **changes: Any) -> AsyncIterator[ClientSession]:
    """Serve a receiver with these settings; yield a client."""
    application = site_of(desk, settings_of(**changes), policy).application()
    server = Server(application, "127.0.0.1", 0, Failure(), headers=HEADERS, head_seconds=60.0, as_sent=True)
    async with listening(server), ClientSession() as client:
        desk.port = server.port
        yield client


async def post(
    client: ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], str]:
    """Post a delivery; return the status, the headers and the text of the answer."""
    async with client.post(url, data=body, headers=headers) as response:
        return response.status, response.headers, await response.text()
