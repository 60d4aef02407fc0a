import asyncio
import ssl
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest
import trustme
from embedded.script import Script

from worker.embedded.inbox import Answer, Cut, Drip, Inbox, Mail, Step


def _letter(subject: str = "hello") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "worker@example.com"
    message["To"] = "zoë@exämple.com"
    message["Subject"] = subject
    message.set_content("Grüße\n.\nfrom the worker\n", cte="8bit")
    return message


async def _send(inbox: Inbox, **options: Any) -> None:
    options = {"start_tls": False, "timeout": 300} | options
    await aiosmtplib.send(
        _letter(),
        sender="worker@example.com",
        recipients=["zoë@exämple.com", "b@example.com"],
        hostname=inbox.host,
        port=inbox.port,
        **options,
    )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_mail_is_kept_as_it_was_sent(inbox: Inbox) -> None:
    await _send(inbox)
    [mail] = inbox.mails
    assert mail.sender == "worker@example.com"
    assert mail.recipients == ("zoë@exämple.com", "b@example.com")
    assert not mail.encrypted
    assert mail.message["To"] == "zoë@exämple.com"
    assert mail.message.get_content() == "Grüße\n.\nfrom the worker\n"
    assert "Grüße\r\n.\r\n".encode() in mail.content


async def test_waiting_ends_when_the_mail_is_there() -> None:
    seen: list[Mail] = []
    async with Inbox(on_mail=seen.append) as inbox:
        waiting = asyncio.create_task(inbox.wait_for(2))
        await _send(inbox)
        assert not waiting.done()
        await _send(inbox)
        assert await asyncio.wait_for(waiting, 10) == inbox.mails == seen
        assert inbox.accepted == 2


@pytest.mark.parametrize("step", Step)
async def test_each_step_can_be_refused_once(inbox: Inbox, step: Step) -> None:
    inbox.behaviour = Script(step, "450 4.2.0 later")
    if step is Step.RCPT:
        await _send(inbox)  # the second recipient is taken, which is what SMTP calls a success
        assert inbox.mails[0].recipients == ("b@example.com",)
        return
    with pytest.raises(aiosmtplib.SMTPException) as refused:
        await _send(inbox)
    assert getattr(refused.value, "code", None) == 450
    assert inbox.accepted == 0
    await _send(inbox)
    assert inbox.accepted == 1


async def test_all_recipients_refused(inbox: Inbox) -> None:
    inbox.behaviour = Script(Step.RCPT, "550 5.1.1 nobody", "450 4.2.2 full")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await _send(inbox)
    assert [problem.code for problem in refused.value.recipients] == [550, 450]


@pytest.mark.parametrize(("cut", "kept"), [(Cut.LOST, 0), (Cut.KEPT, 1)])
async def test_a_connection_cut_after_data_leaves_the_client_in_doubt(inbox: Inbox, cut: Cut, kept: int) -> None:
    inbox.behaviour = Script(Step.DATA, cut)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await _send(inbox)
    assert inbox.accepted == kept


async def test_a_reply_can_drip(inbox: Inbox) -> None:
    """Longer than the client's patience; the mail is there all the same."""
    inbox.behaviour = Script(Step.DATA, Drip(b"250 2.0.0 OK\r\n", 0.1))
    with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
        await _send(inbox, timeout=0.3)
    assert inbox.accepted == 1


@pytest.mark.parametrize("step", [Step.CONNECT, Step.MAIL, Step.RCPT, Step.CONTENT])
async def test_a_connection_can_be_cut_before(inbox: Inbox, step: Step) -> None:
    inbox.behaviour = Script(step, Cut.LOST)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError)):
        await _send(inbox)
    assert inbox.accepted == 0


async def test_an_answer_can_wait_for_an_event(inbox: Inbox) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hesitate(step: Step, mail: Mail) -> Answer:
        if step is Step.DATA:
            assert mail.content
            reached.set()
            await go_on.wait()
        return None

    inbox.behaviour = hesitate
    sending = asyncio.create_task(_send(inbox))
    await asyncio.wait_for(reached.wait(), 10)
    assert inbox.accepted == 0
    go_on.set()
    await sending
    assert inbox.accepted == 1


async def test_stopping_drops_a_conversation_that_hangs() -> None:
    reached = asyncio.Event()

    async def hang(step: Step, mail: Mail) -> Answer:
        reached.set()
        await asyncio.Event().wait()
        return None

    async with Inbox(behaviour=hang) as inbox:
        sending = asyncio.create_task(_send(inbox))
        await asyncio.wait_for(reached.wait(), 10)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError)):
        await sending


async def test_starttls_can_be_demanded(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with Inbox(tls=server_tls, require_starttls=True) as inbox:
        with pytest.raises(aiosmtplib.SMTPException, match="STARTTLS"):
            await _send(inbox)
        await _send(inbox, start_tls=True, tls_context=client_tls)
        assert [mail.encrypted for mail in inbox.mails] == [True]


async def test_a_connection_under_starttls_can_be_cut(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with Inbox(tls=server_tls, behaviour=Script(Step.DATA, Cut.KEPT)) as inbox:
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await _send(inbox, start_tls=True, tls_context=client_tls)
        assert inbox.accepted == 1


async def test_it_stops_though_a_client_is_about_to_set_up_tls(server_tls: ssl.SSLContext) -> None:
    async with Inbox(tls=server_tls) as inbox:
        reader, writer = await asyncio.open_connection(inbox.host, inbox.port)
        for command in (b"", b"EHLO client\r\n", b"STARTTLS\r\n"):
            writer.write(command)
            while not (await reader.readline()).startswith((b"220 ", b"250 ")):
                pass
    assert await reader.read() == b""
    writer.close()


async def test_implicit_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with Inbox(tls=server_tls, implicit_tls=True) as inbox:
        await _send(inbox, start_tls=None, use_tls=True, tls_context=client_tls)
        assert inbox.accepted == 1


@pytest.mark.parametrize("secured", ["plain", "starttls", "implicit"])
async def test_only_who_knows_the_password_may_send(
    secured: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    server: dict[str, Any] = {}
    client: dict[str, Any] = {}
    if secured != "plain":
        server = {"tls": server_tls, "implicit_tls": secured == "implicit"}
        client = {"tls_context": client_tls, "use_tls": secured == "implicit", "start_tls": secured == "starttls"}
    async with Inbox(credentials=("worker", "correct"), **server) as inbox:
        with pytest.raises(aiosmtplib.SMTPException, match="Authentication required"):
            await _send(inbox, **client)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await _send(inbox, username="worker", password="wrong", **client)
        await _send(inbox, username="worker", password="correct", **client)
        assert inbox.accepted == 1


async def test_without_credentials_no_login_is_offered(inbox: Inbox) -> None:
    with pytest.raises(aiosmtplib.SMTPException, match="No suitable authentication"):
        await _send(inbox, username="worker", password="any")


async def test_an_error_of_the_callback_reaches_the_client() -> None:
    def fail(mail: Mail) -> None:
        raise RuntimeError("no room")

    async with Inbox(on_mail=fail) as inbox:
        with pytest.raises(aiosmtplib.SMTPDataError, match="no room"):
            await _send(inbox)
