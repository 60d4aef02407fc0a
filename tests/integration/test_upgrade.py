"""This version goes on from what the version before has left on Kafka, and nothing is lost or doubled."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from integration.conftest import Bench, StartBench
from integration.exactness import check_outputs
from integration.writing import publish_all
from upgrade.answers import BAD_DESK, CORRECTED, ERASED, WAITING, corrections, refuse_who_waits
from upgrade.older import STATE
from upgrade.state import load, put_back

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow.cases.case import decode_cases
from worker.kafka.topics import CASES, CONTACTS, OUTBOX
from worker.notify import mailbox
from worker.notify.retry import RetryPolicy
from worker.settings import EmailSettings, KafkaSettings


def waits(running: Bench) -> bool:
    """Say whether a mail waits for its next attempt."""
    boxes = [row for key, row in running.rows(OUTBOX).items() if b"\x00" not in key]
    return any(mailbox.has_open(row) for row in boxes)


def subjects_of(inbox: Inbox) -> list[str]:
    return [str(mail.message["Subject"]) for mail in inbox.mails]


async def refusals_of_commands(running: Bench, alerts: Sequence[Any]) -> list[str]:
    """Return why commands about the first three of these alerts are refused."""
    about = [alert for alert in alerts if alert["kind"] == "detractor"][:3]
    for alert in about:
        ids = {"command_id": alert["alert_id"], "alert_id": alert["alert_id"], "customer_id": alert["customer_id"]}
        value = json.dumps({**ids, "action": "acknowledge", "actor": "ann"}).encode()
        await running.producer.send_and_wait(f"{running.settings.topic_prefix}.alert-commands", value, key=b"any")
    await running.settle()
    return [json.loads(record.value or b"")["reason"] for record in await running.read("alert-command-results")]


async def test_what_the_version_before_left_is_gone_on_with_exactly(
    bench: StartBench, kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    state = load(STATE)
    servers = kafka.bootstrap_servers
    await put_back(servers, state)
    taken, to_come = [record.published for record in state.taken], [record.published for record in state.to_come]
    to_come += corrections(taken, 60)
    await publish_all(servers, f"{state.prefix}.responses", to_come)
    inbox.behaviour = refuse_who_waits
    # A mail that the server did not take waits at most as long as this, be the state as old as it may.
    retry = RetryPolicy(first_seconds=0.05, longest_seconds=0.1)
    async with bench(
        topic_prefix=state.prefix,
        kafka=KafkaSettings(bootstrap_servers=servers, group=state.group),
        email=EmailSettings(sender="nps@example.com", to=["support@example.com"], retry=retry),
    ) as running:
        while await running.environment.backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
            await asyncio.sleep(0.02)
        inbox.behaviour = None
        while waits(running):  # noqa: ASYNC110 - a row raises no event here
            await asyncio.sleep(0.02)
        await running.settle()
        mails = [*(sent.mail for sent in state.mails), *inbox.mails]
        await check_outputs(running.read, mails, [*taken, *to_come], without={"latest_per_customer"})
        contacts, outbox = running.rows(CONTACTS), running.rows(OUTBOX)
        alerts = [json.loads(record.value) for record in await running.read("alerts") if record.value is not None]
        cases = {one.alert_id for row in running.rows(CASES).values() for one in decode_cases(row).cases}
        refused = await refusals_of_commands(running, [alert for alert in alerts if alert["alert_id"] not in cases])

    subjects = subjects_of(inbox)
    # What waited has gone out, once, unless it was withdrawn or erased meanwhile.
    assert [1, 0, 0] == [sum(name in subject for subject in subjects) for name in (WAITING, CORRECTED, ERASED)]
    erased = [record.key for record in (*taken, *to_come) if record.value is None and record.reason is None]
    assert len(erased) == 2
    assert not {*erased} & contacts.keys()
    assert not any(key in row for key in erased if key is not None for row in outbox)
    # The incident that was open is the same one.
    incidents = {alert["alert_id"]: alert["segment"] for alert in alerts if alert["kind"] == "segment_drop"}
    assert [f"de/{BAD_DESK}"] == [*incidents.values()]
    assert len(state.to_come) > 200
    # An alert has a case from its next step on; before that, commands are refused with a reason.
    records = [record for partition in state.topics[f"{state.prefix}.alerts"].partitions for record in partition]
    before = [json.loads(record.value) for record in records if record.value is not None]
    new = [alert for alert in alerts if alert not in before and alert.get("customer_id", "").encode() not in erased]
    assert cases == {alert["alert_id"] for alert in new if alert["action"] in {"opened", "updated"}} - incidents.keys()
    assert len(cases) > 20
    assert refused == ["alert_unknown"] * 3
