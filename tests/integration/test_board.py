"""The page on Kafka: what is published is seen on an open page, and what people do there reaches the worker."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

from aiohttp import ClientSession, CookieJar
from argon2 import PasswordHasher
from integration.conftest import Bench, StartBench
from integration.test_cases import answer, bodies, case_of
from web.board_rig import Browser
from web.test_live import updates

from worker.app import running as a_role
from worker.links.settings import WebSettings
from worker.server import Server
from worker.settings import Settings

PASSWORD = "correct horse battery staple"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
LOCAL = WebSettings(port=0)
WITH_LOGIN = WebSettings.model_validate(
    {
        "port": 0,
        "keys": ["k" * 32],
        "base_url": "http://127.0.0.1:1",
        "auth": {"users": {name: {"password_hash": HASH, "permission": "admin"} for name in ("ann", "bob")}},
    }
)


@asynccontextmanager
async def pages(settings: Settings, number: int = 1) -> AsyncIterator[list[Browser]]:
    """Run the role web beside the worker; yield browsers."""
    async with a_role(settings, "web") as web:
        while not web.ready:  # noqa: ASYNC110 - the end of a changelog raises no event here
            await asyncio.sleep(0.02)
        base = f"http://127.0.0.1:{web.of(Server)['web'].port}"
        clients = [ClientSession(cookie_jar=CookieJar(unsafe=True)) for _ in range(number)]
        try:
            yield [Browser(client, base) for client in clients]
        finally:
            for client in clients:
                await client.close()


async def read_until(browser: Browser, path: str, said: str) -> None:
    """Open a page until it says something."""
    async with asyncio.timeout(60):
        while said not in await browser.open(path):  # noqa: ASYNC110 - the page raises no event here
            await asyncio.sleep(0.02)


async def alert_of(running: Bench) -> str:
    """Return the id of the only alert."""
    return str(next(body for body in bodies(await running.read("alerts")) if body["kind"] == "detractor")["alert_id"])


async def audited(running: Bench) -> list[dict[str, Any]]:
    return bodies(await running.read("audit"))


async def test_a_response_is_seen_on_an_open_page_and_its_case_is_acknowledged_there(bench: StartBench) -> None:
    async with bench(web=LOCAL) as running, pages(running.settings) as [browser]:
        await read_until(browser, "/cases", "There is no such case.")
        async with updates(browser) as stream:
            await running.publish(answer(), b"c-1")
            async with asyncio.timeout(60):
                while "/case/" not in (event := await stream.next()).data:
                    assert event.name == "page"
        await running.settle()
        alert_id = await alert_of(running)
        await read_until(browser, f"/case/{alert_id}", "The alert was opened")
        case = re.search(r'name="case" value="([^"]*)"', browser.text)
        assert case is not None
        fields = {"case": unescape(case[1]), "action": "acknowledge", "note": "I call back."}
        response = await browser.post(f"/case/{alert_id}", fields)
        assert response.headers["Location"] == f"/case/{alert_id}?said=acknowledge.applied.noted"
        text = await browser.open(response.headers["Location"])
        assert "You have this case now." in text
        assert "acknowledged" in text
        await running.settle()
        case_now = case_of(running, b"c-1")
        assert (case_now.state, case_now.acknowledged_by) == ("acknowledged", "local")
        assert [note.text for note in case_now.notes] == ["I call back."]
        [entry] = await audited(running)
        commands = bodies(await running.read("alert-commands"))

    assert (entry["action"], entry["command"], entry["about"]) == ("alert_command", "acknowledge", alert_id)
    assert (entry["actor"], entry["login"], entry["outcome"]) == ("local", "none", "applied")
    assert [(command["actor"], command["via"]) for command in commands] == [("local", "page")]


async def test_a_session_holds_in_every_process_and_after_a_restart_until_somebody_has_ended_it(
    bench: StartBench,
) -> None:
    async with bench(web=WITH_LOGIN) as running:
        async with pages(running.settings, 2) as [ann, bob], pages(running.settings) as [elsewhere]:
            await read_until(ann, "/cases", "Log in")
            assert (await ann.log_in("ann", PASSWORD, "/cases")).status == 303
            assert (await bob.log_in("bob", PASSWORD, "/cases")).status == 303
            cookie = {"Cookie": f"nps-session={ann.cookie('nps-session')}"}
            await elsewhere.get("/cases", **cookie)
            assert elsewhere.status == 200
            await read_until(bob, "/sessions", "ann")
            session = re.search(r'name="session" value="([^"]*)"', bob.text)
            assert session is not None
            await bob.post("/sessions/end", {"session": session[1]})
            async with asyncio.timeout(60):
                while elsewhere.status == 200:
                    await elsewhere.get("/cases", **cookie)
        async with pages(running.settings) as [later]:
            await read_until(later, "/login", "Log in")
            await later.get("/cases", **cookie)
            assert later.status == 303
            still = {"Cookie": f"nps-session={bob.cookie('nps-session')}"}
            await later.get("/cases", **still)
            assert later.status == 200
        said = [(one["action"], one["actor"]) for one in await audited(running)]

    # They lie in different partitions, so their order is not known.
    assert sorted(said) == [("logged_in", "ann"), ("logged_in", "bob"), ("session_ended", "bob")]
