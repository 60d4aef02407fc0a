"""Roles that the worker does not have, on a real Kafka: the road of a ticket and a second channel. Both are doubles."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from integration.conftest import make_settings
from integration.reading import read_topic
from integration.topics import create
from notify.conftest import make_alert
from notify.mailboxes import record_of
from roles.test_second_channel import PLANNER, Chat

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateNotDurable
from worker.flow.batch import Decided, Output, Overlay, Read, Record
from worker.kafka import topics
from worker.notify.retry import RetryPolicy
from worker.roles import notifying
from worker.roles.notifying import Sending
from worker.roles.surroundings import Surroundings
from worker.service import Service
from worker.settings import KafkaSettings, Settings
from worker.streams.shell import Shell
from worker.streams.store import PartitionedStore
from worker.streams.table import DurableTable

__all__ = ["make_alert"]

TICKETS, TICKET_STEPS = "tickets", "ticket-steps"
Build = Callable[[Surroundings], Awaitable[list[Service]]]


class Ticket(msgspec.Struct, array_like=True):
    """A row: what has happened to a customer's ticket, and the offset up to which that stands."""

    steps: list[str] = msgspec.field(default_factory=list)
    mark: int = -1


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Ticket).decode


def decide(records: Iterable[Record], read: Read) -> Decided:
    """Decide what happens to tickets: each step is numbered, and record_of to the world."""
    tickets, outputs = Overlay(read, decode, encode), list[Output]()
    for record in records:
        key, ticket = record.key or b"", tickets.get(record.key or b"") or Ticket()
        if record.offset <= ticket.mark:
            continue
        ticket.steps.append((record.value or b"").decode())
        ticket.mark = record.offset
        tickets.put(key, ticket)
        outputs.append(Output(TICKET_STEPS, key, f"{len(ticket.steps)} {ticket.steps[-1]}".encode()))
    return Decided(outputs, tickets.rows(), {})


async def build_tickets(surroundings: Surroundings) -> list[Service]:
    shell = Shell(surroundings.settings, TICKETS, await surroundings.kafka())
    shell.agent(TICKETS, shell.table(TICKETS), lambda records, _, state: decide(records, state.rows.get))
    return [shell]


@pytest.fixture
def add_role(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, tuple[str, ...], Build], Any]:
    """Return what adds a role with its tables to the lists of roles and of tables; it returns the role's name."""

    def add(name: str, tables: tuple[str, ...], build: Build) -> Any:
        monkeypatch.setattr("worker.roles.build.ROLES", {name: build})
        monkeypatch.setitem(topics.TABLES, name, tables)
        return name

    return add


def settings_of(kafka: EmbeddedKafka, inbox: Inbox, name: str) -> Settings:
    """Return settings under a name of their own."""
    connection = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=name)
    return make_settings(kafka, inbox, topic_prefix=name, kafka=connection)


async def publish(settings: Settings, topic: str, records: Iterable[Any]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        for record in records:
            name = f"{settings.topic_prefix}.{topic}"
            await producer.send(name, record.value, key=record.key, headers=list(record.headers))


class Step(msgspec.Struct):
    """A record of the topic of tickets."""

    key: bytes
    value: bytes
    headers: tuple[()] = ()


async def decided(worker: Worker, settings: Settings, count: int) -> None:
    """Wait until so many records of the topic of tickets are decided, and their rows durable."""
    consumer, topic = worker.of(Shell)[TICKETS].consumer, f"{settings.topic_prefix}.{TICKETS}"
    while sum(consumer.due(topic).values()) < count:  # noqa: ASYNC110 - offsets raise no event
        await asyncio.sleep(0.02)


async def steps(settings: Settings) -> list[tuple[bytes | None, bytes | None]]:
    found = await read_topic(settings.kafka.bootstrap_servers, f"{settings.topic_prefix}.{TICKET_STEPS}")
    return [(record.key, record.value) for record in found]


def rows(worker: Worker) -> dict[bytes, list[str]]:
    store = cast(PartitionedStore, worker.of(Shell)[TICKETS].tables[TICKETS].data)
    return {key: decode(row).steps for found in store.partitions.values() for key, row in found.rows.items()}


async def test_a_ticket_has_a_road_a_topic_and_a_table_of_its_own(
    kafka: EmbeddedKafka,
    inbox: Inbox,
    add_role: Callable[[str, tuple[str, ...], Build], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It survives a stop, and a failure between its outputs and its rows, like the roads that there are."""
    settings = settings_of(kafka, inbox, "ticket-road")
    role = add_role(TICKETS, (TICKETS,), build_tickets)
    for topic in (TICKETS, TICKET_STEPS):
        await create(kafka.bootstrap_servers, f"{settings.topic_prefix}.{topic}", settings.kafka.partitions, {})

    async with asyncio.timeout(300):
        async with running(settings, role) as worker:
            await publish(settings, TICKETS, [Step(b"c-1", b"opened"), Step(b"c-2", b"opened")])
            await decided(worker, settings, 2)

        async def fail(*_: Any) -> bool:
            raise StateNotDurable("a row is not acknowledged")

        write: Callable[..., Any] = DurableTable.write
        monkeypatch.setattr(DurableTable, "write", fail)
        async with running(settings, role) as worker:
            await publish(settings, TICKETS, [Step(b"c-1", b"acknowledged")])
            with pytest.raises(StateNotDurable, match="not acknowledged"):
                await worker.failure()
        monkeypatch.setattr(DurableTable, "write", write)

        async with running(settings, role) as worker:
            await publish(settings, TICKETS, [Step(b"c-1", b"closed")])
            await decided(worker, settings, 4)
            assert rows(worker) == {b"c-1": ["opened", "acknowledged", "closed"], b"c-2": ["opened"]}

    expected = {b"c-1": [b"1 opened", b"2 acknowledged", b"2 acknowledged", b"3 closed"], b"c-2": [b"1 opened"]}
    told_steps: Mapping[bytes, list[bytes | None]] = {key: [] for key in expected}
    for key, value in await steps(settings):
        told_steps[key or b""].append(value)
    assert told_steps == expected, "a replay repeats an output as it was"


async def test_a_second_channel_has_a_role_and_an_outbox_of_its_own(
    kafka: EmbeddedKafka,
    inbox: Inbox,
    add_role: Callable[[str, tuple[str, ...], Build], Any],
    make_alert: Callable[..., Any],
) -> None:
    settings, chat = settings_of(kafka, inbox, "two-channels"), Chat()

    async def build_chat(surroundings: Surroundings) -> list[Service]:
        sending = Sending(chat, PLANNER, RetryPolicy())
        return await notifying.build(surroundings, "chat", topics.OUTBOX, sending, sending)

    async with asyncio.timeout(300), running(settings, "notify"):
        async with running(settings, add_role("chat", (topics.OUTBOX, topics.PLANS), build_chat)):
            await publish(settings, "alerts", [record_of(make_alert(alert_id="a-1"))])
            await inbox.wait_for(1)
            while len(chat.posted) < 3:  # noqa: ASYNC110 - the double raises no event
                await asyncio.sleep(0.02)
        assert chat.posted == [("a-1", "Care"), ("a-1", "care"), ("a-1", "ops")]

    log = await read_topic(kafka.bootstrap_servers, f"{settings.topic_prefix}.deliveries")
    lines = [json.loads(record.value or b"") for record in log]
    assert sorted((line["channel"], line["status"]) for line in lines) == [
        ("chat", "pending"),
        ("chat", "sent"),
        ("email", "pending"),
        ("email", "sent"),
    ]
    assert len({line["delivery_id"] for line in lines}) == 2
