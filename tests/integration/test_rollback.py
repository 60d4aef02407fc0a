"""The version before goes on from what this version has left on Kafka: an upgrade can be taken back."""

import asyncio
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from integration.exactness import Read, check_outputs
from integration.processes import environment, worker_process
from integration.reading import read_topic
from upgrade.answers import ERASED_CUSTOMERS, WAITING, refuse_who_waits
from upgrade.older import COMMIT, STATE, VERSION, Offsets, checked_out, is_in_this_clone, older_worker
from upgrade.state import Input, load, put_back

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

SOON = {"NPS_EMAIL__RETRY__FIRST_SECONDS": "0.05", "NPS_EMAIL__RETRY__LONGEST_SECONDS": "0.1"}


async def publish(kafka: str, topic: str, records: list[Input]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        for record in records:
            await producer.send(topic, record.value, key=record.key, headers=record.headers)
    finally:
        await producer.stop()


async def open_mails(read: Read) -> set[str]:
    """Return the alerts of which a mail is neither sent nor given up, without those of customers who were erased."""
    lines = [json.loads(record.value) for record in await read("deliveries")]
    last = {line["delivery_id"]: line for line in lines}
    steps = [json.loads(record.value) for record in await read("alerts") if record.value is not None]
    erased = {step["alert_id"] for step in steps if step.get("customer_id") in ERASED_CUSTOMERS}
    return {line["alert_id"] for line in last.values() if line["status"] in {"pending", "deferred"}} - erased


@pytest.mark.thorough
async def test_the_version_before_goes_on_exactly_from_what_this_version_left(tmp_path: Path) -> None:
    if not is_in_this_clone():
        pytest.skip(f"this clone does not have the commit {COMMIT} of version {VERSION}; git fetch --unshallow gets it")
    state = load(STATE)
    topic, half = f"{state.prefix}.responses", len(state.to_come) // 2
    async with (
        checked_out(tmp_path / "older") as checkout,
        EmbeddedKafka() as kafka,
        Inbox(behaviour=refuse_who_waits) as inbox,
    ):
        servers = kafka.bootstrap_servers
        offsets = Offsets(servers, state.prefix, state.group)

        async def read(name: str) -> list[ConsumerRecord]:
            return await read_topic(servers, f"{state.prefix}.{name}")

        await put_back(servers, state)
        env = environment(servers, inbox, state.prefix, tmp_path)
        env |= {"NPS_KAFKA__GROUP": state.group, "NPS_EMAIL__SENDER": "nps@example.com", **SOON}
        async with worker_process("run", env=env) as process:
            await process.said("started: role all")
            await publish(servers, topic, state.to_come[: half // 2])
            await offsets.settled(process)
            decided = len(await read("decisions"))
            await publish(servers, topic, state.to_come[half // 2 : half])
            while len(await read("decisions")) <= decided:
                assert not process.ended, process.lines
            assert await process.end() == 0, process.lines
        async with older_worker(
            checkout, servers, inbox, prefix=state.prefix, group=state.group, folder=tmp_path, **SOON
        ) as process:
            await publish(servers, topic, state.to_come[half:])
            await offsets.settled(process)
            inbox.behaviour = None
            while not any(WAITING in str(mail.message["Subject"]) for mail in inbox.mails):
                await inbox.wait_for(inbox.accepted + 1)
            while await open_mails(read):
                assert not process.ended, process.lines
                await asyncio.sleep(0.1)
            assert await process.end() == 0
        records = [record.published for record in (*state.taken, *state.to_come)]
        mails = [*(sent.mail for sent in state.mails), *inbox.mails]
        await check_outputs(read, mails, records, with_customers=False)
