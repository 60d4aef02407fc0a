"""The life of a case on Kafka: a response opens it, commands change it, and every command is answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from integration.conftest import Bench, StartBench, make_settings
from integration.processes import environment, start_worker
from integration.test_rebuild import delete, end_of, named

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateLost
from worker.flow.cases.case import Case, decode_cases
from worker.flow.policy import CasePolicy
from worker.kafka.topics import changelog_name
from worker.rebuild.command import rebuild
from worker.routing.receiver import ReceiverSettings
from worker.routing.service_level import EscalationStep, ServiceLevel
from worker.routing.tree import RootRoute, Route


def answer(**changes: Any) -> bytes:
    usual = {
        "response_id": "r-1",
        "survey_id": "s",
        "customer_id": "c-1",
        "score": 2,
        "responded_at": "2025-06-01T10:00:00Z",
        "segment": ["fr", "lyon"],
    }
    return json.dumps(usual | changes).encode()


async def say(running: Bench, key: bytes | None = b"c-1", **body: Any) -> None:
    """Give a command."""
    usual = {"customer_id": "c-1", "actor": "ann"}
    topic = f"{running.settings.topic_prefix}.alert-commands"
    await running.producer.send_and_wait(topic, json.dumps(usual | body).encode(), key=key)


def bodies(records: list["ConsumerRecord[bytes, bytes]"]) -> list[Any]:
    return [None if record.value is None else json.loads(record.value) for record in records]


def case_of(running: Bench, customer: bytes) -> Case:
    (found,) = decode_cases(running.rows("cases")[customer]).cases
    return found


async def test_a_case_is_acknowledged_resolved_and_reopened_and_each_command_is_answered(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(answer(), b"c-1")
        await running.settle()
        (alert,) = bodies(await running.read("alerts"))
        alert_id = alert["alert_id"]
        await say(running, command_id="k-1", alert_id=alert_id, action="acknowledge")
        await say(running, command_id="k-2", alert_id=alert_id, action="acknowledge", actor="bob")
        await say(running, command_id="k-3", alert_id=alert_id, action="resolve", outcome="solved", cause="delivery")
        await running.settle()
        await running.publish(answer(revision=1, score=9), b"c-1")
        await running.publish(answer(revision=2, score=4), b"c-1")
        await running.settle()
        case = case_of(running, b"c-1")
        steps = bodies(await running.read("alerts"))
        answers = bodies(await running.read("alert-command-results"))
        letters = bodies(await running.read("dead-letters"))
        deliveries = bodies(await running.read("deliveries"))

    of_case = [(step["action"], step["step"], step["opening"]) for step in steps if step["kind"] == "case"]
    assert of_case == [("acknowledged", 2, 1), ("resolved", 3, 1), ("reopened", 4, 2)]
    assert [step["action"] for step in steps if step["kind"] == "detractor"] == ["opened", "withdrawn", "opened"]
    assert [(a["command_id"], a["outcome"], a["reason"]) for a in answers] == [
        ("k-1", "applied", None),
        ("k-2", "refused", "acknowledged_by_another"),
        ("k-3", "applied", None),
    ]
    assert [(letter["reason"], letter["topic"].rpartition(".")[2]) for letter in letters] == [
        ("acknowledged_by_another", "alert-commands")
    ]
    assert (case.state, case.opening, case.score) == ("open", 2, 4)
    # The alert, what was done about it, its withdrawal, and the alert again.
    assert [line["reason"] for line in deliveries if line["status"] == "pending"] == ["planned"] * 5


async def test_commands_reach_their_customer_whatever_their_key_is_and_an_erasure_erases_all(bench: StartBench) -> None:
    customers = [f"c-{number}" for number in range(12)]
    async with bench(cases=CasePolicy(cause_required=True)) as running:
        for customer in customers:
            await running.publish(answer(customer_id=customer, response_id=customer), customer.encode())
        await running.settle()
        ids = {alert["customer_id"]: alert["alert_id"] for alert in bodies(await running.read("alerts"))}
        for key, customer in zip([None, b"", b"x", *(c.encode() for c in customers[3:])], customers, strict=True):
            body = {"customer_id": customer, "alert_id": ids[customer], "note": f"canary-{customer}"}
            await say(running, key, command_id=f"a-{customer}", action="acknowledge", **body)
        await running.settle()
        await say(running, command_id="r-1", alert_id=ids["c-1"], action="resolve", outcome="solved")
        await running.publish(None, b"c-2")
        await running.settle()
        await say(running, command_id="n-2", customer_id="c-2", alert_id=ids["c-2"], action="note", note="late")
        await running.settle()
        rows = running.rows("cases")
        answers = {
            a["command_id"]: (a["outcome"], a["reason"]) for a in bodies(await running.read("alert-command-results"))
        }

    assert rows.keys() == {customer.encode() for customer in customers if customer != "c-2"}
    assert {decode_cases(row).cases[0].state for row in rows.values()} == {"acknowledged"}
    assert not any(b"canary-c-2" in row for row in rows.values())
    assert {answers[f"a-{customer}"] for customer in customers} == {("applied", None)}
    assert answers["r-1"] == ("refused", "cause_missing")
    assert answers["n-2"] == ("refused", "alert_unknown")


async def test_lost_cases_are_made_again_and_a_command_that_comes_again_still_changes_nothing(
    bench: StartBench, kafka: EmbeddedKafka
) -> None:
    options = named(kafka, "rebuild-cases")
    async with bench(**options) as running:
        for number in range(8):
            await running.publish(answer(customer_id=f"c-{number}"), b"c-%d" % number)
        await running.settle()
        ids = {alert["customer_id"]: alert["alert_id"] for alert in bodies(await running.read("alerts"))}
        for customer, alert_id in ids.items():
            body = {"customer_id": customer, "alert_id": alert_id, "command_id": "k-1", "note": "by phone"}
            await say(running, customer.encode(), action="resolve", outcome="solved", **body)
        await running.settle()
        settings, before = running.settings, running.rows("cases")
        counts = {topic: len(await running.read(topic)) for topic in ("alerts", "alert-command-results")}
    for table in ("cases", "commands"):
        await delete(kafka.bootstrap_servers, changelog_name(settings.kafka.group, "process", table))
    with pytest.raises(StateLost, match=r"python -m worker rebuild --table (cases|commands)$"):
        await end_of(bench(**options))

    said: list[str] = []
    assert await rebuild(settings, [], 2.0, said.append) == (
        "rebuild of commands, cases is complete; the workers can be started"
    )
    async with bench(**options) as running:
        await running.settle()
        assert running.rows("cases") == before
        assert {topic: len(await running.read(topic)) for topic in counts} == counts
        body = {"alert_id": ids["c-1"], "action": "resolve", "outcome": "called_back"}
        await say(running, command_id="k-1", **body)
        await say(running, command_id="k-2", **body)
        await running.settle()
        answers = bodies(await running.read("alert-command-results"))[-2:]

    assert [(a["command_id"], a["outcome"]) for a in answers] == [("k-1", "applied"), ("k-2", "refused")]
    assert len(before) == 8


async def test_a_person_lists_cases_and_works_on_them_in_the_terminal(
    bench: StartBench, kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "cases-cli", tmp_path)
    env["NPS_KAFKA__GROUP"] = "cases-cli-worker"

    async def run(*arguments: str, code: int = 0, fresh: bool = False) -> list[str]:
        process = await start_worker("alerts", *arguments, env=env, fresh=fresh)
        assert await process.exited() == code, process.lines
        return process.lines

    (line,) = await run("list", code=1, fresh=True)
    assert line.startswith("cases-cli-worker-process-cases-changelog does not exist yet: start the worker once")
    async with bench(**named(kafka, "cases-cli")) as running:
        for number, score in enumerate((5, 2)):
            await running.publish(answer(customer_id=f"c-{number}", score=score), b"c-%d" % number)
        await running.settle()
        mild, severe = [
            alert["alert_id"] for alert in sorted(bodies(await running.read("alerts")), key=lambda a: -a["score"])
        ]
        listed = await run("list")
        assert [line.split()[0] for line in listed] == ["alert", severe[:8], mild[:8]]
        assert not any("c-0" in line or "c-1" in line for line in listed)
        assert await run("ack", severe[:8], "--by", "ann", "--note", "I call her") == [
            f"alert {severe[:8]} is acknowledged (step 2)"
        ]
        assert await run("ack", severe, "--by", "ann") == [
            f"nothing to do, since it is so already: alert {severe[:8]} is acknowledged (step 2)"
        ]
        assert await run("ack", severe, "--by", "bob", code=1) == [
            "refused (acknowledged_by_another): somebody else has acknowledged the case: assign it to take it over"
        ]
        await run("assign", severe, "bob")
        (result,) = await run("resolve", severe, "--outcome", "called_back", "--cause", "delivery", "--json")
        assert (json.loads(result)["outcome"], json.loads(result)["step"]) == ("applied", 4)
        await run("note", severe, "She is happy again.", "--by", "eve")
        shown = await run("show", severe)
        assert "customer:     c-1" in shown
        assert shown[-1] == "  She is happy again."
        (line,) = await run("list", "--state", "resolved", "--segment", "fr", "--severity", "critical", "--json")
        assert (json.loads(line)["alert_id"], json.loads(line)["cause"]) == (severe, "delivery")
        assert await run("list", "--state", "open", "--older-than", "1h") == ["no case matches these options"]
        assert await run("reapply") == [
            "1 cases have no service level: --service-level gives them one",
            "new time limits: 0 cases",
        ]
        assert await run("reapply", "--segment", "de") == ["no open or acknowledged case matches"]
        assert await run("reapply", "--service-level", "x", code=2) == [
            "--service-level: the settings have no service level x"
        ]
        await run("reopen", severe)
        assert "and 1 more: --limit 2 lists all" in await run("list", "--limit", "1")
        assert "no case is known of an alert whose id begins with xyz" in (await run("show", "xyz", code=1))[0]
        steps = [event for event in bodies(await running.read("alerts")) if event["kind"] == "case"]
    assert (steps[0]["action"], steps[0]["actor"]) == ("acknowledged", "ann")
    assert {step["via"] for step in steps} == {"command line"}
    assert (await run("ack", mild, "--timeout", "0.5", code=1))[0].startswith(
        "the worker has not answered within 0.5 s"
    )


async def test_open_cases_get_the_time_limits_of_new_settings_when_somebody_asks_for_them(
    bench: StartBench, kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "cases-reapply", tmp_path)
    env["NPS_KAFKA__GROUP"] = "cases-reapply-worker"
    people = {"care": ReceiverSettings(email=["care@example.org"])}

    def options(hours: float, **more: ServiceLevel) -> dict[str, Any]:
        levels = {"fast": ServiceLevel(resolve_within_hours=hours), **more}
        route = RootRoute(receivers=["care"], service_level="fast")
        return {**named(kafka, "cases-reapply"), "receivers": people, "service_levels": levels, "route": route}

    def due(running: Bench) -> tuple[float, int]:
        case = case_of(running, b"c-1")
        assert case.resolve_due is not None
        return (case.resolve_due - case.opened_at) / 3_600_000, case.step

    async with bench(**options(2)) as running:
        await running.publish(answer(), b"c-1")
        await running.settle()
        first = due(running)
    async with bench(**options(8)) as running:
        before = due(running)
        process = await start_worker("alerts", "reapply", env=env)
        assert (await process.exited(), process.lines) == (0, ["new time limits: 1 case"])
        await running.settle()
        after = due(running)
        steps = [body for body in bodies(await running.read("alerts")) if body["kind"] == "case"]

    assert (first, before, after) == ((2, 1), (2, 1), (8, 2))
    assert [(step["action"], step["step"]) for step in steps] == [("reapplied", 2)]

    # By other settings the command is refused when the topic of the cases is decided again, so the case has one step.
    without = options(8) | {"service_levels": {}, "route": RootRoute(receivers=["care"])}
    settings = make_settings(kafka, inbox, **without)
    await delete(kafka.bootstrap_servers, changelog_name(settings.kafka.group, "process", "cases"))
    await rebuild(settings, [], 2.0, lambda _: None)
    async with bench(**without) as running:
        await say(running, command_id="k-1", alert_id=steps[0]["alert_id"], action="acknowledge")
        await running.settle()
        again = bodies(await running.read("alerts"))

    assert [(step["action"], step["step"]) for step in again if step["kind"] == "case"] == [
        ("reapplied", 2),
        ("acknowledged", 3),
    ]


async def test_a_case_that_nobody_acknowledges_is_escalated_and_one_that_is_acknowledged_is_not(
    bench: StartBench,
) -> None:
    people = {
        "care": ReceiverSettings(email=["care@example.org"]),
        "lead": ReceiverSettings(email=["lead@example.org"]),
    }
    step = EscalationStep(receivers=["lead"])
    # A second. The other customer's case would be due a minute later, and is acknowledged before.
    levels = {
        "fast": ServiceLevel(acknowledge_within_minutes=1 / 60, escalation=[step]),
        "slow": ServiceLevel(acknowledge_within_minutes=1, escalation=[step]),
    }
    slow = Route(name="slow", segment="fr/lyon", service_level="slow")
    root = RootRoute(receivers=["care"], service_level="fast", routes=[slow])
    async with bench(receivers=people, service_levels=levels, route=root) as running:
        await running.publish(answer(), b"c-1")
        await running.publish(answer(customer_id="c-2", response_id="r-2", segment=["fr", "paris"]), b"c-2")
        await running.settle()
        alerts = bodies(await running.read("alerts"))
        (slow_alert,) = [alert["alert_id"] for alert in alerts if alert["customer_id"] == "c-1"]
        await say(running, command_id="k-1", alert_id=slow_alert, action="acknowledge")
        # Both alerts, the acknowledgement of one of them, and the escalation of the other one.
        received = [(mail.recipients, mail.message) for mail in await running.inbox.wait_for(4)]
        await running.settle()
        steps = [body for body in bodies(await running.read("alerts")) if body["kind"] == "case"]
        acknowledged = case_of(running, b"c-1")

    (escalation,) = [message for to, message in received if to == ("lead@example.org",)]
    assert escalation["Subject"] == "[Escalated] Unhappy customer, score 2/10: fr/paris"
    assert [message["References"] for _, message in received].count(escalation["References"]) == 2
    (acknowledgement,) = [message for _, message in received if message["Subject"].startswith("[Acknowledged]")]
    assert acknowledgement["Subject"] == "[Acknowledged] Unhappy customer, score 2/10: fr/lyon"
    assert acknowledgement["References"] != escalation["References"]
    assert sorted((step["customer_id"], step["action"]) for step in steps) == [
        ("c-1", "acknowledged"),
        ("c-2", "escalated"),
    ]
    (escalated,) = [step for step in steps if step["action"] == "escalated"]
    assert (escalated["escalated_to"], escalated["escalation_step"], escalated["state"]) == (["lead"], 1, "open")
    assert (acknowledged.service_level, acknowledged.timers) == ("slow", [])
