"""Two thousand unhappy customers at once are a few mails, which list every one of them once, even if a worker dies."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import Message
from integration.conftest import Bench, make_settings
from integration.test_mail import response
from notify.channels.email.mails import part

from worker.app import running
from worker.demo.backlog import Backlog
from worker.demo.environment import Environment
from worker.embedded.inbox import Inbox
from worker.embedded.inbox import Mail as Received
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateNotDurable
from worker.kafka.topics import PLANS
from worker.notify import attempts, mailbox
from worker.notify.channels.email.smtp import SmtpSettings
from worker.roles import courier
from worker.roles.watermark import Watermark
from worker.routing.receiver import ReceiverSettings
from worker.routing.tree import RootRoute
from worker.settings import KafkaSettings, Settings
from worker.streams.shell import Shell

CUSTOMERS, CRITICAL = 2_000, 7
#: Score 0 is critical, and score 6 is a warning.
SCORES = {number: 0 if number < CRITICAL else 6 for number in range(CUSTOMERS)}


def id_of(mail: Received) -> str:
    return str(mail.message["Message-ID"]).strip("<>").partition("@")[0]


def is_digest(mail: Received) -> bool:
    return "Digest:" in str(mail.message["Subject"])


async def publish(settings: Settings) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        topic = f"{settings.topic_prefix}.responses"
        sent = [
            await producer.send(topic, response(number, score=score), key=f"c-{number}".encode())
            for number, score in SCORES.items()
        ]
        await asyncio.gather(*sent)


def dying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker end after the mail server has accepted a digest, and before anything says so."""

    def write_down(results: Mapping[Any, Any], *rest: Any) -> attempts.Written:
        if any(mailbox.is_digest(ref.key) for ref in results):
            raise StateNotDurable("the worker dies")
        return attempts.write_down(results, *rest)

    monkeypatch.setattr(courier, "write_down", write_down)


async def test_after_an_outage_a_plan_sends_nothing_that_was_withdrawn_meanwhile(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal is on the topic of the alerts, and the mail waits two steps further on, in the plan."""
    name = "withdrawn-meanwhile"
    desk = ReceiverSettings(email=["desk@example.com"], mails_per_hour=6, language="en")
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=f"{name}-worker")
    parts = {"topic_prefix": name, "kafka": own, "receivers": {"desk": desk}, "route": RootRoute(receivers=["desk"])}
    settings = make_settings(kafka, inbox, **parts)
    without_server = settings.model_copy(update={"smtp": SmtpSettings(host="127.0.0.1", port=1, tls="none")})
    topic = f"{name}.responses"
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        async with running(without_server) as worker, Backlog(settings, worker) as backlog:
            environment = Environment(settings, worker, inbox, backlog)
            bench = Bench(environment, producer)
            await producer.send_and_wait(topic, response(1, score=6), key=b"c-1")
            await producer.send_and_wait(topic, response(2, score=6), key=b"c-2")
            while sum(b"\x00" in key for key in bench.rows(PLANS)) < 2:  # noqa: ASYNC110 - rows raise no event here
                await asyncio.sleep(0.05)
        async with running(settings, "process") as worker, Backlog(settings, worker) as backlog:
            await producer.send_and_wait(topic, response(1, score=9, revision=1), key=b"c-1")
            while await backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
                await asyncio.sleep(0.05)

        held: list[tuple[Shell, Message]] = []
        hand_out, ask, asked_twice = Shell.on_batch, Watermark.passed, asyncio.Event()
        answers: list[bool] = []

        def hold_alerts(shell: Shell, message: Message) -> None:
            if message.topic == f"{name}.alerts" and not asked_twice.is_set():
                held.append((shell, message))
            else:
                hand_out(shell, message)

        async def passed(watermark: Watermark) -> bool:
            answers.append(await ask(watermark))
            if len(answers) == 2:
                asked_twice.set()
            return answers[-1]

        monkeypatch.setattr(Shell, "on_batch", hold_alerts)
        monkeypatch.setattr(Watermark, "passed", passed)
        async with running(settings, "notify") as worker, Backlog(settings, worker) as backlog:
            await asked_twice.wait()
            assert (answers, inbox.mails) == ([False, False], [])
            for shell, message in held:
                hand_out(shell, message)
            bench = Bench(Environment(settings, worker, inbox, backlog), producer)
            await bench.settle()
            log = [json.loads(record.value or b"") for record in await bench.read("deliveries")]

    assert [b"c-2" in mail.content for mail in inbox.mails] == [True]
    alerts = {line["alert_id"]: line for line in log if line["reason"] != "no_longer_news"}
    assert sorted((line["status"], line["reason"]) for line in alerts.values()) == [
        ("cancelled", "withdrawn"),
        ("sent", "accepted"),
    ]


async def test_a_flood_is_ten_mails_that_list_each_customer_once(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = ReceiverSettings(
        email=["desk@example.com"], mails_per_hour=6, critical_per_hour=2, group_interval_seconds=10, language="en"
    )
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="flood-worker")
    route = RootRoute(receivers=["desk"])
    settings = make_settings(kafka, inbox, topic_prefix="flood", kafka=own, receivers={"desk": desk}, route=route)
    async with running(settings, "process") as worker, Backlog(settings, worker) as backlog:
        await publish(settings)
        while await backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
            await asyncio.sleep(0.05)
    with monkeypatch.context() as patched:
        dying(patched)
        async with running(settings, "notify") as worker:
            with pytest.raises(StateNotDurable, match="the worker dies"):
                await worker.failure()
    before = list(inbox.mails)
    assert [is_digest(mail) for mail in before].count(True) >= 1

    async with (
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer,
        running(settings, "notify") as worker,
        Backlog(settings, worker) as backlog,
    ):
        bench = Bench(Environment(settings, worker, inbox, backlog), producer)
        while any(b"\x00" in key for key in bench.rows(PLANS)) or await backlog.waiting() != 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        alerts = [json.loads(record.value or b"") for record in await bench.read("alerts")]
        log = [json.loads(record.value or b"") for record in await bench.read("deliveries")]

    mails = {id_of(mail): mail for mail in inbox.mails}
    assert len(mails) <= 10
    # The digest of which nobody knew whether it was accepted came again, under the same id.
    repeated = Counter(map(id_of, inbox.mails))
    assert any(is_digest(mail) and repeated[message_id] > 1 for message_id, mail in mails.items())

    ids = {alert["alert_id"]: alert for alert in alerts}
    assert len(ids) == CUSTOMERS
    for kind in ("plain", "html"):
        texts = [part(mail.message, kind) for mail in mails.values()]
        assert Counter({alert_id: sum(text.count(alert_id) for text in texts) for alert_id in ids}) == Counter(
            ids.keys()
        )
    alone = [mail for mail in mails.values() if not is_digest(mail)]
    critical = {alert_id for alert_id, alert in ids.items() if alert["severity"] == "critical"}
    assert len(critical) == CRITICAL
    assert sum("[Critical]" in str(mail.message["Subject"]) for mail in alone) == 2
    outcomes = Counter(line["status"] for line in log if line["alert_id"] in ids and line["status"] == "sent")
    assert outcomes == {"sent": CUSTOMERS}
    assert {line["digest_id"] for line in log if line["reason"] == "in_digest"} <= mails.keys()
