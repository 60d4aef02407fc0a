"""The links of an alert on Kafka: reading them writes nothing, and a form becomes a command that the worker answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession
from integration.conftest import Bench, StartBench
from integration.test_cases import answer, bodies, case_of, say

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from worker.app import running
from worker.links.settings import WebSettings
from worker.server import Server
from worker.settings import Settings

WEB = WebSettings(keys=["s3cr3t-key-of-the-links-with-32-characters"], port=0)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def pages(settings: Settings) -> AsyncIterator[tuple[ClientSession, str]]:
    """Run the role web beside the worker; yield a client and the beginning of all addresses."""
    async with running(settings, "web") as web, ClientSession() as client:
        while not web.ready:  # noqa: ASYNC110 - the end of a changelog raises no event here
            await asyncio.sleep(0.02)
        yield client, f"http://127.0.0.1:{web.of(Server)['web'].port}"


async def links_of(running: Bench) -> dict[str, str]:
    """Return the paths of the links in a message about the newest step of the alert."""
    links = WEB.links
    assert links is not None
    steps = [event for event in bodies(await running.read("alerts")) if event["kind"] == "detractor"]
    found = links.of(Alert.model_validate(steps[-1], strict=False), "care")
    return {action.value: url for action, url in found.items()}


async def read_until(client: ClientSession, url: str, said: str) -> int:
    """Read a page until it says something; return its status."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(url) as response:
                if said in await response.text():
                    return response.status
            await asyncio.sleep(0.02)


async def posted(client: ClientSession, url: str, **fields: Any) -> str:
    async with client.post(url, data=fields, headers=FORM) as response:
        return await response.text()


async def test_people_read_acknowledge_and_resolve_by_links_and_an_old_link_says_what_has_happened(
    bench: StartBench,
) -> None:
    async with bench(web=WEB) as running, pages(running.settings) as (client, base):
        await running.publish(answer(), b"c-1")
        await running.settle()
        first = {action: base + path for action, path in (await links_of(running)).items()}
        await read_until(client, first["acknowledge"], "Will you look after this customer?")
        for method in ("GET", "HEAD") * 100:
            async with client.request(method, first["resolve"]) as response:
                assert response.status == 200
        assert await running.read("alert-commands") == []

        assert "Thank you, you have it" in await posted(client, first["acknowledge"], name="Anna")
        again = await posted(client, first["acknowledge"], name="Anna")
        assert "Thank you, you have it" in again or "Anna (care) has looked after this case since" in again
        await read_until(client, first["acknowledge"], "Anna (care) has looked after this case since")
        form = {"outcome": "called_back", "cause": "delivery", "note": "canary"}
        assert "Thank you, the case is resolved" in await posted(client, first["resolve"], **form)
        await running.settle()
        case = case_of(running, b"c-1")
        assert (case.state, case.acknowledged_by, case.resolved_by) == ("resolved", "Anna (care)", "care")
        assert [note.text for note in case.notes] == ["canary"]
        await read_until(client, first["resolve"], "Outcome: I have called the customer back.")

        await running.publish(answer(revision=1, comment="Again."), b"c-1")
        await running.settle()
        newer = {action: base + path for action, path in (await links_of(running)).items()}
        await read_until(client, newer["acknowledge"], "Will you look after this customer?")
        await read_until(client, first["acknowledge"], "This case was reopened")
        await running.publish(answer(revision=2, score=9), b"c-1")
        await read_until(client, newer["acknowledge"], "This alert was withdrawn")
        before = len(await running.read("alert-commands"))
        for url in (*first.values(), *newer.values()):
            assert "This alert was withdrawn" in await posted(client, url, outcome="solved")
        assert len(await running.read("alert-commands")) == before
        results = bodies(await running.read("alert-command-results"))
        commands = bodies(await running.read("alert-commands"))

    assert {result["outcome"] for result in results} == {"applied"}
    assert {command["command_id"] for command in commands} == {result["command_id"] for result in results}
    assert {(command["actor"], command["via"]) for command in commands} == {("Anna (care)", "link"), ("care", "link")}


async def test_a_link_whose_customer_is_erased_or_whose_case_is_taken_meanwhile_changes_nothing(
    bench: StartBench,
) -> None:
    async with bench(web=WEB) as running, pages(running.settings) as (client, base):
        await running.publish(answer(), b"c-1")
        await running.settle()
        path = (await links_of(running))[CommandAction.ACKNOWLEDGE]
        await read_until(client, base + path, "Will you look after this customer?")
        (alert,) = bodies(await running.read("alerts"))
        await say(running, command_id="k-1", alert_id=alert["alert_id"], action="acknowledge", actor="bob")
        # Whether the page knows it already or the worker refuses the command: bob has it.
        await running.settle()
        assert "bob has looked after this case" in await posted(client, base + path)
        await running.publish(None, b"c-1")
        await running.settle()
        await read_until(client, base + path, "The page does not know it yet.")
        assert case_ids(running) == []


def case_ids(running: Bench) -> list[bytes]:
    return list(running.rows("cases"))
