"""E-mail over SMTP: its settings, a few kept connections, and what each refusal means.

What the server says decides about the mail; what goes wrong before it could say anything about *this mail* (TLS, AUTH,
greeting, network) never does, and never lets a mail out in plain text unless `tls = "none"`.

    said about the mail      5xx                                     failed, alarm
                             4xx                                     retry
    nothing said, begun      timeout, disconnected                   retry: it may have been accepted
    nothing said             refused, timeout, disconnected          unavailable
    said about us            greeting, EHLO, STARTTLS, AUTH, 421…    unavailable, alarm if somebody must act

`unavailable` is about the server: nothing has happened to the mail.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from email import policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple, cast

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from pydantic import Field, SecretStr, model_validator

from worker.errors import DeliveryError, SettingsError
from worker.flow.policy import Section

#: 7-bit passes every server, so nothing has to be negotiated before the bytes are known.
_WIRE = policy.SMTP.clone(cte_type="7bit")

#: RFC 5321, 3.8: the server is about to go, whatever the command was.
_CLOSING = 421
#: That, and RFC 4954, 6, and RFC 3207, 4: it wants (other) credentials or encryption, whatever the mail.
_ABOUT_US = frozenset({_CLOSING, 530, 534, 535, 538})

#: A kept connection that idled longer is not used again: firewalls forget it without a word, and that costs a time-out.
_KEEP_SECONDS = 60.0
_QUIT_SECONDS = 2.0

#: What went wrong before the server said anything about the mail: the first kind that fits, its reason, and its alarm.
_FAILURES: tuple[tuple[type[Exception], str, bool], ...] = (
    (ssl.SSLError, "tls_failed", True),
    (SMTPAuthenticationError, "auth_refused", True),
    (TimeoutError, "timeout", False),
    (SMTPServerDisconnected, "disconnected", False),
    (SMTPConnectError, "refused", False),
    (OSError, "disconnected", False),
    (SMTPException, "protocol_error", True),
)


class SmtpSettings(Section):
    """How to reach the mail server. Without TLS only when `tls = "none"` says so."""

    host: str = Field(default="localhost", pattern=r"^[^\s\x00-\x1f]{1,255}$", description="The server's name.")
    port: int = Field(default=25, ge=1, le=65_535, description="The server's port.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="'starttls' and 'implicit' never fall back to plain text."
    )
    username: str | None = Field(default=None, description="Who logs in.")
    password: SecretStr | None = Field(default=None, description="Best set by the environment.")
    cafile: Path | None = Field(default=None, description="Certificate authority; the system's by default.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600.0, description="For each step of the conversation.")
    connections: int = Field(default=8, ge=1, le=64, description="How many mails are sent at the same time.")

    @model_validator(mode="after")
    def _credentials(self) -> "SmtpSettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.password is not None and self.tls == "none" and not _is_loopback(self.host):
            raise ValueError("a password needs tls, unless the host is this machine")
        if self.cafile is not None and not self.cafile.is_file():
            raise ValueError("cafile is not a file")
        return self


class _Kept(NamedTuple):
    """A connection for the next mail; `in_transaction`: a refusal left the last one's transaction open."""

    since: float
    client: SMTP
    in_transaction: bool


class EmailChannel:
    """Sends mails, several at a time, each over a connection of its own that is kept for the next.

    Raises SettingsError if the certificate authority's file holds no certificate.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls = None if settings.tls == "none" else _tls_context(settings.cafile)
        self._free = asyncio.Semaphore(settings.connections)
        self._kept: list[_Kept] = []
        self._closed = False

    async def send(self, message: EmailMessage, to: Sequence[str] | None = None) -> None:
        """Hand the mail over to the server for the receivers in `to`, by default those of its To header.

        Return when the server has accepted it for every receiver. Raise DeliveryError otherwise; when some receivers
        were refused, `retry_to` names those worth another attempt (4xx), and the others have it or will never get it.
        After a time-out or a disconnect the server may have accepted the mail: a retry can repeat it, with the same
        Message-ID.
        """
        sender = _addresses(message, "From")[0]
        receivers = list(dict.fromkeys(_addresses(message, "To") if to is None else to))
        if not receivers:
            raise ValueError("a mail needs a receiver")
        data = message.as_bytes(policy=_WIRE)
        async with self._free:
            # The cause quotes the server, and servers quote addresses: it stays out of tracebacks.
            try:
                client = await self._begin(sender, len(data))
            except (SMTPException, OSError) as error:
                raise _failure(error, begun=False) from None
            try:
                refused = await self._transact(client, receivers, data)
            except (SMTPException, OSError) as error:
                raise _failure(error, begun=True) from None
        if refused:
            raise _refusal(refused, partly=len(refused) < len(receivers))

    async def aclose(self) -> None:
        """Close the connections that are kept; one that is in use closes after its mail."""
        self._closed = True
        kept, self._kept = self._kept, []
        await asyncio.gather(*(_quit(each.client) for each in kept))

    async def _transact(self, client: SMTP, receivers: list[str], data: bytes) -> dict[str, int]:
        """Do the rest of a mail transaction. Return the receivers the server refused, each with its reply's code."""
        try:
            refused = await _offer(client, receivers)
            if len(refused) < len(receivers):
                await client.data(data)
        except SMTPResponseException as error:
            # After a proper refusal both sides still agree where they are; after nonsense they do not.
            if _is_reply(error.code) and error.code != _CLOSING:
                self._keep(client, in_transaction=True)
            else:
                client.close()
            raise
        except BaseException:
            client.close()
            raise
        self._keep(client, in_transaction=len(refused) == len(receivers))
        return refused

    async def _begin(self, sender: str, size: int) -> SMTP:
        """Return a connection on which MAIL was accepted: a kept one if it is still good, or a new one."""
        kept = self._take()
        if kept is not None:
            client = kept.client
            try:
                if kept.in_transaction:
                    await client.rset()
                await _mail(client, sender, size)
            except (SMTPException, OSError):
                # Servers close kept connections, or turn them away, when they like: only a new one tells the truth.
                client.close()
            except BaseException:
                client.close()
                raise
            else:
                return client
        client = self._client()
        try:
            await self._connect(client)
            await _mail(client, sender, size)
        except BaseException:
            client.close()
            raise
        return client

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._settings.host,
            port=self._settings.port,
            timeout=self._settings.timeout_seconds,
            use_tls=self._settings.tls == "implicit",
            # Never None, which means "in plain text if need be". STARTTLS is asked for in _connect.
            start_tls=False,
            tls_context=self._tls,
            local_hostname=_own_name(),
        )

    async def _connect(self, client: SMTP) -> None:
        await client.connect()
        await _greet(client)
        if self._settings.tls == "starttls":
            if not client.supports_extension("starttls"):
                raise _unavailable("starttls_missing", alarm=True)
            try:
                await client.starttls()
            except SMTPResponseException:
                raise _unavailable("tls_failed", alarm=True) from None
            await _greet(client)
        if self._settings.username is not None and self._settings.password is not None:
            if not set(client.AUTH_METHODS) & set(client.server_auth_methods):
                raise _unavailable("auth_refused", alarm=True)
            await client.login(self._settings.username, self._settings.password.get_secret_value())

    def _take(self) -> "_Kept | None":
        """Return the connection used last, if it is fresh enough; close those that are not."""
        now = asyncio.get_running_loop().time()
        while self._kept:
            kept = self._kept.pop()
            if kept.client.is_connected and now - kept.since < _KEEP_SECONDS:
                return kept
            kept.client.close()
        return None

    def _keep(self, client: SMTP, *, in_transaction: bool) -> None:
        if self._closed or not client.is_connected:
            client.close()
        else:
            self._kept.append(_Kept(asyncio.get_running_loop().time(), client, in_transaction))


async def _greet(client: SMTP) -> None:
    """Say EHLO, or HELO to a server that knows no EHLO."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _mail(client: SMTP, sender: str, size: int) -> None:
    await client.mail(sender, options=[f"SIZE={size}"] if client.supports_extension("size") else [])


async def _offer(client: SMTP, receivers: list[str]) -> dict[str, int]:
    """Name each receiver. Return the refused ones, each with its reply's code: 450 and 550 differ only there."""
    refused: dict[str, int] = {}
    for receiver in receivers:
        try:
            await client.rcpt(receiver)
        except SMTPRecipientRefused as error:
            if not _is_reply(error.code) or error.code in _ABOUT_US:
                raise
            refused[receiver] = error.code
    return refused


async def _quit(client: SMTP) -> None:
    try:
        await client.quit(timeout=_QUIT_SECONDS)
    except (SMTPException, OSError):
        # Nothing is under way on a kept connection, so a server that is not there any more is as good as one that is.
        client.close()
    except BaseException:
        client.close()
        raise


def _failure(error: SMTPException | OSError, *, begun: bool) -> DeliveryError:
    """Return what an error of the conversation means for the mail; `begun`: MAIL was accepted before."""
    if isinstance(error, SMTPResponseException) and not isinstance(error, SMTPAuthenticationError):
        return _reply(error.code, about_mail=begun or isinstance(error, SMTPSenderRefused))
    why = error.__cause__ if isinstance(error.__cause__, ssl.SSLError | SMTPServerDisconnected) else error
    reason, alarm = next((reason, alarm) for kind, reason, alarm in _FAILURES if isinstance(why, kind))
    return DeliveryError(reason, retry=True, alarm=alarm) if begun else _unavailable(reason, alarm=alarm)


def _unavailable(reason: str, *, alarm: bool) -> DeliveryError:
    return DeliveryError(reason, retry=True, alarm=alarm, unavailable=True)


def _refusal(refused: dict[str, int], *, partly: bool) -> DeliveryError:
    """Return the error for receivers that were refused: those with 4xx are worth another attempt."""
    verdicts = {receiver: _reply(code, about_mail=True) for receiver, code in refused.items()}
    again = tuple(receiver for receiver, verdict in verdicts.items() if verdict.retry)
    decisive = verdicts[again[0]] if again else next(iter(verdicts.values()))
    return DeliveryError(
        "recipients_refused_partly" if partly else decisive.reason,
        retry=bool(again),
        alarm=any(verdict.alarm for verdict in verdicts.values()),
        retry_to=again or None,
    )


def _reply(code: int, *, about_mail: bool) -> DeliveryError:
    """Return what a reply with this code means."""
    about_mail = about_mail and code not in _ABOUT_US
    if not _is_reply(code):
        return DeliveryError("protocol_error", retry=True, alarm=True, unavailable=not about_mail)
    permanent = code >= 500
    final = permanent and about_mail
    return DeliveryError(f"smtp_{code}", retry=not final, alarm=permanent, unavailable=not about_mail)


def _is_reply(code: int) -> bool:
    """Say whether this is a refusal that SMTP knows; aiosmtplib's -1, for one, is not."""
    return 400 <= code < 600


def _addresses(message: EmailMessage, header: str) -> list[str]:
    return [address.addr_spec for address in cast(AddressHeader, message[header]).addresses]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _own_name() -> str:
    """Return the name for EHLO. Not socket.getfqdn: it may wait for a name server, for each connection."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _tls_context(cafile: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cafile)
    except (ssl.SSLError, OSError):
        raise SettingsError(["smtp.cafile: holds no certificate"]) from None
