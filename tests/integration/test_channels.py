"""The webhook and the chat on a real Kafka: each gets alerts by itself, and begins with what comes next."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from integration.conftest import Bench, StartBench
from integration.test_mail import response
from notify.rigs import HOST, HttpServer, What, http_server
from standardwebhooks.webhooks import Webhook

from worker.app import running
from worker.demo.backlog import Backlog
from worker.demo.environment import Environment
from worker.kafka import topics
from worker.maintenance import new_epoch
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.rebuild.command import rebuild
from worker.settings import Settings
from worker.streams.shell import Shell

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SOON: Any = {"first_seconds": 0.05, "longest_seconds": 0.1}


@asynccontextmanager
async def again(settings: Settings, before: Bench) -> AsyncIterator[Bench]:
    """Run a worker on the topics of an earlier one."""
    async with (
        AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer,
        running(settings) as worker,
        Backlog(settings, worker) as backlog,
    ):
        yield Bench(Environment(settings, worker, before.inbox, backlog), producer)


@pytest.fixture
async def crm() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


@pytest.fixture
async def room() -> AsyncIterator[HttpServer]:
    async with http_server() as server:
        yield server


def webhook(*servers: HttpServer) -> WebhookSettings:
    """Return settings with the endpoints e0, e1 and so on."""
    endpoints = {
        f"e{number}": {"url": f"http://{HOST}:{server.port}/hook", "secrets": [SECRET]}
        for number, server in enumerate(servers)
    }
    return WebhookSettings(endpoints=endpoints, retry=SOON)


def chat(server: HttpServer) -> ChatSettings:
    return ChatSettings(endpoints={"care": {"url": f"http://{HOST}:{server.port}/hook"}}, retry=SOON)


def events_of(server: HttpServer) -> list[dict[str, Any]]:
    """Return the events that an endpoint has got, each with a signature that its receiver verifies."""
    return [Webhook(SECRET).verify(body, dict(request.headers)) for request, body in server.requests]


async def log(works: Bench) -> list[tuple[str, str, str]]:
    lines = [json.loads(record.value) for record in await works.read("deliveries") if record.value]
    return sorted((line["channel"], line["status"], line["reason"]) for line in lines)


async def test_an_alert_is_told_on_every_channel(bench: StartBench, crm: HttpServer, room: HttpServer) -> None:
    async with bench(webhook=webhook(crm), chat=chat(room)) as works:
        await works.publish(response(1), b"c-1")
        await works.settle()
        await works.publish(response(1, revision=1, score=9), b"c-1")
        await works.settle()

        events = events_of(crm)
        alerts = [json.loads(record.value) for record in await works.read("alerts")]
        assert [(event["type"], event["data"]["action"]) for event in events] == [
            ("nps.alert.v1", "opened"),
            ("nps.alert.v1", "withdrawn"),
        ]
        assert [event["data"] for event in events] == alerts
        assert len({event["id"] for event in events}) == 2
        opening, withdrawal = [json.loads(message)["text"] for _, message in room.requests]
        assert "Unhappy customer, score 2/10" in opening
        assert opening != withdrawal
        assert works.inbox.accepted == 2
        assert ("webhook", "sent", "accepted") in await log(works)
        assert set(works.worker.of(Shell)) == {"process", "notify", "webhook", "chat"}


async def test_a_channel_that_is_out_delays_no_other_and_loses_nothing(
    bench: StartBench, crm: HttpServer, room: HttpServer
) -> None:
    dead = HttpServer()
    dead.port = 1  # nobody listens there
    async with bench(webhook=webhook(crm, dead), chat=chat(room)) as works:
        room.does = What.BUSY
        for number in range(30):
            await works.publish(response(number), f"c-{number}".encode())
        await works.inbox.wait_for(30)
        while len(crm.accepted) < 30:
            await crm.arrived()
        assert room.accepted == []
        room.does = What.ACCEPT
        while len(room.accepted) < 30:
            await room.arrived()

        assert len(set(crm.accepted)) == len(crm.accepted) == 30
        assert len(set(room.accepted)) == len(room.accepted) == 30


async def test_a_refusal_for_now_is_tried_again_under_the_same_id(bench: StartBench, crm: HttpServer) -> None:
    async with bench(webhook=webhook(crm)) as works:
        crm.does = What.LATER
        await works.publish(response(1), b"c-1")
        await crm.arrived()
        await crm.arrived()
        crm.does = What.ACCEPT
        await works.settle()

        assert len({request.headers["webhook-id"] for request, _ in crm.requests}) == 1
        found = await log(works)
        assert ("webhook", "deferred", "http_500") in found
        assert ("webhook", "sent", "accepted") in found


async def test_an_erasure_erases_what_waits_and_is_told_to_every_webhook(
    bench: StartBench, crm: HttpServer, room: HttpServer
) -> None:
    async with bench(webhook=webhook(crm, room)) as works:
        crm.does = What.BUSY
        await works.publish(response(1, customer={"name": "Marie Dupont"}), b"c-1")
        await room.arrived()
        await works.publish(None, b"c-1")
        while not any(event["type"] == "nps.erasure.v1" for event in events_of(room)):
            await room.arrived()
        crm.does = What.ACCEPT
        await works.settle()

        accepted = {request.headers["webhook-id"] for request, _ in crm.requests if crm.accepted}
        assert accepted
        told = [event for event in events_of(crm) if event["id"] in crm.accepted]
        assert [event["type"] for event in told] == ["nps.erasure.v1"]
        assert told[0]["data"]["customer_id"] == "c-1"
        assert works.rows("webhooks") == {}


async def test_a_new_channel_begins_with_what_comes_next_and_goes_on_where_it_was(
    bench: StartBench, crm: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as works:
        for number in range(5):
            await works.publish(response(number), f"c-{number}".encode())
        await works.settle()
        settings, before = works.settings, works
        assert topics.changelog_name(settings.kafka.group, "webhook", "webhooks") not in {
            plan.name for plan in topics.planned_topics(settings)
        }
    changed = Settings.model_construct(**{**dict(settings), "webhook": webhook(crm)})
    with caplog.at_level(logging.INFO):
        async with again(changed, before) as works:
            await works.publish(response(5), b"c-5")
            await works.settle()
            assert [event["data"]["alert_id"] for event in events_of(crm)] == [
                json.loads(record.value)["alert_id"] for record in await works.read("alerts") if record.key == b"c-5"
            ]
    assert "webhook is new: it gets the alerts and incidents from now on, and no earlier ones" in caplog.messages
    caplog.clear()

    # While it is not configured, nothing is lost, and the log says that something waits.
    async with again(changed, before) as works:
        crm.does = What.BUSY
        await works.publish(response(6), b"c-6")
        await crm.arrived()
        await crm.arrived()
    async with again(settings, before) as works:
        await works.publish(response(7), b"c-7")
        await works.settle()
    warned = [message for message in caplog.messages if message.startswith("webhook.endpoints is empty, but 1 notices")]
    assert len(warned) == 1

    crm.does = What.ACCEPT
    async with again(changed, before) as works:
        await works.settle()
    assert {event["data"]["customer_id"] for event in events_of(crm) if event["id"] in crm.accepted} == {
        "c-5",
        "c-6",
        "c-7",
    }


async def test_a_lost_outbox_is_rebuilt_without_repeating_anything(bench: StartBench, crm: HttpServer) -> None:
    async with bench(webhook=webhook(crm)) as works:
        await works.publish(response(1), b"c-1")
        await works.publish(response(2), b"c-2")
        await works.settle()  # otherwise the erasure may come before the event about c-2 was sent
        await works.publish(None, b"c-2")
        await works.settle()
        settings, before = works.settings, works
        kept = works.rows("webhooks")
    told = len(crm.accepted)
    said: list[str] = []
    done = await rebuild(settings, ["webhooks", "webhook-plans"], 2.0, said.append)
    assert done == "rebuild of webhooks, webhook-plans is complete; the workers can be started"
    assert any("webhooks: 2 are settled, 0 wait to be sent" in line for line in said)
    # The report of the erasure has passed the plan of the endpoint.
    assert any("webhook-plans: 1 are settled, 0 wait to be sent" in line for line in said)

    async with again(settings, before) as works:
        await works.settle()
        assert works.rows("webhooks").keys() == kept.keys()
        assert len(crm.accepted) == told
    done = await new_epoch(settings, "alerts")
    assert "there is nothing to do" in done
