"""An SMTP server on 127.0.0.1 that keeps what it is given, and answers as a test asks it to."""

import asyncio
import email
import hmac
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default as default_policy
from enum import Enum, StrEnum, auto
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
LARGEST_MAIL = 64 * 1024 * 1024  # bytes


class Step(StrEnum):
    """Where in the conversation an answer can be chosen."""

    CONNECT = auto()  # instead of the greeting
    MAIL = auto()
    RCPT = auto()
    CONTENT = auto()  # DATA was asked for: a reply comes instead of 354, a cut after the mail's first line
    DATA = auto()  # the mail was read in full and would be kept and answered with 250


class Cut(Enum):
    """Instead of an answer: the connection is dropped, and the client does not learn what became of the mail."""

    LOST = auto()
    KEPT = auto()  # at Step.DATA: the mail counts as accepted all the same


@dataclass(frozen=True)
class Drip:
    """At Step.DATA: the mail is kept, and this reply sent byte by byte, with a pause of so many seconds after each."""

    reply: bytes
    pause: float


@dataclass(frozen=True)
class Mail:
    """A mail, or as much of it as is known at a step: at RCPT the newest recipient is the last one.

    `encrypted`: whether what was said so far was.
    """

    sender: str = ""
    recipients: tuple[str, ...] = ()
    content: bytes = b""
    encrypted: bool = False

    @property
    def message(self) -> EmailMessage:
        """The content, parsed, with Python's line ends."""
        return email.message_from_bytes(self.content.replace(b"\r\n", b"\n"), EmailMessage, policy=default_policy)


# A full reply line such as "450 4.2.0 later", a cut, a drip, or None for "go on"; it may await an event before that.
Answer = str | Cut | Drip | None
Behaviour = Callable[[Step, Mail], Awaitable[Answer]]


class Inbox:
    """The server, in the running event loop; also an async context manager.

    `tls` is offered as STARTTLS (demanded with `require_starttls`), or spoken from the first byte with
    `implicit_tls`. With `credentials`, a user name and a password, nobody else may send; over STARTTLS they are taken
    only once it is encrypted. `on_mail` is called with each accepted mail. `behaviour` may be set anew at any time.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        behaviour: Behaviour | None = None,
        on_mail: Callable[[Mail], None] | None = None,
        tls: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        implicit_tls: bool = False,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.port = port  # 0 until `start` found a free one
        self.mails: list[Mail] = []
        self._on_mail = on_mail
        self._tls = tls
        self._require_starttls = require_starttls
        self._implicit_tls = implicit_tls
        self._credentials = credentials
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def host(self) -> str:
        """Where it listens."""
        return HOST

    @property
    def accepted(self) -> int:
        """How many mails it has accepted."""
        return len(self.mails)

    async def wait_for(self, count: int) -> list[Mail]:
        """Wait until at least `count` mails were accepted, and return all of them."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.accepted >= count)
        return list(self.mails)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises OSError if the port that was asked for is taken."""
        context = self._tls if self._implicit_tls else None
        self._server = await asyncio.get_running_loop().create_server(self._connection, HOST, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no longer and drop the connections that are open; the mails and the port stay."""
        if self._server is None:
            return
        self._server.close()
        still_open = list(self._connections)
        for connection in still_open:
            connection.drop()
        for connection in still_open:
            await connection.ended()
        await self._server.wait_closed()
        self._server = None

    def _connection(self) -> "_Connection":
        return _Connection(
            self,
            self._connections,
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=True,
            hostname="localhost",
            tls_context=None if self._implicit_tls else self._tls,
            require_starttls=self._require_starttls,
            auth_require_tls=self._tls is not None and not self._implicit_tls,
            auth_exclude_mechanism=() if self._credentials else ("LOGIN", "PLAIN"),
            authenticator=self._authenticate,
        )

    async def _keep(self, mail: Mail) -> None:
        self.mails.append(mail)
        if self._on_mail is not None:
            self._on_mail(mail)
        async with self._arrived:
            self._arrived.notify_all()

    async def _ask(self, step: Step, mail: Mail) -> Answer:
        return await self.behaviour(step, mail) if self.behaviour else None

    async def _answer(self, connection: "_Connection", step: Step, mail: Mail) -> str | None:
        answer = await self._ask(step, mail)
        if step is Step.DATA and (answer in {None, Cut.KEPT} or isinstance(answer, Drip)):
            await self._keep(mail)
        if isinstance(answer, Drip):
            await connection.drip(answer)
        if isinstance(answer, Cut):
            connection.drop()
            await asyncio.get_running_loop().create_future()  # the lost connection cancels this conversation
        return answer if isinstance(answer, str) else None

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user, password = (part.encode() for part in self._credentials or ("", ""))
        known = hmac.compare_digest(data.login, user) and hmac.compare_digest(data.password, password)
        return AuthResult(success=self._credentials is not None and known, handled=False)

    # The hooks below have the names and the shapes that aiosmtpd looks for.

    async def handle_MAIL(  # noqa: N802
        self, server: "_Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        if self._credentials is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        reply = await self._answer(server, Step.MAIL, Mail(address, encrypted=server.encrypted))
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: "_Connection", _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        mail = Mail(envelope.mail_from or "", (*envelope.rcpt_tos, address), encrypted=server.encrypted)
        reply = await self._answer(server, Step.RCPT, mail)
        if reply is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply or "250 2.1.5 OK"

    async def handle_DATA(self, server: "_Connection", _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer the end of DATA."""
        content = envelope.original_content or b""
        mail = Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, server.encrypted)
        return await self._answer(server, Step.DATA, mail) or "250 2.0.0 OK"


class _Connection(SMTP):
    """One client's conversation: aiosmtpd's, with an answer to the connection itself and an end on demand."""

    def __init__(self, inbox: Inbox, open_connections: set["_Connection"], **options: Any) -> None:
        super().__init__(inbox, loop=asyncio.get_running_loop(), **options)
        self._inbox = inbox
        self._open = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self)
        super().connection_lost(error)

    @property
    def encrypted(self) -> bool:
        """Whether the conversation is."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer DATA, before the mail comes."""
        answer = await self._inbox._ask(Step.CONTENT, Mail("", tuple(self.envelope.rcpt_tos if self.envelope else ())))  # noqa: SLF001 (likewise)
        if isinstance(answer, str):
            await self.push(answer)
        elif isinstance(answer, Cut):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            self.drop()
        else:
            await super().smtp_DATA(arg)

    async def drip(self, drip: Drip) -> None:
        """Send a reply byte by byte, until the client has had enough."""
        while not self._writer.is_closing():
            for byte in drip.reply:
                self._writer.write(bytes([byte]))
                await asyncio.sleep(drip.pause)

    def drop(self) -> None:
        """End the connection and the conversation at once, without a word."""
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
        # In the middle of a TLS handshake the transport's end is nothing that aiosmtpd hears of.
        if self._handler_coroutine is not None and self._handler_coroutine is not asyncio.current_task():
            self._handler_coroutine.cancel()

    async def ended(self) -> None:
        """Wait for the end of the conversation."""
        if self._handler_coroutine is not None:
            await asyncio.wait([self._handler_coroutine])

    async def _handle_client(self) -> None:
        refusal = await self._inbox._answer(self, Step.CONNECT, Mail())  # noqa: SLF001 (its other half)
        if refusal is None:
            await super()._handle_client()
            return
        await self.push(refusal)
        self._writer.close()
