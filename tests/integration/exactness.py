"""Everything that came of published records, against a recount of the raw input."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime
from typing import Any

from aiokafka import ConsumerRecord
from integration.conftest import Bench
from integration.recount import Recount
from integration.sampling import Published

from worker.embedded.inbox import Mail

#: Returns everything that a topic holds, whose name is given without its prefix.
Read = Callable[[str], Awaitable[list[ConsumerRecord]]]


async def check_exact(running: Bench, records: Sequence[Published]) -> None:
    """Check what a worker that has settled made of the records that were published to it, in this order."""
    await check_outputs(running.read, running.inbox.mails, records)


async def check_outputs(
    read: Read, mails: Sequence[Mail], records: Sequence[Published], *, without: Container[str] = ()
) -> None:
    """Check what lies on the topics, and what was mailed, once all these records were decided in this order.

    A record without a value erases a customer, who does not answer again. `without`: what versions that worked one
    after the other have not in common: the window "last_100", "latest_per_customer", "alert_ids" of corrected answers.
    """
    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
        elif record.value is None and record.reason is None:
            recount.erase((record.key or b"").decode())
    steps, invitations = await _said(read, "alerts"), await _said(read, "invitations")
    decisions, dead_letters = await _said(read, "decisions"), await _said(read, "dead-letters")
    scores = {r.key.decode(): json.loads(r.value) for r in await read("scores")}

    alerts = [step for step in steps if step["kind"] == "detractor"]

    # Alerts: one id per response that was ever a detractor's, opened once per time it became one, last step right.
    assert {alert["response_id"] for alert in alerts} == recount.alerts
    last = {alert["response_id"]: alert["action"] for alert in alerts}
    assert {rid for rid, action in last.items() if action == "withdrawn"} >= recount.withdrawn
    if "alert_ids" not in without:
        assert len({alert["alert_id"] for alert in alerts}) == len(recount.alerts)

    # Invitations: the first eligible answer of each customer.
    assert {i["customer_id"]: i["response_id"] for i in invitations} == recount.invited
    assert len(invitations) == len(recount.invited)

    # Decisions: one per valid record or erasure; every id accepted once.
    outcomes = Counter(decision["outcome"] for decision in decisions)
    valid = sum(record.reason is None for record in records)
    assert len(decisions) == len({decision["decision_id"] for decision in decisions}) == valid
    assert outcomes["erased"] == len(recount.erased)
    assert outcomes["duplicate"] + outcomes["superseded"] == recount.duplicates
    assert {d["response_id"] for d in decisions if d["outcome"] in {"accepted", "revised", "test"}} == set(
        recount.current
    )

    # Dead letters: one per refused record, with its reason.
    assert Counter(letter["reason"] for letter in dead_letters) == Counter(r.reason for r in records if r.reason)

    # Scores: every window of every segment, and histograms that add up.
    ends = {path: datetime.fromisoformat(s["as_of"]).timestamp() for path, s in scores.items()}
    expected = recount.windows(ends)
    assert scores.keys() == expected.keys()
    for path, windows in expected.items():
        for name, counts in windows.items():
            if name in without:
                continue
            found = scores[path]["windows"][name]
            assert {key: found[key] for key in counts} == counts, (path, name)
    people = {} if "latest_per_customer" in without else recount.latest_per_customer(ends)
    for path, windows in people.items():
        for name, counts in windows.items():
            found = scores[path]["latest_per_customer"][name]
            assert {key: found[key] for key in counts} == counts, (path, name, "latest per customer")
    assert sum(scores[""]["histogram"]) == len(recount.counted())

    # Mails: one per alert that was opened or withdrawn, and per incident opened or resolved; none for anyone else. A
    # withdrawal, or the customer's erasure, that comes while a mail waits cancels it, and is no news then.
    mailed = Counter(step["alert_id"] for step in steps if step["action"] in {"opened", "withdrawn", "resolved"})
    withdrawn = {
        step["alert_id"] for step in steps if step["action"] == "withdrawn" or step.get("customer_id") in recount.erased
    }
    sent = Counter(mail.message["X-NPS-Alert-Id"] for mail in mails)
    assert sent <= mailed
    assert {alert: count for alert, count in (mailed - sent).items() if alert not in withdrawn} == {}
    assert len({mail.message["Message-ID"] for mail in mails}) == len(mails)
    assert {mail.recipients for mail in mails} == {("support@example.com",)}


async def _said(read: Read, topic: str) -> list[Any]:
    """Return what the records of a topic say; one without a value says that its customer was erased."""
    return [json.loads(record.value) for record in await read(topic) if record.value is not None]
