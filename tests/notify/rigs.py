"""Each channel with a real server of its own on 127.0.0.1, whose answers a test chooses."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

import trustme
from aiohttp import web
from pydantic import SecretStr

from worker.embedded.inbox import Answer, Cut, Inbox, Step
from worker.embedded.inbox import Mail as Received
from worker.notify.channel import Channel
from worker.notify.channels.chat.channel import Chat
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.email.channel import Email
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.smtp import SmtpSettings
from worker.notify.channels.webhook.channel import Webhook
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.digest import Content
from worker.notify.receivers import Address
from worker.routing.receiver import Receiver

HOST = "127.0.0.1"
#: What no log line and no error may show: a part of each address, and each secret.
SECRET_PATH = "T00-B11-s3cr3t-path"
SECRET_QUERY = "s3cr3t-query"
SECRET_KEY = b64encode(b"s3cr3t-key-of-24-bytes..").decode()
PASSWORD = "s3cr3t-password"
RECEIVER = "s3cr3t.receiver@example.org"
NEVER_SHOWN = (SECRET_PATH, SECRET_QUERY, SECRET_KEY, PASSWORD, RECEIVER)


class What(Enum):
    """What a server does with the next notice."""

    ACCEPT = auto()
    LATER = auto()  # it refuses the notice for now
    NEVER = auto()  # it refuses the notice for good
    BUSY = auto()  # it says that it takes nothing at all now
    HANG_UP = auto()  # it gets the whole notice, and closes the connection without an answer
    SILENT = auto()  # it gets the whole notice, and never answers


class Server(Protocol):
    """A server, and what it has accepted."""

    does: What
    #: Is set when the server has got something that it does not answer.
    reached: asyncio.Event

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def accepted(self) -> Sequence[str]:
        """The delivery id of each notice that it has accepted, in order."""


class Rig:
    """A channel, and how to send by it."""

    def __init__(self, channel: Channel, receiver: Receiver) -> None:
        self.channel = channel
        self.begun = 0
        [targets] = receiver.targets.values()
        self._address = Address(receiver, receiver.name, [*targets])

    def is_for(self, channel: str) -> bool:
        return channel in self._address.receiver.targets

    async def send(self, notice: Content, delivery_id: str = "d-1") -> int | None:
        return await self.channel.send(notice, self._address, delivery_id, self._begin)

    def _begin(self) -> None:
        self.begun += 1


#: Makes a rig whose server is at a port. With `cafile` the channel uses TLS, and trusts this file.
MakeRig = Callable[..., Rig]


def email(port: int, *, cafile: Path | None = None, seconds: float = 30.0) -> Rig:
    tls: dict[str, Any] = {"tls": "none"} if cafile is None else {"tls": "implicit", "cafile": cafile}
    if cafile is not None:
        tls |= {"username": "nps", "password": SecretStr(PASSWORD)}
    settings = SmtpSettings(host=HOST, port=port, timeout_seconds=seconds, accept_timeout_seconds=seconds, **tls)
    return Rig(Email(settings, Letterhead("nps@example.org", "en")), Receiver("desk", {"email": [RECEIVER]}))


def webhook(port: int, *, cafile: Path | None = None, seconds: float = 30.0) -> Rig:
    crm = {**_endpoint(port, cafile), "secrets": [f"whsec_{SECRET_KEY}"]}
    return Rig(
        Webhook(WebhookSettings(endpoints={"crm": crm}, timeout_seconds=seconds)), Receiver("crm", {"webhook": ["crm"]})
    )


def chat(port: int, *, cafile: Path | None = None, seconds: float = 30.0) -> Rig:
    settings = ChatSettings(endpoints={"care": _endpoint(port, cafile)}, timeout_seconds=seconds)
    return Rig(Chat(settings), Receiver("care", {"chat": ["care"]}))


def _endpoint(port: int, cafile: Path | None) -> dict[str, Any]:
    scheme = "http" if cafile is None else "https"
    return {"url": f"{scheme}://{HOST}:{port}/hooks/{SECRET_PATH}?token={SECRET_QUERY}", "cafile": cafile}


RIGS: dict[str, MakeRig] = {"email": email, "webhook": webhook, "chat": chat}


@asynccontextmanager
async def server_of(channel: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server that fits a channel."""
    if channel == "email":
        async with _mail_server(tls) as mail_server:
            yield mail_server
    else:
        async with http_server(tls) as server:
            yield server


class _MailServer:
    def __init__(self, tls: ssl.SSLContext | None) -> None:
        credentials = None if tls is None else ("nps", PASSWORD)
        self.inbox = Inbox(behaviour=self._answer, tls=tls, implicit_tls=tls is not None, credentials=credentials)
        self.does = What.ACCEPT
        self.reached = asyncio.Event()

    @property
    def port(self) -> int:
        return self.inbox.port

    @property
    def accepted(self) -> list[str]:
        return [str(mail.message["Message-ID"]).strip("<>").partition("@")[0] for mail in self.inbox.mails]

    async def _answer(self, step: Step, _: Received) -> Answer:
        match step, self.does:
            case Step.MAIL, What.BUSY:
                return "421 4.7.0 too busy"
            case Step.RCPT, What.LATER:
                return f"450 4.2.0 {RECEIVER} later"
            case Step.RCPT, What.NEVER:
                return f"550 5.1.1 {RECEIVER} unknown"
            case Step.DATA, What.HANG_UP:
                return Cut.LOST
            case Step.DATA, What.SILENT:
                self.reached.set()
                await asyncio.get_running_loop().create_future()
        return None


@asynccontextmanager
async def _mail_server(tls: ssl.SSLContext | None) -> AsyncIterator[_MailServer]:
    server = _MailServer(tls)
    async with server.inbox:
        yield server


class HttpServer:
    """An HTTP server. `answer` says what it answers next, if `does` is ACCEPT; by default that it accepts."""

    def __init__(self) -> None:
        self.port = 0
        self.does = What.ACCEPT
        self.accepted: list[str] = []
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()
        self._answered = asyncio.Event()
        self.requests: list[tuple[web.BaseRequest, bytes]] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.Response(text="ok")

    async def arrived(self) -> None:
        """Wait for the next request."""
        self._answered.clear()
        await self._answered.wait()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request, body))
        self._answered.set()
        match self.does:
            case What.BUSY:
                return web.Response(status=429, text=SECRET_PATH)
            case What.LATER:
                return web.Response(status=500, text=SECRET_PATH)
            case What.NEVER:
                return web.Response(status=404, text=SECRET_PATH)
            case What.HANG_UP:
                assert request.transport is not None
                request.transport.abort()
            case What.SILENT:
                self.reached.set()
                await self.let_go.wait()
            case What.ACCEPT:
                self.accepted.append(request.headers.get("webhook-id") or request.headers["Idempotency-Key"])
        return self.answer()


@asynccontextmanager
async def http_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpServer]:
    """Run an HTTP server that takes every request."""
    server = HttpServer()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await server.handle(request)  # which may be replaced at any time

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0, ssl_context=tls)
        await site.start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        server.let_go.set()
        await runner.cleanup()


def certificate(folder: Path, name: str = HOST) -> tuple[ssl.SSLContext, Path]:
    """Return what a server needs to be called by this name, and the file of the authority that says so."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    cafile = folder / "authority.pem"
    authority.cert_pem.write_to_path(cafile)
    return context, cafile
