"""The whole way, over a real Kafka and a real SMTP server, against a recount of the raw input."""

import json

from integration.conftest import StartBench
from integration.exactness import check_exact
from integration.sampling import workload

SIZE = 3_000


async def test_everything_equals_the_recount(bench: StartBench) -> None:
    records = workload(SIZE, seed=7)
    async with bench() as running:
        for record in records:
            await running.producer.send(
                f"{running.settings.topic_prefix}.responses", record.value, key=record.key, headers=record.headers
            )
        await running.producer.flush()
        await running.settle()
        await check_exact(running, records)


async def test_a_second_run_of_the_same_records_changes_nothing_but_duplicates(bench: StartBench) -> None:
    """Upstream repeats a whole hour: the customer's history recognises it, and nobody is alerted or invited twice."""
    records = [record for record in workload(400, seed=11) if record.event is not None]
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"

        async def all_of_it() -> tuple[int, int, int, list[int]]:
            for record in records:
                await running.producer.send(topic, record.value, key=record.key, headers=record.headers)
            await running.producer.flush()
            await running.settle()
            scores = {r.key: json.loads(r.value) for r in await running.read("scores")}
            alerts, invitations = await running.read("alerts"), await running.read("invitations")
            return len(alerts), len(invitations), running.inbox.accepted, scores[b""]["histogram"]

        first = await all_of_it()
        assert await all_of_it() == first
