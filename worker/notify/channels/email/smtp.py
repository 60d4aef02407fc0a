"""E-mail over SMTP: its settings, the connections that are kept, and what each refusal means.

Once the server has accepted MAIL, every reply is about this mail or about one of its receivers. Earlier failures
(network, TLS, AUTH, greeting) are about the server. No failure makes the worker send in plain text, unless
`tls = "none"`.

    after MAIL    5xx                                       permanent, alarm
                  4xx; 530, 534, 535, 538 with an alarm     retry; the other receivers get the mail nevertheless
                  timeout, disconnected                     retry; the mail may have been accepted
    MAIL itself   421; 530, 534, 535, 538 with an alarm     unavailable
                  another 5xx, 4xx                          as after MAIL
    before MAIL   every failure                             unavailable, with an alarm if somebody must act

`unavailable` is about the server: nothing has happened to the mail.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple
from weakref import WeakSet

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from pydantic import Field, SecretStr, field_validator, model_validator

from worker.address import check_address, is_loopback, without_repeats
from worker.errors import DeliveryError
from worker.file_state import FileState, file_state
from worker.notify.channels.email.conversation import Conversation
from worker.notify.channels.email.mail import Mail
from worker.secret_files import SecretSection, UnreadableSecret, read_secret, secret_file
from worker.tls import trusting

#: RFC 5321, 4.2: the replies "start mail input" and "completed", and the first code of permanent refusals.
_GO_AHEAD, _DONE, _PERMANENT = 354, 250, 500
#: RFC 5321, 4.2.2: a receiver is accepted; with 251, the server forwards the mail.
_ACCEPTED = frozenset({_DONE, 251})
#: RFC 5321, 4.1.1.4: the line that ends the content of a mail.
_END = b".\r\n"
#: RFC 5321, 3.8: the server closes the connection. This reply may come to any command.
_CLOSING = 421
#: RFC 4954, 6, and RFC 3207, 4: the server wants (other) credentials or encryption. That is not the fault of a mail, so
#: no mail fails because of it.
_CREDENTIALS = frozenset({530, 534, 535, 538})
#: These replies to MAIL itself are about the worker, and not about the mail.
_ABOUT_US = frozenset({_CLOSING, *_CREDENTIALS})

#: A kept connection that was idle for longer is not used again: a firewall may have dropped it silently, and a mail
#: would have to wait for a time-out.
_KEEP_SECONDS = 60.0
_QUIT_SECONDS = 2.0


class _Trouble(NamedTuple):
    """A failure that happened before the server has said anything about the mail."""

    reason: str
    #: Whether somebody has to act.
    alarm: bool
    #: A sentence for the operator, which names settings.
    hint: str


_STARTTLS_MISSING = _Trouble("starttls_missing", True, "the server offers no STARTTLS (smtp.tls, smtp.port)")
_TLS_FAILED = _Trouble("tls_failed", True, "TLS failed (smtp.tls, smtp.cafile)")
_AUTH_REFUSED = _Trouble("auth_refused", True, "the login was refused (smtp.username, smtp.password)")
_PASSWORD_UNREADABLE = _Trouble("auth_refused", True, "the file of the password cannot be read (smtp.password_file)")
_AUTH_MISSING = _Trouble(
    "auth_refused", True, "the server offers no login mechanism that the worker knows (smtp.username, smtp.tls)"
)
#: The troubles by the type of the exception. The first type that fits decides.
_TROUBLES: tuple[tuple[type[Exception], _Trouble], ...] = (
    (ssl.SSLError, _TLS_FAILED),
    (SMTPAuthenticationError, _AUTH_REFUSED),
    (socket.gaierror, _Trouble("name_not_found", False, "the name was not found (smtp.host)")),
    (
        TimeoutError,
        _Trouble("timeout", False, "the server did not answer in time (smtp.host, smtp.port, smtp.timeout_seconds)"),
    ),
    (
        SMTPServerDisconnected,
        _Trouble("disconnected", False, "the server closed the connection (smtp.host, smtp.port, smtp.tls)"),
    ),
    (SMTPConnectError, _Trouble("refused", False, "the connection was refused (smtp.host, smtp.port)")),
    (OSError, _Trouble("disconnected", False, "the connection broke (smtp.host, smtp.port)")),
    (SMTPException, _Trouble("protocol_error", True, "this is not an SMTP server (smtp.host, smtp.port, smtp.tls)")),
)


#: The longest name of a mail server, in characters.
_LONGEST_HOST = 255


class SmtpSettings(SecretSection):
    """How the worker connects to the mail server. It sends mails without TLS only if `tls = "none"`."""

    host: str = Field(default="localhost", description="The mail server's name or address.")
    port: int = Field(default=25, ge=1, le=65_535, description="The mail server's port.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="How the connection to the mail server is encrypted: after STARTTLS, from the first byte on "
        "(implicit), or not at all. With the first two, the worker never falls back to plain text.",
    )
    username: str | None = Field(
        default=None, description="The user name of the login. Without it, the worker does not log in."
    )
    password: SecretStr | None = Field(
        default=None,
        description="The password of the login. Set it in the environment, or name its file in password_file.",
    )
    password_file: Path | None = secret_file(
        "the password of the login", "If its content changes, the worker logs in anew with the new password."
    )
    cafile: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities that the worker trusts. Without it, the worker trusts "
        "those of the operating system.",
    )
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600.0,
        description="Seconds that each step of the conversation with the mail server may take, except the last one "
        "(accept_timeout_seconds).",
    )
    accept_timeout_seconds: float = Field(
        default=600.0,
        gt=0,
        le=3_600.0,
        description="Seconds that the server may take to answer once it has the whole mail. Content filters can make "
        "this slow (RFC 5321, 4.5.3.2.6).",
    )
    connections: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Largest number of mails that are sent at the same time. In addition, up to half this number of "
        "mails may wait for more than 30 seconds until the server accepts them.",
    )

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not 0 < len(host) <= _LONGEST_HOST or " " in host or not host.isprintable():
            raise ValueError(f"must be a name or an address of 1 to {_LONGEST_HOST} characters, without blanks")
        return host

    @property
    def most_connections(self) -> int:
        """The largest number of connections: `connections`, and further ones while some mails are slow."""
        return self.connections + (self.connections + 1) // 2

    @model_validator(mode="after")
    def _credentials(self) -> "SmtpSettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password (or password_file) must be set together")
        if self.password is not None and self.tls == "none" and not is_loopback(self.host):
            raise ValueError("a password needs tls, unless host is this machine")
        if self.cafile is not None and not self.cafile.is_file():
            raise ValueError("cafile is not a file")
        return self


class _Kept(NamedTuple):
    """An idle connection, which is kept for the next mail."""

    #: When it became idle, by the event loop's clock, in seconds.
    since: float
    conversation: Conversation
    #: Whether the transaction of the last mail is still open, because the server refused that mail.
    in_transaction: bool


class EmailChannel:
    """Sends mails, several at the same time, each over a connection of its own, which is kept for the next mail.

    Raise SettingsError if the certificate authority's file holds no certificate.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls = None if settings.tls == "none" else trusting(settings.cafile, "smtp.cafile")
        self._password_state = self._state_of_password()
        self._free = asyncio.Semaphore(settings.most_connections)
        self._kept: list[_Kept] = []
        # The connections that were made since the last renewal.
        self._fresh: WeakSet[Conversation] = WeakSet()
        self._closed = False

    async def send(self, mail: Mail, to: Sequence[str] | None = None, begun: Callable[[], None] = lambda: None) -> None:
        """Hand the mail over to the server for the receivers in `to`, by default all of its own.

        Return when the server has accepted it for every receiver. Otherwise raise DeliveryError. If only some receivers
        were refused, its `retry_to` names those for whom another attempt makes sense (4xx); the others have the mail or
        will never get it. After a time-out or a disconnect the server may have accepted the mail, so a retry can repeat
        it, with the same Message-ID.

        `begun` is called when the server has accepted MAIL. Later failures say nothing about the server.
        """
        receivers = without_repeats(mail.receivers if to is None else to)
        if not receivers:
            raise ValueError("a mail needs a receiver")
        async with self._free:
            refused = await self._hand_over(mail.sender, receivers, mail.data, begun)
        if refused:
            raise _refusal(refused, partly=len(refused) < len(receivers))

    async def check(self) -> None:
        """Connect and log in as for a mail, then disconnect. Raise DeliveryError, with a hint, if that fails."""
        try:
            conversation = await self._connect()
        except (SMTPException, OSError) as error:
            raise self._failure(error, begun=False) from None
        await conversation.quit(_QUIT_SECONDS)

    def renew(self) -> None:
        """Let the next mails be sent over new connections, which log in again.

        A connection that is in use now is closed after its mail.
        """
        self._fresh.clear()
        kept, self._kept = self._kept, []
        for each in kept:
            each.conversation.close()

    async def aclose(self) -> None:
        """Close the idle connections. A connection that is in use closes after its mail."""
        self._closed = True
        kept, self._kept = self._kept, []
        await asyncio.gather(*(each.conversation.quit(_QUIT_SECONDS) for each in kept))

    async def _hand_over(
        self, sender: str, receivers: list[str], data: bytes, begun: Callable[[], None]
    ) -> dict[str, int]:
        """Give the mail to the server. Return the receivers that it refused, each with the code of its reply.

        A server may close the connection when it refuses a receiver (421). The other receivers are then named on a new
        connection.
        """
        refused: dict[str, int] = {}
        while left := [receiver for receiver in receivers if receiver not in refused]:
            # The cause could quote the server. "from None" keeps it out of tracebacks.
            try:
                conversation = await self._begin(_Envelope(sender, left, len(data)))
            except (SMTPException, OSError) as error:
                raise self._failure(error, begun=bool(refused)) from None
            begun()
            try:
                if await self._transact(conversation, left, data, refused):
                    break
            except (SMTPException, OSError) as error:
                raise self._failure(error, begun=True) from None
        return refused

    async def _begin(self, envelope: "_Envelope") -> Conversation:
        """Return a connection on which MAIL was accepted: an idle one if it still works, or else a new one.

        The other commands of the mail are said as well; the replies to them are still to be read.
        """
        kept = self._take()
        if kept is not None:
            with suppress(SMTPException, OSError):
                # A server may close an idle connection, or refuse it, at any time. Only a new connection shows whether
                # the server can be used.
                return await self._say(kept.conversation, envelope, reset=kept.in_transaction)
        return await self._say(await self._connect(), envelope)

    async def _say(self, conversation: Conversation, envelope: "_Envelope", *, reset: bool = False) -> Conversation:
        """Say all commands of a mail, and return the connection once MAIL is accepted.

        `reset`: whether the transaction of the last mail is still open. If MAIL is not accepted, close the connection.
        """
        try:
            conversation.say(*([b"RSET"] if reset else []), *envelope.commands(conversation))
            await self._hear_mail(conversation, reset=reset)
        except BaseException:
            conversation.close()
            raise
        return conversation

    async def _hear_mail(self, conversation: Conversation, *, reset: bool) -> None:
        """Read the reply to MAIL, and the one to RSET before it if that was said. Raise if one is a refusal."""
        seconds = self._settings.timeout_seconds
        if reset and (code := await conversation.reply(seconds)) != _DONE:
            raise SMTPResponseException(code, "")
        if (code := await conversation.reply(seconds)) != _DONE:
            raise SMTPSenderRefused(code, "", "")

    async def _transact(
        self, conversation: Conversation, receivers: list[str], data: bytes, refused: dict[str, int]
    ) -> bool:
        """Do the rest of a mail transaction after MAIL. Add the receivers that the server refuses to `refused`.

        Return False if the server closed the connection before every receiver was named.
        """
        try:
            if not await self._hear_receivers(conversation, receivers, refused):
                conversation.close()
                return False
            all_refused = refused.keys() >= set(receivers)
            if all_refused:
                await self._abandon(conversation)
            else:
                await self._give_content(conversation, data)
        except SMTPResponseException as error:
            # After a valid refusal both sides agree about the state of the conversation. After another reply they may
            # not.
            if _is_reply(error.code) and error.code != _CLOSING:
                self._keep(conversation, in_transaction=True)
            else:
                conversation.close()
            raise
        except BaseException:
            conversation.close()
            raise
        self._keep(conversation, in_transaction=all_refused)
        return True

    async def _hear_receivers(self, conversation: Conversation, receivers: list[str], refused: dict[str, int]) -> bool:
        """Read the replies about the receivers; add the refused ones to `refused`, each with the code of its reply.

        Return False if the server closes the connection after a refusal.
        """
        for receiver in receivers:
            code = await conversation.reply(self._settings.timeout_seconds)
            if code in _ACCEPTED:
                continue
            if not _is_reply(code):
                raise SMTPResponseException(code, "")
            refused[receiver] = code
            if code == _CLOSING:
                return False
        return True

    async def _abandon(self, conversation: Conversation) -> None:
        """End a transaction in which every receiver was refused.

        With PIPELINING, DATA was already sent. A server should refuse it, but may want a content nevertheless
        (RFC 2920, 3.1). It gets an empty one, which it has nobody to give to.
        """
        if conversation.take_back():
            return
        try:
            if await conversation.reply(self._settings.timeout_seconds) == _GO_AHEAD:
                conversation.hand_over(_END)
                await conversation.reply(self._settings.timeout_seconds)
        except (SMTPException, OSError):
            conversation.close()  # the receivers were refused before that

    async def _give_content(self, conversation: Conversation, data: bytes) -> None:
        """Send the content of a mail, and wait until the server has accepted it."""
        if (code := await conversation.reply(self._settings.timeout_seconds)) != _GO_AHEAD:
            raise SMTPDataError(code, "")
        conversation.hand_over(_content(data))
        if (code := await conversation.reply(self._settings.accept_timeout_seconds)) != _DONE:
            raise SMTPDataError(code, "")

    async def _connect(self) -> Conversation:
        """Return a new connection, encrypted and logged in as the settings say."""
        client = SMTP(
            hostname=self._settings.host,
            port=self._settings.port,
            timeout=self._settings.timeout_seconds,
            use_tls=self._settings.tls == "implicit",
            # Not None, which would allow plain text if the server offers no STARTTLS. _log_in asks for STARTTLS.
            start_tls=False,
            tls_context=self._tls,
            local_hostname=_own_name(),
        )
        try:
            await self._log_in(client)
            conversation = Conversation.take_over(client)
        except BaseException:
            client.close()
            raise
        self._fresh.add(conversation)
        return conversation

    async def _log_in(self, client: SMTP) -> None:
        await client.connect()
        await _greet(client)
        if self._settings.tls == "starttls":
            if not client.supports_extension("starttls"):
                raise self._unavailable(_STARTTLS_MISSING)
            try:
                await client.starttls()
            except SMTPResponseException:
                raise self._unavailable(_TLS_FAILED) from None
            await _greet(client)
        if self._settings.username is not None:
            if not set(client.AUTH_METHODS) & set(client.server_auth_methods):
                raise self._unavailable(_AUTH_MISSING)
            await client.login(self._settings.username, self._password())

    def _password(self) -> str:
        """Return the password of the login; if a file holds it, the one that the file has now."""
        if self._settings.password_file is None:
            assert self._settings.password is not None
            return self._settings.password.get_secret_value()
        try:
            return read_secret(self._settings.password_file)
        except UnreadableSecret:
            raise self._unavailable(_PASSWORD_UNREADABLE) from None

    def _state_of_password(self) -> FileState | None:
        return None if self._settings.password_file is None else file_state(self._settings.password_file)

    def _failure(self, error: SMTPException | OSError, *, begun: bool) -> DeliveryError:
        """Return what an error of the conversation means for the mail. `begun`: whether MAIL was accepted before."""
        if isinstance(error, SMTPResponseException) and not isinstance(error, SMTPAuthenticationError):
            if begun or (isinstance(error, SMTPSenderRefused) and error.code not in _ABOUT_US):
                return _verdict(error.code)
            alarm = not _is_reply(error.code) or error.code >= _PERMANENT
            reason = f"smtp_{error.code}" if _is_reply(error.code) else "protocol_error"
            hint = "the server refuses this worker (smtp.host, smtp.port, smtp.username, email.sender)"
            return self._unavailable(_Trouble(reason, alarm, hint))
        cause = error.__cause__
        why = cause if isinstance(cause, ssl.SSLError | SMTPServerDisconnected | socket.gaierror) else error
        trouble = next(trouble for kind, trouble in _TROUBLES if isinstance(why, kind))
        if begun:
            patience = "the server did not answer in time (smtp.accept_timeout_seconds, smtp.timeout_seconds)"
            hint = f"{self._where}: {patience if trouble.reason == 'timeout' else trouble.hint}"
            return DeliveryError(trouble.reason, retry=True, alarm=trouble.alarm, unsure=True, hint=hint)
        return self._unavailable(trouble, getattr(why, "verify_message", ""))

    def _unavailable(self, trouble: _Trouble, detail: str = "") -> DeliveryError:
        hint = f"{self._where}: {trouble.hint}" + (f": {detail}" if detail else "")
        return DeliveryError(trouble.reason, retry=True, alarm=trouble.alarm, unavailable=True, hint=hint)

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _take(self) -> "_Kept | None":
        """Return the connection that became idle last, if that was not too long ago; close those that are too old.

        If the file of the password has changed, all of them are.
        """
        if (state := self._state_of_password()) != self._password_state:
            self._password_state = state
            self.renew()
        now = asyncio.get_running_loop().time()
        while self._kept:
            kept = self._kept.pop()
            if kept.conversation.is_open and now - kept.since < _KEEP_SECONDS:
                return kept
            kept.conversation.close()
        return None

    def _keep(self, conversation: Conversation, *, in_transaction: bool) -> None:
        if self._closed or not conversation.is_open or conversation not in self._fresh:
            conversation.close()
        else:
            self._kept.append(_Kept(asyncio.get_running_loop().time(), conversation, in_transaction))


class _Envelope(NamedTuple):
    """The envelope of a mail, and the size of its content in bytes."""

    sender: str
    receivers: Sequence[str]
    size: int

    def commands(self, conversation: Conversation) -> list[bytes]:
        """Return the commands of the mail. DATA is the last one, as RFC 2920, 3.1 wants it to be."""
        size = f" SIZE={self.size}" if conversation.knows_size else ""
        mail = f"MAIL FROM:<{check_address(self.sender)}>{size}"
        names = [f"RCPT TO:<{check_address(receiver)}>" for receiver in self.receivers]
        return [line.encode("ascii") for line in (mail, *names, "DATA")]


async def _greet(client: SMTP) -> None:
    """Send EHLO, or HELO to a server that does not know EHLO."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def _content(data: bytes) -> bytes:
    """Return the content of a mail as it is sent: dots that begin a line are doubled, and a line with a dot ends it."""
    doubled = data.replace(b"\n.", b"\n..")
    first = b"." if data.startswith(b".") else b""
    end = b"" if data.endswith(b"\r\n") else b"\r\n"
    return b"".join([first, doubled, end, _END])


def _refusal(refused: dict[str, int], *, partly: bool) -> DeliveryError:
    """Return the error for refused receivers; its reason is a reply that allows another attempt, if there is one."""
    verdicts = {receiver: _verdict(code) for receiver, code in refused.items()}
    again = tuple(receiver for receiver, verdict in verdicts.items() if verdict.retry)
    decisive = verdicts[again[0]] if again else next(iter(verdicts.values()))
    return DeliveryError(
        "recipients_refused_partly" if partly else decisive.reason,
        retry=bool(again),
        alarm=any(verdict.alarm for verdict in verdicts.values()),
        partly=partly,
        # If no receiver has got the mail, a permanent refusal may concern the server as a whole: all are named again.
        retry_to=again if partly and again else None,
        hint=decisive.hint,
    )


def _verdict(code: int) -> DeliveryError:
    """Return what a reply after MAIL means for the mail."""
    if not _is_reply(code):
        return DeliveryError("protocol_error", retry=True, alarm=True, unsure=True)
    if code in _CREDENTIALS:
        hint = "the server wants a login or encryption for this mail (smtp.username, smtp.tls)"
        return DeliveryError(f"smtp_{code}", retry=True, alarm=True, hint=hint)
    permanent = code >= _PERMANENT
    return DeliveryError(f"smtp_{code}", retry=not permanent, alarm=permanent)


def _is_reply(code: int) -> bool:
    """Say whether this code is a refusal by SMTP. aiosmtplib's code -1, for instance, is not."""
    return 400 <= code < 600


def _own_name() -> str:
    """Return the name for EHLO. socket.getfqdn would wait for a name server, for each connection."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
