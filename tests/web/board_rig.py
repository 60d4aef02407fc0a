"""The page over HTTP, with a made-up board and without a Kafka: what it publishes and the commands are kept."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any, NamedTuple

from aiohttp import ClientResponse, ClientSession, CookieJar, web
from aiokafka import ConsumerRecord
from argon2 import PasswordHasher
from jinja2 import ChoiceLoader, DictLoader
from pydantic import SecretStr
from serving import listening
from web.boards import NOW

from worker.access.person import Permission
from worker.access.session import Seals
from worker.board.board import Board
from worker.clock import SystemClock
from worker.errors import Unreachable
from worker.flow import events
from worker.flow.batch import Output, Place
from worker.links.settings import WebSettings
from worker.notify.content.readers import Readers
from worker.server import Server
from worker.service import Failure
from worker.settings import Settings
from worker.web.answers import HEADERS
from worker.web.assets import Assets
from worker.web.auditing import Audit
from worker.web.board_site import BoardSite, Needs
from worker.web.commanding import Answer
from worker.web.cookies import Cookies
from worker.web.entrance import Entrance
from worker.web.gate import Gate
from worker.web.giving import Giving
from worker.web.live import Live
from worker.web.login import Login
from worker.web.login import Needs as LoginNeeds
from worker.web.oidc import Provider
from worker.web.plain import Plain
from worker.web.rendering import Rendering
from worker.web.routes import Route
from worker.web.sessions import Sessions
from worker.web.showing import Showing
from worker.web.view import NotFound, SeeOther, Table, View
from worker.web.visit import Visit

KEY = "a key of the tests with more than 32 characters"
PASSWORD = "correct horse battery staple"
#: Hashes that take no time to verify, unlike those of hash_of.
HASH, OTHER_HASH = (PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD) for _ in range(2))
USERS: Mapping[str, Any] = {
    "viv": {"password_hash": HASH, "permission": "view"},
    "ann": {"password_hash": HASH, "permission": "act", "segments": ["Retail"]},
    "adm": {"password_hash": HASH, "permission": "admin"},
}


STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


class Clock(SystemClock):
    """A clock that shows the time that a test sets."""

    time = NOW

    def now(self) -> int:
        return self.time

    def steady(self) -> int:
        return super().steady() + self.time - NOW


class Answered(NamedTuple):
    """The worker's answer to a command."""

    outcome: str
    reason: str | None = None


TEMPLATES = {
    "hello.html.j2": """{% extends "layout.html.j2" %}
{% block title %}Hello{% endblock %}
{% block main %}<p>said: {{ said }}</p>{% endblock %}""",
    "asking.html.j2": """{% extends "layout.html.j2" %}
{% block title %}Asking{% endblock %}
{% block main %}<p>{{ visit.person.name }}, version {{ said }}</p><form method="post" action="/act/a-1">
<input type="hidden" name="token" value="{{ visit.form_token }}"><input name="note"></form>{% endblock %}""",
}

# The pages and actions of the rig


class Texts:
    """A text that a test changes, and the pages that show it."""

    def __init__(self) -> None:
        self.text = ""
        #: How often the page was made.
        self.made = 0

    def hello(self, visit: Visit, board: Board) -> View | Table | NotFound:
        """Show whose page it is, and the text that the query has."""
        del board
        self.made += 1
        if visit.query.get("gone"):
            return NotFound()
        if visit.query.get("csv"):
            return Table("hello", ("customer",), [("=1+1",), ("Anna",), (3,)])
        return View("hello.html.j2", {"said": visit.query.get("said", "") + self.text})

    def fragile(self, visit: Visit, board: Board) -> View:
        """Fail once the text says so."""
        if self.text == "broken":
            raise RuntimeError("canary")
        del visit
        return View("hello.html.j2", {"said": str(board.scores.version)})


def asking(visit: Visit, board: Board) -> View:
    """Show a form, and how many scores are known."""
    return View("asking.html.j2", {"said": str(board.scores.version)})


async def act(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View:
    """Give a command about the case whose id is in the path."""
    del board
    if "note" not in form:
        return View("hello.html.j2", {"said": "no note"}, status=422)
    command = {"alert_id": visit.parts["alert_id"], "customer_id": "c-1", "action": "note", "note": form["note"]}
    given = await gate.on_case(visit, command)
    return SeeOther(f"/hello?said={given.outcome}")


async def silence(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther:
    """End a silence."""
    del board, form
    given = await gate.on_silence(visit, {"silence_id": "s-1", "action": "end"})
    return SeeOther(f"/hello?said={given.outcome}")


async def again(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther:
    """Send a dead letter again."""
    del board, form
    given = await gate.send_again(visit, letter="nps.responses/0/7", customer_id="c-1", value=b"{}")
    return SeeOther(f"/hello?said={given.outcome}")


def broken(visit: Visit, board: Board) -> View:
    """Fail, as a handler with a bug would."""
    raise RuntimeError(visit.query["canary"])


def routes_of(texts: Texts) -> tuple[Route, ...]:
    """Return the routes of the rig."""
    return (
        Route("GET", "/hello", Permission.VIEW, texts.hello, frozenset({"scores"})),
        Route("GET", "/fragile", Permission.VIEW, texts.fragile, frozenset({"scores"})),
        Route("GET", "/asking", Permission.VIEW, asking, frozenset({"scores"}), has_forms=True),
        Route("GET", "/admin", Permission.ADMIN, texts.hello, frozenset({"scores"})),
        Route("GET", "/broken", Permission.VIEW, broken),
        Route("POST", "/act/{alert_id}", Permission.ACT, act),
        Route("POST", "/silence", Permission.ADMIN, silence),
        Route("POST", "/again", Permission.ADMIN, again, largest_form=100_000),
    )


@dataclass
class Rig:
    """The page, and what it has done."""

    web: WebSettings = field(default_factory=WebSettings)
    board: Board = field(default_factory=Board)
    #: Those of the rig, unless a test has others.
    routes: Sequence[Route] = ()
    texts: Texts = field(default_factory=Texts)
    clock: Clock = field(default_factory=Clock)
    #: What was published on nps.audit, and everything else.
    audited: list[dict[str, Any]] = field(default_factory=list)
    published: list[Output] = field(default_factory=list)
    given: list[dict[str, Any]] = field(default_factory=list)
    answer: Answered | None = field(default_factory=lambda: Answered("applied"))
    #: Whether Kafka answers.
    is_there: bool = True
    body_seconds: float = 60.0
    #: The live updates of each process.
    lives: list[Live] = field(default_factory=list)
    #: The sessions of other processes, which learn from the topic.
    others: list[Sessions] = field(default_factory=list)

    async def publish(self, outputs: Sequence[Output], seconds: float) -> list[Place]:
        assert seconds > 0
        if not self.is_there:
            raise Unreachable("Kafka has not acknowledged in time")
        for output in outputs:
            if output.topic == events.AUDIT:
                self.audited.append(json.loads(output.value or b""))
                for sessions in self.others:
                    sessions.take([record(output, len(self.audited))])
            else:
                self.published.append(output)
        return [Place(0, len(self.published)) for _ in outputs]

    async def give(self, command: dict[str, Any]) -> Answer | None:
        if not self.is_there:
            raise Unreachable("Kafka does not answer")
        self.given.append(command)
        return self.answer

    def site(self, failure: Failure) -> tuple[BoardSite, Live]:
        """Return what serves the page, and its live updates."""
        auth = self.web.auth
        seals = Seals(self.web.keys or [SecretStr(KEY)])
        cookies = Cookies(is_https=auth.is_set and self.web.is_https)
        sessions = Sessions(Settings(web=self.web), self.clock.now)
        sessions.note_caught_up({0: 0})
        self.others.append(sessions)
        entrance = Entrance(self.web, seals, cookies, sessions, self.clock.now)
        audit = Audit(self.publish, self.clock)
        assets = Assets()
        rendering = Rendering(assets)
        usual = rendering.templates.loader
        assert usual is not None
        rendering.templates.loader = ChoiceLoader([usual, DictLoader(TEMPLATES)])
        routes = self.routes or routes_of(self.texts)
        showing = Showing(self.board, routes, rendering)
        live = Live(showing, entrance, self.clock)
        self.lives.append(live)
        provider = None if auth.oidc.issuer is None else Provider(auth.oidc, self.web.base_url or "", self.clock)
        login = Login(LoginNeeds(auth, seals, cookies, entrance, sessions, audit, self.clock, provider))
        needs = Needs(
            routes=routes,
            showing=showing,
            plain=Plain(rendering),
            assets=assets,
            readers=Readers("en"),
            seals=seals,
            cookies=cookies,
            entrance=entrance,
            sessions=sessions,
            login=login,
            gate=Giving(self.give, self.give, self.publish, audit, self.clock).gate,
            audit=audit,
            live=live,
            clock=self.clock,
            failure=failure,
            body_seconds=self.body_seconds,
        )
        return BoardSite(needs), live


def record(output: Output, offset: int) -> ConsumerRecord:
    """Return a record that was published, as a reader gets it."""
    return ConsumerRecord(
        output.topic, 0, offset, 0, 0, output.key, output.value, None, 0, len(output.value or b""), ()
    )


class Browser:
    """A browser: it has cookies, and sends the forms of pages as people do."""

    def __init__(self, client: ClientSession, base: str) -> None:
        self.client = client
        self.base = base
        #: The page that was opened last.
        self.text = ""
        self.status = 0

    async def get(self, path: str, **headers: str) -> ClientResponse:
        async with self.client.get(self.base + path, allow_redirects=False, headers=headers) as response:
            self.text, self.status = await response.text(), response.status
            return response

    async def open(self, path: str) -> str:
        """Open a page, and go where it leads."""
        async with self.client.get(self.base + path) as response:
            self.text, self.status = await response.text(), response.status
            return self.text

    @property
    def token(self) -> str:
        """The token of the forms of the page that was opened last."""
        found = re.search(r'name="token" value="([^"]*)"', self.text)
        assert found is not None, self.text
        return unescape(found[1])

    async def post(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        """Send a form as a browser does, with the token of the last page."""
        sent = {"token": self.token if token is None else token, **fields}
        usual = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        async with self.client.post(
            self.base + path, data=sent, headers=usual if headers is None else headers, allow_redirects=False
        ) as response:
            self.text, self.status = await response.text(), response.status
            return response

    async def log_in(self, name: str, password: str = PASSWORD, to: str = "/hello") -> ClientResponse:
        """Log in by the login's page."""
        await self.get("/login")
        return await self.post("/login", {"name": name, "password": password, "to": to})

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie."""
        found = [cookie for cookie in self.client.cookie_jar if cookie.key == name]
        return found[0].value if found else None


async def token_of(browser: Browser, path: str = "/hello") -> str:
    """Return the token of the forms that a person gets now."""
    await browser.open(path)
    return browser.token


def check_guarded(response: ClientResponse, *, is_kept: bool = False) -> None:
    """Assert what holds for every answer."""
    headers = response.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == STRICT
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Server"] == "detractor-worker"
    assert ("immutable" in headers["Cache-Control"]) == is_kept
    assert is_kept or headers["Cache-Control"] == "no-store"


def with_users(**further: Any) -> WebSettings:
    """Return settings with a login by passwords, at an address of this machine."""
    auth = {"users": USERS, **further.pop("auth", {})}
    return WebSettings(base_url="http://127.0.0.1:1", keys=[KEY], auth=auth, **further)


@asynccontextmanager
async def served(rig: Rig, number: int = 1) -> AsyncIterator[list[Browser]]:
    """Serve the page in one process; yield browsers without cookies."""
    failure = Failure()
    site, live = rig.site(failure)
    application = web.Application()
    application.add_routes(site.routes())
    application.router.add_route("*", "/{path:.*}", site.not_found())
    server = Server(application, "127.0.0.1", 0, failure, headers=HEADERS)
    await live.start()
    async with listening(server) as base:
        clients = [ClientSession(cookie_jar=CookieJar(unsafe=True)) for _ in range(number)]
        try:
            yield [Browser(client, base) for client in clients]
        finally:
            await live.stop()
            for client in clients:
                await client.close()
