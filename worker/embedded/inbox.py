"""An SMTP server on 127.0.0.1 that keeps the mails that it gets, and answers as a test wants it to.

It offers PIPELINING (RFC 2920), as most mail servers do.
"""

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
    """A step of the conversation at which the answer can be chosen."""

    CONNECT = auto()  # the answer comes instead of the greeting
    MAIL = auto()
    RCPT = auto()
    CONTENT = auto()  # at the command DATA: a reply comes instead of 354; a cut comes after the first line of the mail
    DATA = auto()  # the whole mail was read; without another answer it is kept, and answered with 250


class Cut(Enum):
    """The connection is dropped without an answer, so the client does not learn whether the mail was accepted."""

    LOST = auto()
    KEPT = auto()  # only at Step.DATA: the mail is kept nevertheless


@dataclass(frozen=True)
class Drip:
    """Only at Step.DATA: the mail is kept, and the reply is sent byte by byte."""

    reply: bytes
    pause: float  # seconds after each byte


@dataclass(frozen=True)
class Mail:
    """A mail, or the part of it that is known at a step. At RCPT, the last recipient is the one that was named now."""

    sender: str = ""
    recipients: tuple[str, ...] = ()
    content: bytes = b""
    encrypted: bool = False  # whether the connection is encrypted at this step

    @property
    def message(self) -> EmailMessage:
        """The parsed content, with line feeds as line ends."""
        return email.message_from_bytes(self.content.replace(b"\r\n", b"\n"), EmailMessage, policy=default_policy)


#: A full reply line such as "450 4.2.0 later", a cut, a drip, or None for the usual answer.
Answer = str | Cut | Drip | None
#: Returns the answer at a step. It may await an event before that.
Behaviour = Callable[[Step, Mail], Awaitable[Answer]]


class Inbox:
    """The server. It runs in the current event loop, and is an async context manager too.

    With `tls`, the server offers STARTTLS (and requires it with `require_starttls`), or encrypts from the first byte
    (with `implicit_tls`). With `credentials`, a user name and a password, a client must log in; if there is STARTTLS,
    only after it. `on_mail` is called with each accepted mail. `behaviour` may be replaced at any time.
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
        self.port = port  # 0 until `start` has found a free one
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
        """The address at which the server listens."""
        return HOST

    @property
    def accepted(self) -> int:
        """The number of mails that the server has accepted."""
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
        """Begin to listen. Raise OSError if the port is taken."""
        context = self._tls if self._implicit_tls else None
        self._server = await asyncio.get_running_loop().create_server(self._connection, HOST, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and drop the open connections. The mails and the port are kept."""
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

    async def handle_EHLO(  # noqa: N802
        self, _server: "_Connection", session: Session, _envelope: Envelope, name: str, offers: list[str]
    ) -> list[str]:
        """Return the lines of the answer to EHLO. The first one is the server's name."""
        session.host_name = name
        return [offers[0], "250-PIPELINING", *offers[1:]]

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
    """The conversation with one client: aiosmtpd's, with an answer at Step.CONNECT, and an end at any time."""

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
        """Whether the connection is encrypted."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer the command DATA, before the mail comes."""
        if self.envelope is None or not self.envelope.rcpt_tos:
            await super().smtp_DATA(arg)  # which refuses it, since there is nobody to give a mail to
            return
        answer = await self._inbox._ask(Step.CONTENT, Mail("", tuple(self.envelope.rcpt_tos)))  # noqa: SLF001 (likewise)
        if isinstance(answer, str):
            await self.push(answer)
        elif isinstance(answer, Cut):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            self.drop()
        else:
            await super().smtp_DATA(arg)

    async def drip(self, drip: Drip) -> None:
        """Send a reply byte by byte, again and again, until the client closes the connection."""
        while not self._writer.is_closing():
            for byte in drip.reply:
                self._writer.write(bytes([byte]))
                await asyncio.sleep(drip.pause)

    def drop(self) -> None:
        """End the connection and the conversation at once, without a reply."""
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
        # During a TLS handshake, aiosmtpd does not notice the end of the transport.
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
