"""The short form of the kill test: a few kills of both roles, and everything is exact."""

from chaos.random_kills import Plan, run

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka


async def test_kills_lose_and_double_nothing(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    plan = Plan("short-kills", 3, 2_000, 15.0, 5.0, ("process", "process", "notify"))
    report = await run(plan, kafka, inbox, print)
    assert report.kills > 0
    assert report.wrong == []
