"""A silence on a real Kafka, with a real mail server: what it holds back waits, over a restart, for one digest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from integration.conftest import Bench, StartBench, make_settings
from integration.test_cases import answer, bodies
from integration.test_rebuild import delete, end_of, named
from notify.channels.email.mails import part

from schemas.silence_command_result import SilenceCommandResult
from worker.app import running
from worker.commands.silences import held_back, known_silences
from worker.demo.backlog import Backlog
from worker.demo.environment import Environment
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateLost
from worker.kafka.asking import Topics, ask
from worker.kafka.topics import SILENCES, changelog_name
from worker.rebuild.command import rebuild
from worker.roles.silences import FollowedSilences
from worker.routing.receiver import ReceiverSettings
from worker.routing.tree import RootRoute
from worker.settings import KafkaSettings, Settings

ADD: dict[str, Any] = {
    "command_id": "k-1",
    "silence_id": "strike",
    "action": "add",
    "actor": "anna",
    "match": {"segment": "fr/lyon"},
    "reason": "The depot is on strike.",
}
END: dict[str, Any] = {"command_id": "k-2", "silence_id": "strike", "action": "end", "actor": "bob"}
ANSWER_SECONDS = 30.0


def soon(**changes: Any) -> dict[str, Any]:
    """Return the command to add a silence that lasts for a day."""
    return ADD | {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat()} | changes


async def give(settings: Settings, command: dict[str, Any]) -> SilenceCommandResult:
    prefix = settings.topic_prefix
    topics = Topics(f"{prefix}.silence-commands", f"{prefix}.silence-command-results")
    key, read = command["silence_id"].encode(), SilenceCommandResult.model_validate_json
    found = await ask(settings.kafka, topics, key, command, ANSWER_SECONDS, read)
    assert found is not None
    return found


async def until_there_are(count: int, inbox: Inbox) -> None:
    while len(inbox.mails) < count:  # noqa: ASYNC110 - the test ends by its own limit if they never come
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("caps", [{}, {"mails_per_hour": 10}], ids=["without a plan", "with a plan"])
async def test_what_a_silence_holds_back_over_a_restart_is_one_digest_when_it_is_ended(
    kafka: EmbeddedKafka, inbox: Inbox, caps: dict[str, Any]
) -> None:
    desk = ReceiverSettings(email=["desk@example.com"], language="en", **caps)
    name = f"silences-{len(caps)}"
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=f"{name}-worker")
    to_desk: dict[str, Any] = {"receivers": {"desk": desk}, "route": RootRoute(receivers=["desk"])}
    settings = make_settings(kafka, inbox, topic_prefix=name, kafka=own, **to_desk)

    @asynccontextmanager
    async def at_work() -> AsyncIterator[Bench]:
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer,
            running(settings) as worker,
            Backlog(settings, worker) as backlog,
        ):
            yield Bench(Environment(settings, worker, inbox, backlog), producer)

    async def unhappy(bench: Bench, number: int, score: int = 6) -> None:
        key = f"c-{number}"
        await bench.publish(answer(customer_id=key, response_id=f"r-{number}", score=score), key.encode())

    async with at_work() as bench:
        add = soon()
        assert (await give(settings, add)).outcome == "applied"
        followed = bench.worker.of(FollowedSilences)["silences"]
        while followed.known.find("strike") is None:  # noqa: ASYNC110 - what follows the topic raises no event here
            await asyncio.sleep(0.05)
        await unhappy(bench, 1)
        await unhappy(bench, 2)
        await unhappy(bench, 3, score=0)
        await until_there_are(1, inbox)
        await bench.settle()
        assert {key: one.number for key, one in (await held_back(settings)).items()} == {"strike": 2}
        log = bodies(await bench.read("deliveries"))
        alerts = {alert["customer_id"]: alert["alert_id"] for alert in bodies(await bench.read("alerts"))}

    held = [line for line in log if line["reason"] == "silenced"]
    assert {(line["status"], line["silence_id"], line["alert_id"]) for line in held} == {
        ("deferred", "strike", alerts["c-1"]),
        ("deferred", "strike", alerts["c-2"]),
    }
    assert ["[Critical]" in str(mail.message["Subject"]) for mail in inbox.mails] == [True]

    async with at_work() as bench:
        await bench.settle()
        assert len(inbox.mails) == 1
        assert (await give(settings, END)).version == 2
        await until_there_are(2, inbox)
        await bench.settle()
        digest = inbox.mails[1].message
        assert "Digest: 2 new" in str(digest["Subject"])
        for kind in ("plain", "html"):
            text = " ".join(part(digest, kind).split())
            assert "silence strike, which anna has asked for: 2. Reason: The depot is on strike." in text
            assert [text.count(alerts[customer]) for customer in ("c-1", "c-2", "c-3")] == [1, 1, 0]

        # The command that has added it comes again, as it was, and under another id.
        assert (await give(settings, add)).version == 1
        again = await give(settings, add | {"command_id": "k-3"})
        assert (again.outcome, again.reason) == ("refused", "silence_over")
        await unhappy(bench, 4)
        await until_there_are(3, inbox)
        await bench.settle()
        states = bodies(await bench.read("silences"))
        log = bodies(await bench.read("deliveries"))

    assert (len(inbox.mails), states[-1]["state"], states[-1]["version"]) == (3, "ended", 2)
    sent = [(line["alert_id"], line["reason"]) for line in log if line["status"] == "sent"]
    assert sorted(reason for alert_id, reason in sent if alert_id in alerts.values()) == [
        "accepted",
        "in_digest",
        "in_digest",
    ]


async def test_lost_silences_are_made_again_from_their_topic(bench: StartBench, kafka: EmbeddedKafka) -> None:
    options = named(kafka, "rebuild-silences")
    async with bench(**options) as running_worker:
        settings = running_worker.settings
        for silence_id in ("strike", "storm"):
            await give(settings, soon(silence_id=silence_id, command_id=silence_id))
        await give(settings, END)
        await running_worker.settle()
    await delete(kafka.bootstrap_servers, changelog_name(settings.kafka.group, "process", SILENCES))
    with pytest.raises(StateLost, match=r"python -m worker rebuild --table silences$"):
        await end_of(bench(**options))

    said: list[str] = []
    assert await rebuild(settings, [], 2.0, said.append) == (
        "rebuild of silences is complete; the workers can be started"
    )
    async with bench(**options) as running_worker:
        await running_worker.settle()
        add = soon(command_id="k-9")
        assert (await give(settings, add)).reason == "silence_over"
        answer_of_storm = await give(settings, END | {"silence_id": "storm"})
        found = await known_silences(settings)
    assert (answer_of_storm.outcome, answer_of_storm.version) == ("applied", 2)
    assert found is not None
    assert {one.state.silence_id: one.state.state for one in found.all()} == {"strike": "ended", "storm": "ended"}
