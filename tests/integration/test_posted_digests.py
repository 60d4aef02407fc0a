"""Two thousand unhappy customers at once are a few posts to a webhook and a chat, also if a worker dies meanwhile."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from integration.conftest import Bench, make_settings
from integration.test_cases import answer, bodies
from integration.test_channels import SECRET, events_of
from integration.test_digests import CRITICAL, CUSTOMERS, dying, publish
from integration.test_silences import END, give, soon
from notify.rigs import HOST, HttpServer, http_server

from worker.app import running
from worker.demo.backlog import Backlog
from worker.demo.environment import Environment
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateNotDurable
from worker.kafka.topics import CHAT_PLANS, WEBHOOK_PLANS
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.rebuild.command import rebuild
from worker.roles.silences import FollowedSilences
from worker.routing.receiver import ReceiverSettings
from worker.routing.tree import RootRoute
from worker.settings import KafkaSettings, Settings

_LEFT_OUT = re.compile(r"^\(([\d,]+) more are not shown here", re.MULTILINE)


@pytest.fixture
async def crm() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


@pytest.fixture
async def room() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


def settings_of(
    kafka: EmbeddedKafka, inbox: Inbox, name: str, crm: HttpServer, room: HttpServer, **receivers: ReceiverSettings
) -> Settings:
    return make_settings(
        kafka,
        inbox,
        topic_prefix=name,
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=f"{name}-worker"),
        webhook=WebhookSettings(endpoints={"crm": {"url": f"http://{HOST}:{crm.port}/hook", "secrets": [SECRET]}}),
        chat=ChatSettings(endpoints={"care": {"url": f"http://{HOST}:{room.port}/hook"}}),
        receivers=receivers,
        route=RootRoute(receivers=[*receivers]),
    )


@asynccontextmanager
async def at_work(settings: Settings, inbox: Inbox, *roles: Any) -> AsyncIterator[Bench]:
    async with (
        AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer,
        running(settings, *roles) as worker,
        Backlog(settings, worker) as backlog,
    ):
        yield Bench(Environment(settings, worker, inbox, backlog), producer)


async def all_sent(bench: Bench) -> None:
    """Wait until nothing waits in any table."""
    tables = (WEBHOOK_PLANS, CHAT_PLANS)
    waiting = bench.environment.backlog.waiting
    while any(b"\x00" in key for table in tables for key in bench.rows(table)) or await waiting() != 0:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def messages_of(room: HttpServer) -> list[str]:
    """Return the texts of the messages that a room has got, without repeats."""
    found = {request.headers["Idempotency-Key"]: json.loads(body)["text"] for request, body in room.requests}
    return [*found.values()]


def shown_in(message: str) -> tuple[int, int]:
    """Return how many alerts a message shows, and how many more it says that there are."""
    left_out = _LEFT_OUT.search(message)
    more = 0 if left_out is None else int(left_out[1].replace(",", ""))
    return (message.count("\N{BULLET}") if "Digest:" in message else 1), more


async def test_a_flood_is_a_few_posts_which_list_or_count_each_customer_once(
    kafka: EmbeddedKafka, inbox: Inbox, crm: HttpServer, room: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    caps: dict[str, Any] = {"critical_per_hour": 2, "group_interval_seconds": 10}
    program = ReceiverSettings(webhook="crm", notices_per_hour=12, **caps)
    people = ReceiverSettings(chat="care", notices_per_hour=6, language="en", **caps)
    settings = settings_of(kafka, inbox, "posted-flood", crm, room, program=program, people=people)
    async with running(settings, "notify"):
        pass  # a channel that is new begins with the alerts from then on
    async with at_work(settings, inbox, "process") as bench:
        await publish(settings)
        while await bench.environment.backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
            await asyncio.sleep(0.05)
    with monkeypatch.context() as patched:
        dying(patched)
        async with running(settings, "notify") as worker:
            with pytest.raises(StateNotDurable, match="the worker dies"):
                await worker.failure()
    before = Counter([*crm.accepted, *room.accepted])

    async with at_work(settings, inbox, "notify") as bench:
        await all_sent(bench)
        alerts = {alert["alert_id"]: alert for alert in bodies(await bench.read("alerts"))}
        log = bodies(await bench.read("deliveries"))

    assert len(alerts) == CUSTOMERS
    # A digest of which nobody knew whether it was accepted came again, under the same id.
    assert any(count > 1 for post, count in Counter([*crm.accepted, *room.accepted]).items() if post in before)

    events = {event["id"]: event for event in events_of(crm)}
    assert len(events) <= 12 + 2 + 2
    listed = [event for event in events.values() if event["type"] == "nps.digest.v1"]
    alone = [event for event in events.values() if event["type"] != "nps.digest.v1"]
    entries = [*alone, *(entry for event in listed for entry in event["data"]["entries"])]
    assert Counter(entry["data"]["alert_id"] for entry in entries) == Counter(alerts.keys())
    assert all(entry["data"] == alerts[entry["data"]["alert_id"]] for entry in entries)
    assert len({entry["id"] for entry in entries}) == CUSTOMERS
    assert max(len(body) for _, body in crm.requests) <= 1_000_000
    assert [event["data"]["severity"] for event in alone].count("critical") == 2

    messages = messages_of(room)
    assert len(messages) <= 6 + 2 + 2
    assert max(map(len, messages)) <= 4_000
    assert sum(sum(shown_in(message)) for message in messages) == CUSTOMERS
    critical = [message for message in messages if "[Critical]" in message]
    assert sum(shown_in(message)[0] for message in critical) == CRITICAL

    sent = Counter((line["channel"], line["alert_id"]) for line in log if line["status"] == "sent")
    assert all(sent[channel, alert_id] == 1 for channel in ("webhook", "chat") for alert_id in alerts)
    reasons = Counter(line["reason"] for line in log if line["channel"] == "chat" and line["alert_id"] in alerts)
    assert reasons["counted_in_digest"] == sum(shown_in(message)[1] for message in messages)
    assert reasons["accepted"] + reasons["in_digest"] == sum(shown_in(message)[0] for message in messages)


async def test_what_a_silence_holds_back_is_one_event_and_one_message_at_the_end(
    kafka: EmbeddedKafka, inbox: Inbox, crm: HttpServer, room: HttpServer
) -> None:
    program, people = ReceiverSettings(webhook="crm"), ReceiverSettings(chat="care", language="en")
    settings = settings_of(kafka, inbox, "posted-silences", crm, room, program=program, people=people)

    async def unhappy(bench: Bench, number: int, score: int = 6) -> None:
        key = f"c-{number}"
        await bench.publish(answer(customer_id=key, response_id=f"r-{number}", score=score), key.encode())

    async with at_work(settings, inbox) as bench:
        assert (await give(settings, soon())).outcome == "applied"
        followed = bench.worker.of(FollowedSilences)["silences"]
        while followed.known.find("strike") is None:  # noqa: ASYNC110 - what follows the topic raises no event here
            await asyncio.sleep(0.05)
        for number in (1, 2):
            await unhappy(bench, number)
        await unhappy(bench, 3, score=0)
        while not (crm.accepted and room.accepted):  # noqa: ASYNC110 - the test ends by its own limit
            await asyncio.sleep(0.05)
        await bench.settle()
        held = [line for line in bodies(await bench.read("deliveries")) if line["reason"] == "silenced"]
        assert Counter((line["channel"], line["status"]) for line in held) == {
            ("webhook", "deferred"): 2,
            ("chat", "deferred"): 2,
        }
        assert all(line["digest_id"] for line in held)

    async with at_work(settings, inbox) as bench:
        await bench.settle()
        assert (len(crm.accepted), len(room.accepted)) == (1, 1)
        assert (await give(settings, END)).version == 2
        while len(crm.accepted) + len(room.accepted) < 4:  # noqa: ASYNC110 - the test ends by its own limit
            await asyncio.sleep(0.05)
        await bench.settle()
        alerts = {alert["customer_id"]: alert["alert_id"] for alert in bodies(await bench.read("alerts"))}
        await unhappy(bench, 4)
        while len(crm.accepted) + len(room.accepted) < 6:  # noqa: ASYNC110 - the test ends by its own limit
            await asyncio.sleep(0.05)
        await bench.settle()

    # Tables that were lost are made again, and nothing of it is posted once more.
    lost = ["webhooks", WEBHOOK_PLANS, "chats", CHAT_PLANS]
    done = await rebuild(settings, lost, 2.0, lambda _: None)
    assert all(table in done for table in lost)
    async with at_work(settings, inbox) as bench:
        await bench.settle()
    assert (len(crm.accepted), len(room.accepted)) == (3, 3)

    critical, digest, later = events_of(crm)
    assert (critical["type"], later["type"]) == ("nps.alert.v1", "nps.alert.v1")
    assert digest["type"] == "nps.digest.v1"
    assert [one["silence_id"] for one in digest["data"]["silences"]] == ["strike"]
    assert {(one["data"]["alert_id"], one["silence_id"]) for one in digest["data"]["entries"]} == {
        (alerts["c-1"], "strike"),
        (alerts["c-2"], "strike"),
    }
    _, message, _ = messages_of(room)
    assert "Digest: 2 new" in message
    assert "silence strike, which anna has asked for: 2. Reason: The depot is on strike." in message
    assert message.count("held back by the silence strike") == 2
