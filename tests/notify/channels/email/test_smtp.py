"""The channel against a real SMTP server, aiosmtpd's, which answers as each test tells it to."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
from aiosmtpd import smtp
from aiosmtpd.smtp import AuthResult, Envelope, Session
from pydantic import SecretStr, ValidationError

from worker.errors import DeliveryError, SettingsError
from worker.notify.channels.email import smtp as email
from worker.notify.channels.email.mail import Mail
from worker.notify.channels.email.smtp import EmailChannel, SmtpSettings

# aiosmtpd names its hooks handle_MAIL and passes them more than is needed here.
# ruff: noqa: ARG002, N802

HOST = "127.0.0.1"
DROP = "drop"


class Smtpd(smtp.SMTP):
    """One connection at the server's end. It minds whether a client says a command before it may."""

    async def push(self, status: Any) -> None:
        """Reply. Note what the client has said before this reply, if the server does not offer PIPELINING."""
        script, has_greeted = self.event_handler, self.session is not None and self.session.host_name
        if (
            isinstance(script, Script)
            and has_greeted
            and not script.pipelining
            and (early := cast(Any, self._reader)._buffer)
        ):
            script.hasty.append(bytes(early))
        await super().push(status)

    def wire(self) -> asyncio.Transport:
        assert isinstance(self.transport, asyncio.Transport)
        return self.transport

    async def end(self) -> None:
        """End the connection; after a failed handshake aiosmtpd would wait for ever."""
        if self.transport is not None:
            self.wire().abort()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
            await asyncio.gather(self._handler_coroutine, return_exceptions=True)


class Script:
    """What the server answers, by default 250, and what it saw."""

    def __init__(self, *, pipelining: bool = False) -> None:
        self.pipelining = pipelining
        #: What clients said too early.
        self.hasty: list[bytes] = []
        self.mail: list[str] = []
        self.rcpt: dict[str, str] = {}
        self.data: list[str] = []
        self.rset: list[str] = []
        self.seen: list[str] = []
        self.mails: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.connections: list[Smtpd] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate: asyncio.Queue[None] = asyncio.Queue()

    async def handle_EHLO(
        self, server: Smtpd, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], *(["250-PIPELINING"] if self.pipelining else []), *responses[1:]]

    async def handle_MAIL(self, server: Smtpd, session: Session, envelope: Envelope, sender: str, options: Any) -> str:
        self.seen.append("MAIL")
        envelope.mail_from = sender
        return self._answer(server, self.mail)

    async def handle_RCPT(self, server: Smtpd, session: Session, envelope: Envelope, to: str, options: Any) -> str:
        self.seen.append("RCPT")
        answer = self.rcpt.get(to, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return answer

    async def handle_DATA(self, server: Smtpd, session: Session, envelope: Envelope) -> str:
        self.seen.append("DATA")
        self.at_gate.put_nowait(None)
        await self.gate.wait()
        self.mails.append(envelope)
        self.encrypted.append(server.wire().get_extra_info("ssl_object") is not None)
        return self._answer(server, self.data)

    async def handle_RSET(self, server: Smtpd, session: Session, envelope: Envelope) -> str:
        self.seen.append("RSET")
        return self._answer(server, self.rset)

    async def handle_QUIT(self, server: Smtpd, session: Session, envelope: Envelope) -> str:
        self.seen.append("QUIT")
        return "221 Bye"

    def _answer(self, server: Smtpd, answers: list[str]) -> str:
        answer = answers.pop(0) if answers else "250 OK"
        if answer == DROP:
            server.wire().abort()
        return answer

    @property
    def receivers(self) -> list[list[str]]:
        return [envelope.rcpt_tos for envelope in self.mails]


@asynccontextmanager
async def smtpd(
    script: Script, *, implicit: ssl.SSLContext | None = None, kind: Any = Smtpd, **options: Any
) -> AsyncIterator[int]:
    """Run the server; yield its port."""
    loop = asyncio.get_running_loop()

    def connection() -> Smtpd:
        script.connections.append(kind(script, hostname="test", loop=loop, **options))
        return script.connections[-1]

    server = await loop.create_server(connection, HOST, 0, ssl=implicit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in script.connections:
            await one.end()
        await server.wait_closed()


@asynccontextmanager
async def greeter(greeting: bytes | None) -> AsyncIterator[int]:
    """Run a server that says this and nothing else; None: it hangs up at once. Yield its port."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting is not None:
            writer.write(greeting)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def channel_to(port: int, **changes: Any) -> AsyncIterator[EmailChannel]:
    settings: dict[str, Any] = {"host": HOST, "port": port, "tls": "none", "timeout_seconds": 30.0}
    channel = EmailChannel(SmtpSettings(**(settings | changes)))
    try:
        yield channel
    finally:
        await channel.aclose()


def a_mail(*to: str, text: str = "R=C3=A9ponse\n.\nfin") -> Mail:
    head = "From: nps@example.org\nMessage-ID: <1@example.org>\nContent-Transfer-Encoding: quoted-printable\n"
    data = f"{head}\n{text}\n".replace("\n", "\r\n").encode()
    return Mail("nps@example.org", to or ("support@example.org",), data)


async def failure(sending: Awaitable[None]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value


def verdict(error: DeliveryError) -> tuple[str, bool, bool]:
    return error.reason, error.retry, error.alarm


@pytest.fixture(params=[False, True], ids=["one-by-one", "pipelining"])
async def script(request: pytest.FixtureRequest) -> AsyncIterator[Script]:
    """A script for a server that offers PIPELINING, and for one that does not."""
    script = Script(pipelining=request.param)
    yield script
    assert script.hasty == []


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def cafile(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


ServerTls = Callable[..., ssl.SSLContext]


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ServerTls:
    def context(name: str = HOST, issuer: trustme.CA = authority) -> ssl.SSLContext:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(name).configure_cert(tls)
        return tls

    return context


def only(login: bytes, password: bytes) -> Callable[..., AuthResult]:
    """Return an authenticator that lets this pair in."""

    def authenticate(server: Smtpd, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (login, password), handled=False)

    return authenticate


# What the server says about the mail


async def test_an_accepted_mail_arrives_whole(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail("a@example.org", "b@example.org"))

    [envelope] = script.mails
    assert envelope.mail_from == "nps@example.org"
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    assert isinstance(envelope.content, bytes)
    assert b"Message-ID: <1@example.org>\r\n" in envelope.content
    assert envelope.content.endswith(b"R=C3=A9ponse\r\n.\r\nfin\r\n")


async def test_a_mail_goes_only_to_the_receivers_asked_for(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail("a@example.org", "b@example.org"), ["b@example.org", "b@example.org"])

    assert script.receivers == [["b@example.org"]]


async def test_a_mail_without_receivers_is_a_mistake(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        with pytest.raises(ValueError, match="receiver"):
            await channel.send(a_mail(), [])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("450 Greylisted", ("smtp_450", True, False)),
        ("550 No such user", ("smtp_550", False, True)),
        ("530 Authentication required", ("smtp_530", True, True)),
        ("538 Encryption required", ("smtp_538", True, True)),
        ("421 Shutting down", ("smtp_421", True, False)),
    ],
)
async def test_a_refused_receiver(script: Script, answer: str, expected: tuple[str, bool, bool]) -> None:
    script.rcpt = {"support@example.org": answer}
    async with smtpd(script) as port, channel_to(port) as channel:
        error = await failure(channel.send(a_mail()))

    assert verdict(error) == expected
    assert error.retry_to is None
    assert not error.unavailable
    assert "DATA" not in script.seen


@pytest.mark.parametrize("answer", ["450 Greylisted", "530 Not to him", "421 Not to him"])
async def test_a_receiver_who_is_refused_keeps_the_mail_from_nobody_else(script: Script, answer: str) -> None:
    script.rcpt = {"b@x.org": answer}
    async with smtpd(script) as port, channel_to(port) as channel:
        error = await failure(channel.send(a_mail("a@x.org", "b@x.org", "c@x.org")))

    assert script.receivers == [["a@x.org", "c@x.org"]]
    assert (error.reason, error.retry, error.retry_to) == ("recipients_refused_partly", True, ("b@x.org",))
    assert error.partly
    assert not error.unavailable


async def test_a_server_that_goes_away_after_it_refused_a_receiver_has_talked_about_that_mail(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        script.rcpt = {"a@x.org": "421 Not to him"}
        script.mail = ["250 OK", "421 Too many of you"]
        error = await failure(channel.send(a_mail("a@x.org", "b@x.org")))
        script.rcpt = {}
        await channel.send(a_mail("a@x.org", "b@x.org"))

    assert (error.reason, error.retry, error.unavailable) == ("smtp_421", True, False)
    assert script.receivers == [["a@x.org", "b@x.org"]]


@pytest.mark.parametrize(
    ("b", "c", "expected", "retry_to"),
    [
        ("450 Later", "250 OK", ("recipients_refused_partly", True, False), ("b@x.org",)),
        ("550 Never", "250 OK", ("recipients_refused_partly", False, True), None),
        ("550 Never", "451 Later", ("recipients_refused_partly", True, True), ("c@x.org",)),
    ],
)
async def test_some_receivers_refused(
    script: Script, b: str, c: str, expected: tuple[str, bool, bool], retry_to: tuple[str, ...] | None
) -> None:
    script.rcpt = {"b@x.org": b, "c@x.org": c}
    async with smtpd(script) as port, channel_to(port) as channel:
        error = await failure(channel.send(a_mail("a@x.org", "b@x.org", "c@x.org")))
        script.rcpt = {}
        if error.retry:
            await channel.send(a_mail("a@x.org", "b@x.org", "c@x.org"), error.retry_to)

    assert verdict(error) == expected
    assert error.retry_to == retry_to
    assert script.receivers == [
        ["a@x.org", *(["c@x.org"] if c == "250 OK" else [])],
        *([list(retry_to)] if retry_to else []),
    ]


async def test_all_receivers_refused_some_for_good(script: Script) -> None:
    script.rcpt = {"a@x.org": "550 Never", "b@x.org": "451 Later"}
    async with smtpd(script) as port, channel_to(port) as channel:
        error = await failure(channel.send(a_mail("a@x.org", "b@x.org")))

    assert verdict(error) == ("smtp_451", True, True)
    assert error.retry_to is None
    assert not script.mails


@pytest.mark.parametrize(
    ("step", "answer", "expected"),
    [
        ("data", "451 Try later", ("smtp_451", True, False)),
        ("data", "554 Spam", ("smtp_554", False, True)),
        ("data", DROP, ("disconnected", True, False)),
        ("mail", "452 Full", ("smtp_452", True, False)),
        ("mail", "553 Not your address", ("smtp_553", False, True)),
        ("mail", DROP, ("disconnected", True, False)),
        ("mail", "250", None),
        ("data", "gibberish", ("protocol_error", True, True)),
        ("data", "421 Shutting down", ("smtp_421", True, False)),
        ("data", "530 Not this one", ("smtp_530", True, True)),
        ("mail", "530 Authentication required", ("smtp_530", True, True)),
        ("mail", "421 Shutting down", ("smtp_421", True, False)),
    ],
)
async def test_what_the_server_says_decides(
    script: Script, step: str, answer: str, expected: tuple[str, bool, bool] | None
) -> None:
    setattr(script, step, [answer])
    async with smtpd(script) as port, channel_to(port) as channel:
        if expected is None:
            await channel.send(a_mail())
        else:
            error = await failure(channel.send(a_mail()))
            assert verdict(error) == expected
            assert error.retry_to is None
            # Once MAIL is accepted, what happens to a mail is its own business; a drop then says nothing of the server.
            about_the_server = step == "mail" and answer in {DROP, "421 Shutting down", "530 Authentication required"}
            assert error.unavailable == about_the_server
            await channel.send(a_mail())

    assert script.receivers[-1] == ["support@example.org"]


# PIPELINING


class Line:
    """A server that offers PIPELINING and says what a test wants, whatever it hears.

    `turns`: what it says to each thing that it reads after EHLO. After them it hangs up, or only listens.
    """

    def __init__(self, *turns: bytes, hangs_up: bool = False) -> None:
        self._turns = list(turns)
        self._hangs_up = hangs_up
        #: Each thing that it has read.
        self.heard: list[bytes] = []
        self.connections = 0
        #: Set when the first connection has ended.
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(b"250-test\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n")
        while heard := await reader.read(100_000):
            self.heard.append(heard)
            writer.write(self._turns.pop(0) if self._turns else b"")
            if self._hangs_up and not self._turns:
                break
        writer.close()
        self.ended.set()


@asynccontextmanager
async def line_to(line: Line, **changes: Any) -> AsyncIterator[EmailChannel]:
    async with await asyncio.start_server(line, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with channel_to(port, **changes) as channel:
            yield channel


_GROUP = b"250 sender\r\n250 receiver\r\n354 go ahead\r\n"


async def test_a_mail_takes_two_round_trips() -> None:
    line = Line(_GROUP, b"250 accepted\r\n", _GROUP, b"250 accepted\r\n")
    async with line_to(line) as channel:
        await channel.send(a_mail())
        await channel.send(a_mail())

    size = len(a_mail().data)
    group = b"MAIL FROM:<nps@example.org> SIZE=%d\r\nRCPT TO:<support@example.org>\r\nDATA\r\n" % size
    assert [line.heard[0], line.heard[2]] == [group, group]
    assert line.heard[1] == line.heard[3] == a_mail().data.replace(b"\n.\r", b"\n..\r") + b".\r\n"
    assert line.connections == 1


async def test_a_transaction_that_a_refusal_left_open_is_reset_in_the_same_breath() -> None:
    line = Line(b"250 sender\r\n550 nobody\r\n503 whom?\r\n", b"250 reset\r\n" + _GROUP, b"250 accepted\r\n")
    async with line_to(line) as channel:
        error = await failure(channel.send(a_mail()))
        await channel.send(a_mail())

    assert verdict(error) == ("smtp_550", False, True)
    assert line.heard[1].startswith(b"RSET\r\nMAIL FROM:")
    assert line.connections == 1


async def test_a_server_that_wants_the_content_though_it_refused_every_receiver_gets_an_empty_one() -> None:
    refused = b"250 sender\r\n450 later\r\n354 go ahead\r\n"
    line = Line(refused, b"554 no valid receivers\r\n", b"250 reset\r\n" + _GROUP, b"250 accepted\r\n")
    async with line_to(line) as channel:
        error = await failure(channel.send(a_mail()))
        await channel.send(a_mail())

    assert verdict(error) == ("smtp_450", True, False)
    assert line.heard[1] == b".\r\n"
    assert line.connections == 1


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_server_that_has_refused_every_receiver_need_not_say_more(hangs_up: bool) -> None:
    line = Line(b"250 sender\r\n550 nobody\r\n", hangs_up=hangs_up)
    async with line_to(line, timeout_seconds=0.2) as channel:
        error = await failure(channel.send(a_mail()))
        assert not channel._kept

    assert verdict(error) == ("smtp_550", False, True)
    assert not error.unsure


async def test_receivers_who_were_named_after_the_server_hung_up_are_named_again() -> None:
    line = Line(b"250 sender\r\n421 not to him\r\n", _GROUP, b"250 accepted\r\n")
    async with line_to(line) as channel:
        error = await failure(channel.send(a_mail("a@x.org", "b@x.org")))
        await line.ended.wait()  # nobody uses the first connection any more

    assert (error.reason, error.retry, error.retry_to) == ("recipients_refused_partly", True, ("a@x.org",))
    assert [b"a@x.org" in heard for heard in line.heard[:3]] == [True, False, False]
    assert line.connections == 2


@pytest.mark.parametrize("turns", [(b"250 sender\r\n",), (b"250 sender\r\n250 receiver\r\n",), (_GROUP, b"")])
async def test_a_server_that_hangs_up_once_it_has_accepted_the_sender_may_have_the_mail(
    turns: tuple[bytes, ...],
) -> None:
    async with line_to(Line(*turns, hangs_up=True)) as channel:
        error = await failure(channel.send(a_mail()))

    assert verdict(error) == ("disconnected", True, False)
    assert error.unsure
    assert not error.unavailable


async def test_a_server_that_hangs_up_before_it_has_said_anything_about_the_mail_is_away() -> None:
    async with line_to(Line(hangs_up=True)) as channel:
        error = await failure(channel.send(a_mail()))

    assert verdict(error) == ("disconnected", True, False)
    assert error.unavailable


# Before it can say anything


async def test_a_refused_connection_is_tried_again() -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        async with channel_to(bound.getsockname()[1]) as channel:
            assert verdict(await failure(channel.send(a_mail()))) == ("refused", True, False)


async def test_an_unknown_host_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with channel_to(25, host="nobody.invalid") as channel:
        error = await failure(channel.send(a_mail()))

    assert verdict(error) == ("name_not_found", True, False)
    assert error.hint == "nobody.invalid:25: the name was not found (smtp.host)"


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (None, ("disconnected", True, False)),
        (b"", ("timeout", True, False)),
        (b"220 ", ("timeout", True, False)),
        (b"220 hello\r\n", ("timeout", True, False)),
        (b"421 Busy\r\n", ("smtp_421", True, False)),
        (b"554 Go away\r\n", ("smtp_554", True, True)),
        (b"HTTP/1.1 400 Bad Request\r\n", ("protocol_error", True, True)),
    ],
)
async def test_a_server_that_does_not_talk_costs_no_mail(
    greeting: bytes | None, expected: tuple[str, bool, bool]
) -> None:
    patience = 0.2 if expected[0] == "timeout" else 30.0
    async with greeter(greeting) as port, channel_to(port, timeout_seconds=patience) as channel:
        error = await failure(channel.send(a_mail()))
    assert verdict(error) == expected
    assert error.unavailable


class HeloOnly(Smtpd):
    """Knows no EHLO, as in 1982."""

    async def smtp_EHLO(self, hostname: str) -> None:
        await self.push("502 Not implemented")


async def test_a_server_without_ehlo_will_do(script: Script) -> None:
    async with smtpd(script, kind=HeloOnly) as port, channel_to(port) as channel:
        await channel.send(a_mail())

    assert len(script.mails) == 1


async def test_a_server_without_ehlo_will_not_do_for_starttls(script: Script, cafile: Path) -> None:
    async with smtpd(script, kind=HeloOnly) as port, channel_to(port, tls="starttls", cafile=cafile) as channel:
        assert verdict(await failure(channel.send(a_mail()))) == ("starttls_missing", True, True)

    assert not script.seen


# TLS


async def test_a_mail_goes_encrypted_with_starttls(script: Script, server_tls: ServerTls, cafile: Path) -> None:
    async with (
        smtpd(script, tls_context=server_tls()) as port,
        channel_to(port, tls="starttls", cafile=cafile) as channel,
    ):
        await channel.send(a_mail())
        await channel.send(a_mail())

    assert script.encrypted == [True, True]
    assert len(script.connections) == 1


async def test_a_mail_goes_encrypted_with_implicit_tls(script: Script, server_tls: ServerTls, cafile: Path) -> None:
    async with smtpd(script, implicit=server_tls()) as port, channel_to(port, tls="implicit", cafile=cafile) as channel:
        await channel.send(a_mail())

    assert script.encrypted == [True]


async def test_without_starttls_nothing_is_sent(script: Script, cafile: Path) -> None:
    async with smtpd(script) as port, channel_to(port, tls="starttls", cafile=cafile) as channel:
        assert verdict(await failure(channel.send(a_mail()))) == ("starttls_missing", True, True)

    assert not script.seen


class StarttlsBroken(Smtpd):
    """Offers STARTTLS and then cannot do it."""

    async def smtp_STARTTLS(self, arg: str) -> None:
        await self.push("454 TLS not available")


async def test_starttls_that_does_not_work_sends_nothing(script: Script, server_tls: ServerTls, cafile: Path) -> None:
    async with (
        smtpd(script, kind=StarttlsBroken, tls_context=server_tls()) as port,
        channel_to(port, tls="starttls", cafile=cafile) as channel,
    ):
        assert verdict(await failure(channel.send(a_mail()))) == ("tls_failed", True, True)

    assert not script.seen


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("wrong", ["issuer", "name", "system"])
async def test_a_bad_certificate_sends_nothing(
    script: Script, server_tls: ServerTls, cafile: Path, tls: str, wrong: str
) -> None:
    name = "elsewhere.example" if wrong == "name" else HOST
    context = server_tls(name, trustme.CA()) if wrong == "issuer" else server_tls(name)
    serving = smtpd(script, implicit=context) if tls == "implicit" else smtpd(script, tls_context=context)
    async with serving as port, channel_to(port, tls=tls, cafile=None if wrong == "system" else cafile) as channel:
        assert verdict(await failure(channel.send(a_mail()))) == ("tls_failed", True, True)

    assert not script.seen


async def test_implicit_tls_to_a_plain_port_sends_nothing(script: Script, cafile: Path) -> None:
    async with smtpd(script) as port, channel_to(port, tls="implicit", cafile=cafile) as channel:
        assert verdict(await failure(channel.send(a_mail()))) == ("tls_failed", True, True)

    assert not script.seen


# AUTH


async def test_the_right_password_is_let_in(script: Script, server_tls: ServerTls, cafile: Path) -> None:
    options: dict[str, Any] = {"auth_required": True, "authenticator": only(b"nps", b"secret")}
    async with (
        smtpd(script, tls_context=server_tls(), **options) as port,
        channel_to(port, tls="starttls", cafile=cafile, username="nps", password=SecretStr("secret")) as channel,
    ):
        await channel.send(a_mail())

    assert script.encrypted == [True]


async def test_a_refused_password_costs_no_mail(script: Script, server_tls: ServerTls, cafile: Path) -> None:
    options: dict[str, Any] = {"auth_required": True, "authenticator": only(b"nps", b"secret")}
    async with (
        smtpd(script, tls_context=server_tls(), **options) as port,
        channel_to(port, tls="starttls", cafile=cafile, username="nps", password=SecretStr("wr0ng")) as channel,
    ):
        error = await failure(channel.send(a_mail()))

    assert verdict(error) == ("auth_refused", True, True)
    assert "wr0ng" not in "".join(traceback.format_exception(error))
    assert not script.seen


LoggedIn = Callable[..., AbstractAsyncContextManager[EmailChannel]]


@pytest.fixture
def logged_in(script: Script, server_tls: ServerTls, cafile: Path, tmp_path: Path) -> LoggedIn:
    """Return what makes a channel to a server that notes passwords; the channel's one is in tmp_path/password."""

    def authenticate(server: Smtpd, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        script.seen.append(f"AUTH {data.password.decode()}")
        return AuthResult(success=data.login == b"nps", handled=False)

    @asynccontextmanager
    async def channel() -> AsyncIterator[EmailChannel]:
        options: dict[str, Any] = {"auth_required": True, "authenticator": authenticate, "tls_context": server_tls()}
        login: dict[str, Any] = {"username": "nps", "password_file": tmp_path / "password", "cafile": cafile}
        async with smtpd(script, **options) as port, channel_to(port, tls="starttls", **login) as channel:
            yield channel

    return channel


def logins(script: Script) -> list[str]:
    return [said.removeprefix("AUTH ") for said in script.seen if said.startswith("AUTH")]


async def test_a_new_password_in_the_file_is_used_for_the_next_mail(
    script: Script, logged_in: LoggedIn, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("old-one\n")
    async with logged_in() as channel:
        await channel.send(a_mail())
        await channel.send(a_mail())
        file.write_text("new-one\n")
        await channel.send(a_mail())
        await channel.send(a_mail())

    assert logins(script) == ["old-one", "new-one"]
    assert len(script.mails) == 4


async def test_a_connection_that_was_in_use_is_not_kept_with_the_old_password(
    script: Script, logged_in: LoggedIn, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("old-one")
    async with logged_in() as channel:
        script.gate.clear()
        slow = asyncio.create_task(channel.send(a_mail()))
        await script.at_gate.get()
        file.write_text("new-one")
        fast = asyncio.create_task(channel.send(a_mail()))
        await script.at_gate.get()
        script.gate.set()
        await asyncio.gather(slow, fast)
        await asyncio.gather(channel.send(a_mail()), channel.send(a_mail()))

    assert logins(script) == ["old-one", "new-one", "new-one"]


async def test_when_asked_to_renew_the_next_mail_logs_in_anew(
    script: Script, logged_in: LoggedIn, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    async with logged_in() as channel:
        await channel.send(a_mail())
        channel.renew()
        await channel.send(a_mail())

    assert logins(script) == ["secret", "secret"]


@pytest.mark.parametrize("content", [None, "", "geheim-1\ngeheim-2"])
async def test_a_file_that_cannot_be_read_costs_no_mail(
    script: Script, logged_in: LoggedIn, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    async with logged_in() as channel:
        await channel.send(a_mail())
        file.unlink()
        if content is not None:
            file.write_text(content)
        error = await failure(channel.send(a_mail()))
        file.write_text("secret")
        await channel.send(a_mail())

    assert (*verdict(error), error.unavailable) == ("auth_refused", True, True, True)
    assert error.hint.endswith("the file of the password cannot be read (smtp.password_file)")
    assert "geheim" not in "".join(traceback.format_exception(error))
    assert len(script.mails) == 2


async def test_a_server_without_auth_costs_no_mail(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port, username="nps", password=SecretStr("secret")) as channel:
        assert verdict(await failure(channel.send(a_mail()))) == ("auth_refused", True, True)

    assert not script.seen


# Connections


async def test_a_connection_serves_many_mails(script: Script) -> None:
    async with smtpd(script) as port:
        async with channel_to(port) as channel:
            for _ in range(5):
                await channel.send(a_mail())
        assert script.seen[-1] == "QUIT"

    assert len(script.mails) == 5
    assert len(script.connections) == 1


async def test_a_refusal_does_not_cost_the_connection(script: Script) -> None:
    script.rcpt = {"support@example.org": "550 No"}
    async with smtpd(script) as port, channel_to(port) as channel:
        await failure(channel.send(a_mail()))
        await channel.send(a_mail("a@example.org"))

    assert script.receivers == [["a@example.org"]]
    assert len(script.connections) == 1


async def test_a_connection_the_server_has_closed_is_replaced(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail())
        script.connections[0].wire().close()
        conversation, lost = channel._kept[0].conversation, asyncio.Event()
        monkeypatch.setattr(conversation, "connection_lost", lambda _: lost.set())
        await lost.wait()
        await channel.send(a_mail())

    assert len(script.mails) == 2
    assert len(script.connections) == 2


@pytest.mark.parametrize("answer", [DROP, "421 Idle for too long", "450 Too many mails"])
async def test_a_connection_the_server_closes_when_asked_is_replaced(script: Script, answer: str) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail())
        script.mail = [answer]
        await channel.send(a_mail())

    assert len(script.mails) == 2
    assert len(script.connections) == 2


@pytest.mark.parametrize("answer", [DROP, "421 Idle for too long", "450 Too many mails"])
async def test_nor_is_one_kept_that_cannot_end_what_a_refusal_left_open(script: Script, answer: str) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        script.rcpt = {"support@example.org": "550 Not here"}
        with pytest.raises(DeliveryError):
            await channel.send(a_mail())
        script.rcpt, script.rset = {}, [answer]
        await channel.send(a_mail())

    assert len(script.mails) == 1
    assert len(script.connections) == 2


async def test_a_transaction_is_reset_only_where_a_refusal_left_it_open(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail())
        script.rcpt = {"support@example.org": "550 Not here"}
        with pytest.raises(DeliveryError):
            await channel.send(a_mail())
        script.rcpt, script.data = {}, ["450 Later"]
        with pytest.raises(DeliveryError):
            await channel.send(a_mail())
        await channel.send(a_mail())

    said = ["MAIL", "RCPT", "DATA", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA"]
    assert said == [step for step in script.seen if step != "QUIT"]
    assert len(script.connections) == 1


async def test_a_connection_that_idled_too_long_is_replaced(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "_KEEP_SECONDS", 0.0)
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail())
        await channel.send(a_mail())

    assert len(script.connections) == 2


async def test_it_is_said_when_the_server_has_accepted_mail(script: Script) -> None:
    begun = asyncio.Event()
    script.gate.clear()
    async with smtpd(script) as port, channel_to(port) as channel:
        sending = asyncio.create_task(channel.send(a_mail(), begun=begun.set))
        await script.at_gate.get()
        assert begun.is_set()
        script.gate.set()
        await sending

    assert begun.is_set()


async def test_it_is_not_said_when_the_server_turns_the_worker_away(script: Script) -> None:
    begun = asyncio.Event()
    script.mail = ["421 4.3.2 Not now"]
    async with smtpd(script) as port, channel_to(port) as channel:
        await failure(channel.send(a_mail(), begun=begun.set))

    assert not begun.is_set()


async def test_half_as_many_mails_again_at_a_time_as_connections(script: Script) -> None:
    script.gate.clear()
    async with smtpd(script) as port, channel_to(port, connections=2) as channel:
        sending = [asyncio.create_task(channel.send(a_mail())) for _ in range(6)]
        for _ in range(3):
            await script.at_gate.get()
        assert script.seen.count("MAIL") == 3
        script.gate.set()
        await asyncio.gather(*sending)

    assert len(script.mails) == 6
    assert len(script.connections) == 3


async def test_a_cancelled_mail_leaves_no_half_used_connection(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port, connections=1) as channel:
        await channel.send(a_mail("first@example.org"))
        script.gate.clear()
        sending = asyncio.create_task(channel.send(a_mail("cancelled@example.org")))
        for _ in range(2):
            await script.at_gate.get()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        script.gate.set()
        await channel.send(a_mail("last@example.org"))

    assert script.receivers[-1] == ["last@example.org"]
    assert len(script.connections) == 2


async def test_a_channel_closed_during_a_mail_keeps_no_connection(script: Script) -> None:
    script.gate.clear()
    async with smtpd(script) as port, channel_to(port) as channel:
        sending = asyncio.create_task(channel.send(a_mail()))
        await script.at_gate.get()
        await channel.aclose()
        script.gate.set()
        await sending
        assert not channel._kept

    assert len(script.mails) == 1


async def test_closing_does_not_mind_a_dead_server(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail())
        script.connections[0].wire().abort()
        await channel.aclose()

    assert "QUIT" not in script.seen


# What is told to whom


async def test_the_error_does_not_repeat_what_the_server_said(script: Script) -> None:
    script.rcpt = {"support@example.org": "550 support@example.org is not here"}
    async with smtpd(script) as port, channel_to(port) as channel:
        error = await failure(channel.send(a_mail()))
        script.data = ["554 canary"]
        other = await failure(channel.send(a_mail("a@example.org")))

    assert str(error) == "smtp_550"
    assert "support@" not in "".join(traceback.format_exception(error))
    assert "canary" not in "".join(traceback.format_exception(other))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"username": "nps"}, "must be set together"),
        ({"password": "secret-1"}, "must be set together"),
        ({"username": "nps", "password": "secret-1", "tls": "none", "host": "mail.example.org"}, "needs tls"),
        ({"username": "nps", "password": "secret-1", "tls": "none", "host": "10.0.0.1"}, "needs tls"),
        ({"cafile": "does/not/exist.pem"}, "not a file"),
        ({"host": "mail\r\nRCPT TO"}, "must be a name or an address"),
        ({"host": ""}, "must be a name or an address"),
        ({"port": 0}, "greater"),
        ({"port": 65_536}, "less"),
        ({"tls": None}, "starttls"),
        ({"start_tls": True}, "Extra"),
    ],
)
def test_settings_that_do_not_hold(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SmtpSettings(**settings)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_password_may_stay_on_this_machine(host: str) -> None:
    settings = SmtpSettings(username="nps", password=SecretStr("secret-1"), tls="none", host=host)

    assert "secret-1" not in repr(settings)


def test_tls_is_the_default() -> None:
    assert SmtpSettings().tls == "starttls"


def test_a_certificate_authority_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")

    with pytest.raises(SettingsError, match="cafile"):
        EmailChannel(SmtpSettings(cafile=path))


# Time


async def test_the_answer_to_a_whole_mail_may_take_longer_than_a_step(script: Script) -> None:
    script.gate.clear()
    async with smtpd(script) as port, channel_to(port, timeout_seconds=0.2) as channel:
        sending = asyncio.create_task(channel.send(a_mail()))
        await script.at_gate.get()
        await asyncio.wait([sending], timeout=0.5)
        assert not sending.done()
        script.gate.set()
        await sending

    assert len(script.mails) == 1


async def test_but_not_for_ever(script: Script) -> None:
    script.gate.clear()
    async with smtpd(script) as port, channel_to(port, accept_timeout_seconds=0.2) as channel:
        error = await failure(channel.send(a_mail()))
        script.gate.set()

    assert (error.reason, error.retry, error.unsure) == ("timeout", True, True)
    assert error.hint.endswith(
        ": the server did not answer in time (smtp.accept_timeout_seconds, smtp.timeout_seconds)"
    )


async def test_lines_of_dots_arrive_as_they_are(script: Script) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail(text=".\n..\n.a"))

    content = script.mails[0].content
    assert isinstance(content, bytes)
    assert content.endswith(b"\r\n\r\n.\r\n..\r\n.a\r\n")


# What the log is told


@pytest.mark.parametrize("to", [("Care@Example.com", "care@example.com"), ("care@example.com", "care@EXAMPLE.com")])
async def test_one_mailbox_gets_one_copy_however_it_is_spelt(script: Script, to: tuple[str, str]) -> None:
    async with smtpd(script) as port, channel_to(port) as channel:
        await channel.send(a_mail(*to))

    assert script.receivers == [[to[0]]]


async def hint_of(port: int, **changes: Any) -> str:
    async with channel_to(port, **changes) as channel:
        return (await failure(channel.send(a_mail()))).hint.replace(str(port), "PORT")


async def test_a_hint_names_the_server_what_is_wrong_and_the_setting(
    script: Script, server_tls: ServerTls, cafile: Path
) -> None:
    login: dict[str, Any] = {"username": "nps", "password": SecretStr("secret")}
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        port = bound.getsockname()[1]
        assert await hint_of(port) == "127.0.0.1:PORT: the connection was refused (smtp.host, smtp.port)"
    async with greeter(b"") as port:
        hint = await hint_of(port, timeout_seconds=0.2)
    assert hint == "127.0.0.1:PORT: the server did not answer in time (smtp.host, smtp.port, smtp.timeout_seconds)"
    async with smtpd(script) as port:
        hints = [await hint_of(port, tls="starttls", cafile=cafile), await hint_of(port, **login)]
    assert hints == [
        "127.0.0.1:PORT: the server offers no STARTTLS (smtp.tls, smtp.port)",
        "127.0.0.1:PORT: the server offers no login mechanism that the worker knows (smtp.username, smtp.tls)",
    ]
    options: dict[str, Any] = {"auth_required": True, "authenticator": only(b"nps", b"another")}
    async with smtpd(script, tls_context=server_tls(), **options) as port:
        hints = [await hint_of(port, tls="starttls"), await hint_of(port, tls="starttls", cafile=cafile, **login)]
    assert hints[0].startswith("127.0.0.1:PORT: TLS failed (smtp.tls, smtp.cafile): ")
    assert hints[1] == "127.0.0.1:PORT: the login was refused (smtp.username, smtp.password)"
    async with greeter(b"554 Go away, nps@example.org\r\n") as port:
        hint = await hint_of(port)
    assert hint.startswith("127.0.0.1:PORT: the server refuses this worker (smtp.host")
