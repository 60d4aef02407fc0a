"""Another configuration is tried on what a real worker has read, and nothing is sent or written."""

import json
from collections import Counter
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from integration.conftest import StartBench
from integration.sampling import workload

from worker.flow.policy import AlertPolicy
from worker.kafka import reading
from worker.kafka.topics import planned_topics
from worker.replay.command import Window, replay
from worker.replay.comparing import Change, Place
from worker.settings import EmailSettings, Settings

SUPPORT = Place("email", "default")


async def everything(settings: Settings) -> tuple[set[str], set[str], dict[str, dict[int, int]]]:
    """Return the groups and topics of a Kafka, and the end of each partition of the worker's topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        groups = {group for group, *_ in await admin.list_consumer_groups()}
        topics = set(await admin.list_topics())
    finally:
        await admin.close()
    async with reading.reader(settings.kafka) as reader:
        ends = {
            plan.name: await reader.ends(plan.name, await reader.partitions(plan.name))
            for plan in planned_topics(settings)
        }
    return groups, topics, ends


async def test_both_roads_find_what_was_sent_and_what_would_differ(bench: StartBench) -> None:
    records, lines = workload(300, seed=41), list[str]()
    async with bench() as running:
        settings, topic = running.settings, f"{running.settings.topic_prefix}.responses"
        for record in records:
            await running.producer.send(topic, record.value, key=record.key, headers=record.headers)
        await running.producer.flush()
        await running.settle()
        read: dict[str, list[Any]] = {
            name: [json.loads(record.value) for record in await running.read(name) if record.value]
            for name in ("alerts", "deliveries", "dead-letters")
        }
    before = await everything(settings)
    lyon = {"name": "paris", "segment": "fr", "to": ["paris@example.com"]}
    email = EmailSettings.model_validate({"sender": "nps@example.com", "to": ["support@example.com"], "routes": [lyon]})
    window = Window(0, 10**13)

    same = await replay(settings, settings, window, 10, lines.append)
    routed = await replay(settings, settings.model_copy(update={"email": email}), window, 10, lines.append)
    strict = await replay(
        settings, settings.model_copy(update={"alerts": AlertPolicy(max_age_days=1)}), window, 10, lines.append
    )

    groups, topics, ends = await everything(settings)
    assert (groups <= before[0], topics <= before[1], ends) == (
        True,
        True,
        before[2],
    )  # others may be deleted meanwhile
    opened = {alert["alert_id"]: alert for alert in read["alerts"] if alert["action"] == "opened"}
    planned = {line["alert_id"] for line in read["deliveries"] if line["status"] == "sent"}
    assert same.steps == (len(read["alerts"]), len(read["alerts"]))
    assert (same.differing, same.cases, same.is_cut) == (0, [], False)
    assert planned <= opened.keys()  # some are withdrawn in the same moment, before the worker has sent their mails
    assert same.counts[SUPPORT].current >= len(opened)  # an alert can be opened again

    french = {alert_id for alert_id, alert in opened.items() if f"{alert['segment']}/".startswith("fr/")}
    assert routed.counts[Place("email", "paris")].changes[Change.MORE] == routed.counts[SUPPORT].changes[Change.FEWER]
    assert {case.alert_id for case in routed.cases} <= french
    assert routed.differing == len(french)

    # All answers are of the last year, so no alert is left. The current rules decide as the worker did.
    assert strict.steps == (same.steps[0], 0)
    assert strict.counts[SUPPORT].current == same.counts[SUPPORT].current
    assert strict.counts[SUPPORT].new == 0
    assert {case.differences[0].why for case in strict.cases} == {"too_old"}
    assert strict.refused[0] == strict.refused[1] == Counter(letter["reason"] for letter in read["dead-letters"])
