"""From an alert to a mailbox, over a real SMTP server that does not always say yes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from embedded.script import Script
from integration.conftest import Bench, StartBench

from schemas.alert import Severity
from worker.embedded.inbox import Step
from worker.notify.channels.email.route import EmailRoute
from worker.notify.retry import RetryPolicy
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import ReceiverSettings
from worker.routing.tree import RootRoute, Route
from worker.settings import EmailSettings

SOON = RetryPolicy(first_seconds=0.05, longest_seconds=0.1)


def response(number: int, **changes: Any) -> bytes:
    event = {
        "response_id": f"r-{number}",
        "survey_id": "s",
        "customer_id": f"c-{number}",
        "score": 2,
        "comment": "Ten days late.",
        "responded_at": "2025-06-01T10:00:00+02:00",
        "segment": ["fr", "lyon", "delivery"],
    }
    return json.dumps({**event, **changes}).encode()


async def log(running: Bench) -> list[tuple[str, str]]:
    return [
        (line["status"], line["reason"])
        for line in map(json.loads, [r.value for r in await running.read("deliveries")])
    ]


async def test_a_temporary_refusal_is_tried_again_under_the_same_message_id(bench: StartBench) -> None:
    settings = EmailSettings(sender="nps@example.com", to=["support@example.com"], retry=SOON)
    async with bench(email=settings) as running:
        offered: list[bytes] = []
        script = Script(Step.DATA, "451 4.3.0 later", "451 4.3.0 later")

        async def behaviour(step: Step, mail: Any) -> Any:
            if step is Step.DATA:
                offered.append(mail.content)
            return await script(step, mail)

        running.inbox.behaviour = behaviour
        await running.publish(response(1), b"c-1")
        await running.inbox.wait_for(1)
        await running.settle()
        assert await log(running) == [
            ("pending", "planned"),
            ("deferred", "smtp_451"),
            ("deferred", "smtp_451"),
            ("sent", "accepted"),
        ]
    assert len(offered) == 3
    assert len(set(offered)) == 1


async def test_a_permanent_refusal_ends_a_mail_once_the_server_has_accepted_another(bench: StartBench) -> None:
    gone = EmailRoute(name="gone", segment="gone", to=["gone@example.com"])
    settings = EmailSettings(sender="nps@example.com", to=["support@example.com"], routes=[gone])

    async def behaviour(step: Step, mail: Any) -> Any:
        refused = step is Step.RCPT and mail.recipients[-1] == "gone@example.com"
        return "550 5.1.1 no such user" if refused else None

    async with bench(email=settings) as running:
        running.inbox.behaviour = behaviour
        await running.publish(response(1, segment=["gone"]), b"c-1")
        await running.settle()
        assert await log(running) == [("pending", "planned"), ("deferred", "smtp_550")]
        await running.publish(response(2), b"c-2")
        await running.settle()
        assert sorted(await log(running)) == [
            ("deferred", "smtp_550"),
            ("failed", "smtp_550"),
            ("pending", "planned"),
            ("pending", "planned"),
            ("sent", "accepted"),
        ]
        assert running.inbox.accepted == 1


async def test_one_receiver_who_is_refused_stops_neither_the_other_one_nor_the_other_mails(bench: StartBench) -> None:
    settings = EmailSettings(sender="nps@example.com", to=["support@example.com", "boss@example.com"])

    async def behaviour(step: Step, mail: Any) -> Any:
        refused = step is Step.RCPT and mail.recipients[-1] == "boss@example.com"
        return "530 5.7.0 authentication required" if refused else None

    async with bench(email=settings) as running:
        running.inbox.behaviour = behaviour
        for number in range(31):
            await running.publish(response(number), f"c-{number}".encode())
        await running.inbox.wait_for(31)
        await running.settle()
        assert {mail.recipients for mail in running.inbox.mails} == {("support@example.com",)}
        assert (await log(running)).count(("deferred", "recipients_refused_partly")) == 31


async def test_language_and_route_follow_the_alert(bench: StartBench) -> None:
    routes = [
        EmailRoute(name="lyon", segment="fr/lyon", to=["lyon@example.com"]),
        EmailRoute(name="night", min_severity=Severity.CRITICAL, to=["night@example.com"]),
    ]
    settings = EmailSettings(sender="nps@example.com", to=["rest@example.com"], routes=routes)
    async with bench(email=settings) as running:
        await running.publish(response(1, language="fr"), b"c-1")
        await running.publish(response(2, language="en", segment=["uk"], score=0), b"c-2")
        await running.publish(response(3, segment=["uk"], score=6), b"c-3")
        await running.settle()
        found = {mail.recipients[0]: str(mail.message["Subject"]) for mail in running.inbox.mails}
    assert found.keys() == {"lyon@example.com", "night@example.com", "rest@example.com"}
    assert "Client mécontent" in found["lyon@example.com"]
    assert "Unhappy customer" in found["night@example.com"]


async def test_receivers_of_the_tree_get_mails_in_their_hours_and_nobody_is_said_in_the_log(bench: StartBench) -> None:
    in_three_days = f"{datetime.now(UTC) + timedelta(days=3):%a}"
    receivers = {
        "lyon": ReceiverSettings(email=["lyon@example.com"], calendar="later", language="fr"),
        "jean": ReceiverSettings(email=["jean@example.com"], owners=["Jean Martin"]),
    }
    routes = [
        Route(name="owners", tiers=["vip"], receivers=[], to_owner=True),
        Route(name="lyon", segment="fr/lyon", receivers=["lyon"]),
    ]
    calendar = CalendarSettings(time_zone="Europe/Paris", hours=[f"{in_three_days} 09:00-17:00"])
    sections = {"receivers": receivers, "calendars": {"later": calendar}, "route": RootRoute(routes=routes)}
    async with bench(**sections) as running:
        await running.publish(response(1, score=5), b"c-1")  # waits for its receiver's next working time
        await running.publish(response(2, score=0, language="en"), b"c-2")  # critical
        await running.publish(response(3, customer={"tier": "vip", "owner": "jean martin"}), b"c-3")
        await running.publish(response(4, customer={"tier": "vip", "owner": "Ann"}), b"c-4")
        await running.publish(response(5, segment=["uk"]), b"c-5")
        await running.settle()
        found = {mail.recipients[0]: str(mail.message["Subject"]) for mail in running.inbox.mails}
        lines = [json.loads(record.value) for record in await running.read("deliveries")]

    assert found.keys() == {"lyon@example.com", "jean@example.com"}
    assert "Client mécontent, note 0/10" in found["lyon@example.com"]
    assert sorted((line["receiver"], line["status"], line["reason"]) for line in lines) == [
        ("", "nobody", "no_route"),
        ("", "nobody", "owner_unknown"),
        ("jean", "pending", "planned"),
        ("jean", "sent", "accepted"),
        ("lyon", "deferred", "quiet_hours"),
        ("lyon", "pending", "planned"),
        ("lyon", "pending", "planned"),
        ("lyon", "sent", "accepted"),
    ]
    [waiting] = [line for line in lines if line["status"] == "deferred"]
    assert datetime.fromisoformat(waiting["next_attempt_at"]) > datetime.now(UTC) + timedelta(days=1)


async def test_a_withdrawn_alert_is_not_tried_again(bench: StartBench) -> None:
    settings = EmailSettings(
        sender="nps@example.com", to=["s@example.com"], retry=RetryPolicy(first_seconds=3_600, longest_seconds=3_600)
    )
    async with bench(email=settings) as running:
        running.inbox.behaviour = Script(Step.DATA, "451 4.3.0 later")
        await running.publish(response(1), b"c-1")
        await running.settle()
        await running.publish(response(1, revision=1, score=9), b"c-1")
        await running.settle()
        # The withdrawal is no news for somebody who has got nothing.
        assert (await log(running))[-2:] == [("cancelled", "withdrawn"), ("cancelled", "no_longer_news")]
        assert running.inbox.accepted == 0


async def test_a_mail_that_waits_says_what_the_answer_says_now(bench: StartBench) -> None:
    settings = EmailSettings(sender="nps@example.com", to=["s@example.com"], retry=SOON)
    async with bench(email=settings) as running:
        refused = True

        async def behaviour(step: Step, _mail: Any) -> Any:
            return "451 4.3.0 later" if refused and step is Step.DATA else None

        running.inbox.behaviour = behaviour
        await running.publish(response(1, score=1), b"c-1")
        await running.publish(response(1, revision=1, score=4, comment="It has come now."), b"c-1")
        while await running.environment.backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
            await asyncio.sleep(0.02)
        refused = False
        mail = (await running.inbox.wait_for(1))[0]
        await running.settle()
        assert "4/10" in str(mail.message["Subject"])
        assert b"It has come now." in mail.content
        assert running.inbox.accepted == 1


async def test_a_comment_that_follows_the_score_is_mailed_once_and_in_the_same_thread(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(response(1, comment=None), b"c-1")
        await running.inbox.wait_for(1)
        await running.settle()
        await running.publish(response(1, revision=1, comment="Nobody answers."), b"c-1")
        await running.publish(response(1, revision=1, comment="Nobody answers."), b"c-1")
        mails = [mail.message for mail in await running.inbox.wait_for(2)]
        await running.settle()
        assert running.inbox.accepted == 2
        assert len({str(mail["References"]) for mail in mails}) == 1
        assert len({str(mail["Message-ID"]) for mail in mails}) == 2
        assert b"Nobody answers." in running.inbox.mails[1].content


async def test_erasing_a_customer_drops_the_mails_that_wait(bench: StartBench) -> None:
    settings = EmailSettings(
        sender="nps@example.com", to=["s@example.com"], retry=RetryPolicy(first_seconds=3_600, longest_seconds=3_600)
    )
    async with bench(email=settings) as running:
        running.inbox.behaviour = Script(Step.DATA, "451 4.3.0 later")
        await running.publish(response(1), b"c-1")
        await running.settle()
        assert {key.partition(b"\0")[0] for key in running.rows("outbox")} == {b"c-1"}
        assert len(running.rows("outbox")) == 2
        await running.publish(None, b"c-1")
        await running.settle()
        assert not running.rows("outbox")
