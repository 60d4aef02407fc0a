"""The conversation with a mail server, once the worker is connected and logged in: commands, and the codes of replies.

aiosmtplib connects, encrypts and logs in; then a `Conversation` takes the connection over. If the server offers
PIPELINING (RFC 2920), it sends all commands of a mail at once, so that a mail takes two round trips. aiosmtplib can
only wait for the reply to each command, which takes four round trips or more, and each of them costs CPU time.

The texts of replies are not kept, since servers quote addresses in them.
"""

import asyncio
from collections import deque
from typing import Self, cast

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

#: RFC 5321, 4.2.1: each line of a reply begins with the code, and all lines but the last have this character after it.
_CODE_LENGTH, _MORE_LINES = 3, b"-"
#: The longest reply that is read, in bytes. RFC 5321, 4.5.3.1.5, allows lines of 512 bytes.
_LONGEST_REPLY = 32_768
#: The code of an error about a reply that is not one of SMTP. (aiosmtplib uses the same number.)
NO_REPLY = -1


class Conversation(asyncio.Protocol):
    """A connection on which mails can be sent. After an error other than a refusal, it must be closed."""

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool = False, knows_size: bool = False) -> None:
        #: Whether the server accepts several commands at once.
        self.pipelining = pipelining
        #: Whether the command MAIL may say how large the mail is (RFC 1870).
        self.knows_size = knows_size
        self._transport = transport
        # Commands that wait for the replies to earlier ones.
        self._unsent: deque[bytes] = deque()
        # How many replies the server still owes.
        self._owed = 0
        # The codes of replies that were not asked for yet, and the beginning of the next reply.
        self._codes: deque[int] = deque()
        self._unread = b""
        # Why there will be no further reply.
        self._broken: SMTPException | None = None
        self._waiter: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    @classmethod
    def take_over(cls, client: SMTP) -> Self:
        """Return a conversation on aiosmtplib's connection, which `client` must not use any more."""
        transport = client.transport
        if transport is None or transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        return cls(
            cast(asyncio.Transport, transport),
            pipelining=client.supports_extension("pipelining"),
            knows_size=client.supports_extension("size"),
        )

    @property
    def is_open(self) -> bool:
        """Whether the connection can still be used."""
        return self._broken is None and not self._transport.is_closing()

    def say(self, *commands: bytes) -> None:
        """Send commands, without their line ends. `reply` has to be called once for each of them.

        Without PIPELINING, each command is only sent when the reply to it is asked for. Raise SMTPServerDisconnected if
        a command cannot be sent, since the connection is closed.
        """
        lines = [command + b"\r\n" for command in commands]
        if self.pipelining:
            self._write(b"".join(lines), replies=len(lines))
        else:
            self._unsent.extend(lines)

    def take_back(self) -> bool:
        """Withdraw the commands that are not sent yet. Return False if there is no such command."""
        found = bool(self._unsent)
        self._unsent.clear()
        return found

    def hand_over(self, content: bytes) -> None:
        """Send the content of a mail, which ends in a line with a single dot. The server owes one reply to it."""
        self._write(content, replies=1)

    async def reply(self, seconds: float) -> int:
        """Return the code of the next reply.

        Raise SMTPReadTimeoutError if it does not come within `seconds`, SMTPServerDisconnected if the connection ends
        before, SMTPResponseException (`NO_REPLY`) if what comes is no reply.
        """
        if self._unsent:
            self._write(self._unsent.popleft(), replies=1)
        if not self._codes:
            if self._broken is not None:
                raise self._broken
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiter
            except TimeoutError:
                raise SMTPReadTimeoutError("Timed out waiting for server response") from None
            finally:
                self._waiter = None
        return self._codes.popleft()

    async def quit(self, seconds: float) -> None:
        """Say goodbye, and close the connection. It does not matter whether the server answers."""
        try:
            self.take_back()
            self.say(b"QUIT")
            await self.reply(seconds)
        except (SMTPException, OSError):
            pass  # no mail is in flight on an idle connection
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection. What the server has not taken yet is dropped: nobody waits for the reply to it.

        The transport would send it first. So the server could get the rest of a mail that is sent again meanwhile.
        """
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _write(self, data: bytes, *, replies: int) -> None:
        if not self.is_open:
            raise SMTPServerDisconnected("Connection lost")
        self._owed += replies
        self._transport.write(data)

    # -- What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Read replies. What the server says without being asked is dropped, for instance 421 before it hangs up."""
        self._unread += data
        try:
            while self._owed and (code := self._next_code()) is not None:
                self._owed -= 1
                self._codes.append(code)
        except SMTPResponseException as error:
            self._break(error)
        if not self._owed:
            self._unread = b""
        if self._codes:
            self._wake()

    def eof_received(self) -> None:
        """Note that the server says nothing more. The transport then closes the connection."""
        self._break(SMTPServerDisconnected("Unexpected EOF received"))

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end of the connection."""
        lost = SMTPServerDisconnected("Connection lost")
        lost.__cause__ = error
        self._break(lost)

    def _next_code(self) -> int | None:
        """Take the first reply from what was received, and return its code; None if it is not complete yet."""
        begin = 0
        while (end := self._unread.find(b"\n", begin)) >= 0:
            line = self._unread[begin:end]
            code = line[:_CODE_LENGTH]
            if len(code) < _CODE_LENGTH or not code.isdigit() or end > _LONGEST_REPLY:
                raise SMTPResponseException(NO_REPLY, "Malformed SMTP response")
            begin = end + 1
            if line[_CODE_LENGTH : _CODE_LENGTH + 1] != _MORE_LINES:
                self._unread = self._unread[begin:]
                return int(code)
        if len(self._unread) > _LONGEST_REPLY:
            raise SMTPResponseException(NO_REPLY, "Response too long")
        return None

    def _break(self, error: SMTPException) -> None:
        self._broken = self._broken or error
        self._owed, self._unread = 0, b""
        self._wake()

    def _wake(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self._codes:
            self._waiter.set_result(None)
        elif self._broken is not None:
            self._waiter.set_exception(self._broken)
