"""A second channel, a chat that is a double, goes through the same planning, outbox and courier as e-mail."""

import logging
from collections.abc import Callable

import pytest
from notify.mailboxes import planned
from roles.test_courier import at_work, opened

from schemas.alert import Alert
from schemas.erasure import Erasure
from worker.errors import DeliveryError
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox
from worker.notify.channel import Wording
from worker.notify.digest import Content, Digest
from worker.notify.planning import Planner
from worker.notify.receivers import Address
from worker.routing.flat import FlatRoute, flat_routing

MakeAlert = Callable[..., Alert]

#: Rooms differ by case, as mail addresses do not.
PLANNER = Planner(
    "chat", flat_routing([FlatRoute(name="rooms", to=["Care", "care", "ops"])], "chat"), ["opened"], IntakePolicy()
)


class Chat:
    """What a folder of worker/notify/channels/ would hold: its wording and its sending. Each receiver is a room."""

    connections, most_connections = 2, 3
    wording = Wording(
        one="message",
        many="messages",
        server="the chat",
        refuses_all="the chat refuses every message (chat.token)",
        slow_setting="chat.timeout_seconds",
    )

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.answers: dict[str, list[DeliveryError]] = {}

    def server_of(self, route: str) -> str:
        assert route
        return ""

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        assert delivery_id
        assert not isinstance(notice, Erasure | Digest)
        begun()
        if answers := self.answers.get(notice.alert_id):
            raise answers.pop(0)
        self.posted += [(notice.alert_id, room) for room in address.targets]

    async def aclose(self) -> None:
        pass


async def test_its_messages_are_planned_and_delivered_under_ids_of_their_own(make_alert: MakeAlert) -> None:
    chat = Chat()
    async with at_work(channel=chat, planner=PLANNER) as office:
        office.plan(opened(make_alert, 0))
        [row] = [row for key, row in office.rows.rows.items() if b"\x00" not in key]
        await office.settle()

        assert chat.posted == [("a-0", "Care"), ("a-0", "care"), ("a-0", "ops")]
        assert [(line["channel"], line["route"], line["status"]) for line in office.log] == [("chat", "rooms", "sent")]
        [message] = mailbox.decode(row).mails
        by_mail = planned(opened(make_alert, 0), routes=(FlatRoute(name="rooms", to=["care@example.org"]),))
        [mail] = mailbox.decode(by_mail.rows[b"c-0"] or b"").mails
        assert message.delivery_id == office.log[0]["delivery_id"] != mail.delivery_id


async def test_what_it_refuses_for_now_is_tried_again_with_whom_it_is_for(make_alert: MakeAlert) -> None:
    chat = Chat()
    chat.answers["a-0"] = [DeliveryError("chat_429", retry=True, retry_to=("care",))]
    async with at_work(channel=chat, planner=PLANNER) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        assert office.statuses("chat_429") == ["deferred"]

        await office.pass_on(300_000)
        assert chat.posted == [("a-0", "care")]
        assert office.statuses() == ["deferred", "sent"]


async def test_what_it_refuses_for_good_has_failed_once_it_has_accepted_another(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat()
    chat.answers["a-0"] = [DeliveryError("chat_404", retry=False, alarm=True)] * 2
    async with at_work(channel=chat, planner=PLANNER) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(opened(make_alert, 1))
        await office.settle()

        assert [(line["alert_id"], line["status"]) for line in office.log] == [
            ("a-0", "deferred"),
            ("a-1", "sent"),
            ("a-0", "failed"),
        ]
        assert {line["channel"] for line in office.log} == {"chat"}
    assert all(text.startswith("message ") and text.endswith(" was not accepted: chat_404") for text in caplog.messages)


async def test_its_outage_is_its_own_and_said_in_its_words(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat()
    chat.answers = {f"a-{number}": [DeliveryError("chat_401", retry=False, alarm=True)] for number in range(3)}
    async with at_work(channel=chat, planner=PLANNER) as office, at_work() as mails:
        with caplog.at_level(logging.INFO):
            for number in range(3):
                office.plan(opened(make_alert, number))
                await office.settle()
            mails.plan(opened(make_alert, 9))
            await mails.settle()
            await office.pass_on(30_000)

        assert mails.statuses() == ["sent"]
        assert len(chat.posted) == 9
    refused = "messages wait, since the chat cannot be used: chat_401; the chat refuses every message (chat.token); "
    assert f"{refused}trying again in 1 s" in caplog.messages
    assert "the chat can be used again" in caplog.messages
    assert not any("mail" in text for text in caplog.messages)
