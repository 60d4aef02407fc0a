"""The whole way, over a real Kafka and a real SMTP server, against a recount of the raw input."""

import json
from collections import Counter
from datetime import datetime

from integration.conftest import StartBench
from integration.recount import Recount
from integration.sampling import workload

SIZE = 3_000


async def test_everything_equals_the_recount(bench: StartBench) -> None:
    records = workload(SIZE, seed=7)
    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
    async with bench() as running:
        for record in records:
            await running.producer.send(
                f"{running.settings.topic_prefix}.responses", record.value, key=record.key, headers=record.headers
            )
        await running.producer.flush()
        await running.settle()
        steps = [json.loads(r.value) for r in await running.read("alerts")]
        invitations = [json.loads(r.value) for r in await running.read("invitations")]
        decisions = [json.loads(r.value) for r in await running.read("decisions")]
        dead_letters = [json.loads(r.value) for r in await running.read("dead-letters")]
        scores = {r.key.decode(): json.loads(r.value) for r in await running.read("scores")}
        mails = running.inbox.mails

    alerts = [step for step in steps if step["kind"] == "detractor"]

    # Alerts: one id per response that was ever a detractor's, opened once per time it became one, last step right.
    assert {alert["response_id"] for alert in alerts} == recount.alerts
    last = {alert["response_id"]: alert["action"] for alert in alerts}
    assert {rid for rid, action in last.items() if action == "withdrawn"} >= recount.withdrawn
    assert len({alert["alert_id"] for alert in alerts}) == len(recount.alerts)

    # Invitations: the first eligible answer of each customer.
    assert {i["customer_id"]: i["response_id"] for i in invitations} == recount.invited
    assert len(invitations) == len(recount.invited)

    # Decisions: one per valid record; every id accepted once.
    outcomes = Counter(decision["outcome"] for decision in decisions)
    valid = sum(record.event is not None for record in records)
    assert len(decisions) == len({decision["decision_id"] for decision in decisions}) == valid
    assert outcomes["duplicate"] + outcomes["superseded"] == recount.duplicates
    assert {d["response_id"] for d in decisions if d["outcome"] in {"accepted", "revised", "test"}} == set(
        recount.current
    )

    # Dead letters: one per refused record, with its reason.
    assert Counter(letter["reason"] for letter in dead_letters) == Counter(r.reason for r in records if r.reason)

    # Scores: every window of every segment, and histograms that add up.
    expected = recount.windows({path: datetime.fromisoformat(s["as_of"]).timestamp() for path, s in scores.items()})
    assert scores.keys() == expected.keys()
    for path, windows in expected.items():
        for name, counts in windows.items():
            found = scores[path]["windows"][name]
            assert {key: found[key] for key in counts} == counts, (path, name)
    assert sum(scores[""]["histogram"]) == len(recount.counted())

    # Mails: one per alert that was opened, and per incident opened or resolved; none for anyone else.
    mailed = Counter(step["alert_id"] for step in steps if step["action"] in {"opened", "resolved"})
    assert Counter(mail.message["X-NPS-Alert-Id"] for mail in mails) == mailed
    assert len({mail.message["Message-ID"] for mail in mails}) == len(mails)
    assert {mail.recipients for mail in mails} == {("support@example.com",)}


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
