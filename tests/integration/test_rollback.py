"""The version before goes on from what this version has left on Kafka: an upgrade can be taken back."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from integration.exactness import Read, check_outputs
from integration.processes import environment, worker_process
from integration.reading import read_topic
from integration.recount import Recount, lineage
from integration.sampling import Published
from integration.writing import publish_all
from upgrade.answers import ERASED_CUSTOMERS, WAITING, corrections, refuse_who_waits
from upgrade.older import KEPT, STATE, Offsets, checked_out, need, older_worker
from upgrade.state import load, put_back

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

SOON = {"NPS_EMAIL__RETRY__FIRST_SECONDS": "0.05", "NPS_EMAIL__RETRY__LONGEST_SECONDS": "0.1"}


async def open_mails(read: Read) -> set[str]:
    """Return the alerts of which a mail is neither sent nor given up, without those of customers who were erased."""
    lines = [json.loads(record.value) for record in await read("deliveries")]
    last = {line["delivery_id"]: line for line in lines}
    steps = [json.loads(record.value) for record in await read("alerts") if record.value is not None]
    erased = {step["alert_id"] for step in steps if step.get("customer_id") in ERASED_CUSTOMERS}
    return {line["alert_id"] for line in last.values() if line["status"] in {"pending", "deferred"}} - erased


def alert_ids(steps: list[Any]) -> dict[str, set[str]]:
    """Return under which ids the alert of each response was told."""
    ids: dict[str, set[str]] = {}
    for step in steps:
        if step["kind"] == "detractor":
            ids.setdefault(step["response_id"], set()).add(step["alert_id"])
    return ids


def with_another_last_100(scores: Mapping[str, Any], records: list[Published]) -> set[str]:
    """Return the segments whose last 100 answers are not those of a recount."""
    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
    expected = {path: windows["last_100"] for path, windows in recount.windows().items()}
    found = {path: event["windows"]["last_100"] for path, event in scores.items()}
    return {path for path, counts in expected.items() if counts != {key: found[path][key] for key in counts}}


@pytest.mark.thorough
async def test_the_version_before_goes_on_exactly_but_for_corrections_of_what_this_version_was_the_first_to_tell(
    tmp_path: Path,
) -> None:
    """Two things of such an answer are as docs/upgrade.md says: its alert's id, and the window of the last 100."""
    need(KEPT)
    state = load(STATE)
    topic, half = f"{state.prefix}.responses", len(state.to_come) // 2
    taken, to_come = [record.published for record in state.taken], [record.published for record in state.to_come]
    upgraded = to_come[:half]
    rolled_back = [*to_come[half:], *corrections(upgraded[: half // 2], 30)]
    told_first = {record.event["response_id"]: record.event for record in upgraded if record.event is not None}
    corrected = [
        event
        for record in rolled_back
        if (event := record.event) is not None and event["response_id"] in told_first and event.get("revision", 0)
    ]
    async with (
        checked_out(KEPT, tmp_path / "older") as checkout,
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
            await publish_all(servers, topic, upgraded[: half // 2])
            await offsets.settled(process)
            decided = len(await read("decisions"))
            await publish_all(servers, topic, upgraded[half // 2 :])
            while len(await read("decisions")) <= decided:
                assert not process.ended, process.lines
            assert await process.end() == 0, process.lines
        async with older_worker(
            KEPT, checkout, servers, inbox, prefix=state.prefix, group=state.group, folder=tmp_path, **SOON
        ) as process:
            await publish_all(servers, topic, rolled_back)
            await offsets.settled(process)
            inbox.behaviour = None
            while await open_mails(read):
                assert not process.ended, process.lines
                await asyncio.sleep(0.1)
            assert await process.end() == 0
        mails, records = [*(sent.mail for sent in state.mails), *inbox.mails], [*taken, *upgraded, *rolled_back]
        await check_outputs(read, mails, records, without={"latest_per_customer", "last_100", "alert_ids"})
        steps = [json.loads(record.value) for record in await read("alerts") if record.value is not None]
        scores = {record.key.decode(): json.loads(record.value) for record in await read("scores")}
    assert sum(WAITING in str(mail.message["Subject"]) for mail in inbox.mails) == 1

    with_two_ids = {response for response, found in alert_ids(steps).items() if len(found) > 1}
    assert with_two_ids
    assert with_two_ids <= {event["response_id"] for event in corrected}
    differing = with_another_last_100(scores, records)
    assert differing
    assert differing <= {
        path for event in corrected for path in (*lineage(told_first[event["response_id"]]), *lineage(event))
    }
