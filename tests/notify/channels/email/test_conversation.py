"""The conversation on a transport that only notes what it is given: no server, no sockets."""

import asyncio
import ssl
from typing import Any

import pytest
from aiosmtplib import SMTP, SMTPReadTimeoutError, SMTPResponseException, SMTPServerDisconnected
from hypothesis import given
from hypothesis import strategies as st

from worker.notify.channels.email.conversation import NO_REPLY, Conversation

PATIENCE = 30.0


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = self.aborted = False
        #: How many bytes of what is written the server has not taken.
        self.unsent = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closed


def talk(*, pipelining: bool = True) -> tuple[Conversation, Wire]:
    wire = Wire()
    conversation = Conversation(wire, pipelining=pipelining)
    assert wire.protocol is conversation
    return conversation, wire


async def codes(conversation: Conversation, count: int) -> list[int]:
    return [await conversation.reply(PATIENCE) for _ in range(count)]


async def test_with_pipelining_all_commands_go_out_at_once() -> None:
    conversation, wire = talk()
    conversation.say(b"MAIL", b"RCPT", b"DATA")

    assert wire.written == [b"MAIL\r\nRCPT\r\nDATA\r\n"]
    conversation.data_received(b"250 a\r\n550 b\r\n354 c\r\n")
    assert await codes(conversation, 3) == [250, 550, 354]


async def test_without_it_each_command_waits_for_the_reply_before_it() -> None:
    conversation, wire = talk(pipelining=False)
    conversation.say(b"MAIL", b"DATA")
    assert wire.written == []

    reading = asyncio.create_task(codes(conversation, 2))
    await asyncio.sleep(0)
    assert wire.written == [b"MAIL\r\n"]
    conversation.data_received(b"250 a\r\n")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert wire.written == [b"MAIL\r\n", b"DATA\r\n"]
    conversation.data_received(b"354 b\r\n")
    assert await reading == [250, 354]


async def test_only_commands_that_are_not_sent_can_be_taken_back() -> None:
    conversation, wire = talk(pipelining=False)
    conversation.say(b"MAIL", b"DATA")
    conversation.data_received(b"")
    reading = asyncio.create_task(conversation.reply(PATIENCE))
    await asyncio.sleep(0)
    conversation.data_received(b"250 a\r\n")
    assert await reading == 250

    assert conversation.take_back()
    assert not conversation.take_back()
    assert wire.written == [b"MAIL\r\n"]


REPLIES = st.lists(
    st.builds(
        lambda code, texts, end: (
            code,
            b"".join(
                b"%d%b%b%b" % (code, b" " if last else b"-", text, end)
                for last, text in ((n == len(texts) - 1, text) for n, text in enumerate(texts))
            ),
        ),
        st.integers(200, 599),
        st.lists(st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"")), min_size=1, max_size=3),
        st.sampled_from([b"\r\n", b"\n"]),
    ),
    min_size=1,
    max_size=5,
)


@given(REPLIES, st.data())
async def test_replies_are_the_same_in_whatever_pieces_they_come(
    replies: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    conversation, _ = talk()
    conversation.say(*[b"NOOP"] * len(replies))
    said = b"".join(reply for _, reply in replies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    for begin, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        conversation.data_received(said[begin:end])

    assert await codes(conversation, len(replies)) == [code for code, _ in replies]
    assert conversation.is_open


async def test_what_the_server_says_without_being_asked_is_dropped() -> None:
    conversation, _ = talk()
    conversation.data_received(b"421 idle for too long\r\n")
    conversation.say(b"MAIL")
    conversation.data_received(b"250 a\r\n250 not asked for\r\n")
    assert await conversation.reply(PATIENCE) == 250

    conversation.say(b"DATA")
    conversation.data_received(b"354 b\r\n")
    assert await conversation.reply(PATIENCE) == 354


@pytest.mark.parametrize(
    "said",
    [b"gibberish\r\n", b"\r\n", b"25\r\n", b"2 50\r\n", b"-1 x\r\n", b"250-a\r\nHello\r\n", b"2" * 40_000,
     b"250-" + b"x" * 40_000 + b"\r\n250 y\r\n", b"250-a\r\n" * 8_000],
)  # fmt: skip
async def test_what_is_no_reply_ends_the_conversation(said: bytes) -> None:
    conversation, _ = talk()
    conversation.say(b"MAIL", b"DATA")
    conversation.data_received(said)

    for _ in range(2):
        with pytest.raises(SMTPResponseException) as caught:
            await conversation.reply(PATIENCE)
        assert caught.value.code == NO_REPLY
    assert not conversation.is_open


async def test_replies_that_came_before_the_end_are_still_read() -> None:
    conversation, _ = talk()
    conversation.say(b"MAIL", b"RCPT", b"DATA")
    conversation.data_received(b"250 a\r\n550 b\r\n3")
    conversation.eof_received()
    conversation.connection_lost(None)

    assert await codes(conversation, 2) == [250, 550]
    with pytest.raises(SMTPServerDisconnected):
        await conversation.reply(PATIENCE)


async def test_a_lost_connection_says_why() -> None:
    conversation, _ = talk()
    conversation.say(b"MAIL")
    reading = asyncio.create_task(conversation.reply(PATIENCE))
    await asyncio.sleep(0)
    conversation.connection_lost(ssl.SSLError("bad record"))

    with pytest.raises(SMTPServerDisconnected) as caught:
        await reading
    assert isinstance(caught.value.__cause__, ssl.SSLError)


async def ask(conversation: Conversation) -> int:
    conversation.say(b"MAIL")
    return await conversation.reply(PATIENCE)


async def test_nothing_is_said_on_a_lost_connection() -> None:
    for pipelining in (True, False):
        conversation, wire = talk(pipelining=pipelining)
        conversation.connection_lost(None)
        with pytest.raises(SMTPServerDisconnected):
            await ask(conversation)
        with pytest.raises(SMTPServerDisconnected):
            conversation.hand_over(b".\r\n")
        assert wire.written == []


async def test_a_reply_that_does_not_come_is_not_waited_for_for_ever() -> None:
    conversation, _ = talk()
    conversation.say(b"MAIL", b"DATA")
    conversation.data_received(b"250 a\r\n")

    assert await conversation.reply(0.01) == 250
    with pytest.raises(SMTPReadTimeoutError):
        await conversation.reply(0.01)


async def test_a_goodbye_closes_the_connection_whatever_the_server_says() -> None:
    for said in (b"221 bye\r\n", b"500 what?\r\n", b"gibberish\r\n"):
        conversation, wire = talk()
        leaving = asyncio.create_task(conversation.quit(PATIENCE))
        await asyncio.sleep(0)
        conversation.data_received(said)
        await leaving
        assert wire.closed
        assert wire.written == [b"QUIT\r\n"]


async def test_a_goodbye_that_is_cancelled_closes_the_connection() -> None:
    conversation, wire = talk()
    leaving = asyncio.create_task(conversation.quit(PATIENCE))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert wire.closed


async def test_a_connection_that_ended_is_not_taken_over() -> None:
    client = SMTP(hostname="mail.example.org")
    with pytest.raises(SMTPServerDisconnected):
        Conversation.take_over(client)
    client.transport = Wire()
    client.transport.close()
    with pytest.raises(SMTPServerDisconnected):
        Conversation.take_over(client)


@pytest.mark.parametrize("unsent", [0, 1])
async def test_what_the_server_has_not_taken_when_the_connection_is_closed_is_dropped(unsent: int) -> None:
    conversation, wire = talk()
    conversation.hand_over(b"a mail\r\n.\r\n")
    wire.unsent = unsent
    conversation.close()

    assert (wire.closed, wire.aborted) == (True, bool(unsent))
