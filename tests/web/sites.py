"""The pages over HTTP, with cases of one customer and without a Kafka: commands are carried out at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession
from flow.cases.following import CUSTOMER, Following, opened
from flow.records import HOUR, NOW
from pydantic import SecretStr
from serving import listening

from schemas.alert_command import CommandAction
from schemas.alert_command_result import AlertCommandResult
from worker.access.client import Network
from worker.clock import SystemClock
from worker.flow.cases.known import KnownCase
from worker.links.signing import Link, Links
from worker.notify.content.readers import Readers, zone
from worker.routing.receiver import Receiver
from worker.server import Server
from worker.service import Failure
from worker.web.site import HEADERS, Needs, Site

LINKS = Links((SecretStr("k" * 32),), 30)
ACKNOWLEDGE = Link(CommandAction.ACKNOWLEDGE, "a-1", NOW, "care")
RESOLVE = ACKNOWLEDGE._replace(action=CommandAction.RESOLVE)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Give = Callable[[dict[str, Any]], Awaitable[AlertCommandResult | None]]


class Clock(SystemClock):
    """A clock that shows the time that a test sets."""

    time = NOW + HOUR

    def now(self) -> int:
        return self.time


class Desk:
    """The cases as the pages see them, and the commands that they have given."""

    def __init__(self, following: Following | None = None) -> None:
        self.following = opened() if following is None else following
        self.ready = True
        self.clock = Clock()
        self.given: list[dict[str, Any]] = []
        self.give: Give = self.carry_out
        self.failure = Failure()
        self.port = 0
        #: Where the page with scores and cases begins; None if it is not served.
        self.page_url: str | None = None

    def find(self, alert_id: str, now: int) -> KnownCase | None:
        assert now == self.clock.time
        case = self.following.case(alert_id)
        return None if case is None else KnownCase(CUSTOMER.decode(), case)

    async def carry_out(self, command: dict[str, Any]) -> AlertCommandResult | None:
        self.given.append(command)
        return AlertCommandResult.model_validate(self.following.say(command, self.clock.time), strict=False)

    def url(self, link: Link, links: Links = LINKS) -> str:
        return f"http://127.0.0.1:{self.port}{links.url(link)}"


def site_of(desk: Desk, body_seconds: float = 60.0, proxies: tuple[Network, ...] = ()) -> Site:
    """Return the pages of a desk."""
    receivers = {
        "lyon": Receiver("lyon", {}, language="fr", zone=zone("Europe/Paris")),
        "care": Receiver("care", {}),
    }
    needs = Needs(
        links=LINKS,
        cases=desk,
        give=desk.give,
        policy=desk.following.policy,
        readers=Readers("en"),
        receivers=receivers,
        clock=desk.clock,
        failure=desk.failure,
        body_seconds=body_seconds,
        proxies=proxies,
        page_url=desk.page_url,
    )
    return Site(needs)


@asynccontextmanager
async def served(
    desk: Desk, *, head_seconds: float = 60.0, body_seconds: float = 60.0, proxies: tuple[Network, ...] = ()
) -> AsyncIterator[ClientSession]:
    """Serve the pages; yield a client."""
    application = site_of(desk, body_seconds, proxies).application()
    server = Server(application, "127.0.0.1", 0, desk.failure, headers=HEADERS, head_seconds=head_seconds)
    async with listening(server), ClientSession() as client:
        desk.port = server.port
        yield client
