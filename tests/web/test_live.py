"""Live updates: what is sent and to whom, and that those who are slow or gone cost nothing."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import unescape
from importlib.resources import files
from typing import NamedTuple

import pytest
from aiohttp import ClientError, ClientResponse
from web.board_rig import USERS, Browser, Rig, check_guarded, served, token_of, with_users
from web.case_desk import Desk
from web.why_boards import why_board

from worker.web import live as live_module
from worker.web.pages import dead_letters
from worker.web.pages.case_acting import ABOUT, SAID
from worker.web.pages.why import DONE
from worker.web.rendering import main_of
from worker.web.routes import ROUTES


class Event(NamedTuple):
    """A server-sent event, or a comment, whose name is empty."""

    name: str
    data: str = ""
    id: str = ""


class Stream:
    """The updates of an open page."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self, *, comments: bool = False) -> Event:
        """Return the next event; without `comments`, only one with a name."""
        async with asyncio.timeout(20):
            while True:
                lines = list[str]()
                while line := (await self.response.content.readline()).decode().rstrip("\n"):
                    lines.append(line)
                if not lines and self.response.content.at_eof():
                    return Event("end")
                fields = [line.partition(":") for line in lines]
                event = Event(
                    next((value.strip() for name, _, value in fields if name == "event"), ""),
                    "\n".join(value[1:] for name, _, value in fields if name == "data"),
                    next((value.strip() for name, _, value in fields if name == "id"), ""),
                )
                if event.name or comments:
                    return event


def live_address(browser: Browser) -> str:
    found = re.search(r'data-live="([^"]*)"', browser.text)
    assert found is not None
    return unescape(found[1])


@asynccontextmanager
async def updates(browser: Browser, address: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open the updates of the page that the browser has opened last."""
    url = browser.base + (address or live_address(browser))
    async with browser.client.get(url, headers=headers) as response:
        yield Stream(response)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is awaited raises no event
            await asyncio.sleep(0.01)


def change(rig: Rig) -> None:
    """Let something happen that the pages of the rig show."""
    rig.board.scores.version += 1


async def test_an_open_page_gets_its_content_when_it_has_changed() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        await browser.open("/case/a-1")
        async with updates(browser) as stream:
            response = stream.response
            assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert response.headers["X-Accel-Buffering"] == "no"
            check_guarded(response)
            await browser.post("/case/a-1", {"case": "1.1.a-1", "action": "note", "note": "a\r\nnew <note>"})
            event = await stream.next()
            assert event.name == "page"
            assert event.data.startswith('<main id="main"')
            assert event.data.endswith("</main>")
            assert "new &lt;note&gt;" in event.data
            await browser.open("/case/a-1")
            assert event.id in live_address(browser)  # the hash of the same content


def test_the_script_takes_out_of_the_address_what_became_of_a_form() -> None:
    script = (files("worker.web") / "static" / "live.js").read_text()
    found = re.search(r"for \(const part of (\[.*?\])\) here\.searchParams\.delete\(part\);", script)
    assert found is not None
    assert {*json.loads(found[1])} == {SAID, ABOUT, DONE, dead_letters._PLACE}


async def test_content_that_is_the_same_after_a_change_is_not_sent() -> None:
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/hello")
        async with updates(browser) as stream:
            await until(lambda: rig.lives[0].clients == 1)
            made = rig.texts.made
            change(rig)
            await until(lambda: rig.texts.made > made)
            # What would have been sent is sent before the next event.
            rig.texts.text = "something new"
            change(rig)
            assert "something new" in (await stream.next()).data


async def test_who_has_the_newest_content_already_gets_nothing_and_who_has_not_gets_it_at_once() -> None:
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/asking")
        address = live_address(browser)
        async with updates(browser, re.sub("seen=[0-9a-f]+", "seen=old", address)) as stream:
            event = await stream.next()
            assert event.name == "page"
        async with updates(browser, address, **{"Last-Event-ID": "older"}) as stream:
            assert (await stream.next()).id == event.id
        async with updates(browser, address, **{"Last-Event-ID": event.id}) as stream:
            assert (await stream.next(comments=True)).name == ""  # the beginning
            change(rig)
            assert (await stream.next()).id != event.id


async def test_the_forms_of_an_update_have_the_token_of_the_own_session() -> None:
    rig = Rig(with_users())
    async with served(rig, 2) as browsers:
        for browser in browsers:
            await browser.log_in("ann")
            await browser.open("/asking")
        first, second = browsers
        async with updates(first) as one, updates(second) as two:
            change(rig)
            events = [await one.next(), await two.next()]
        for browser, event in zip(browsers, events, strict=True):
            found = re.search(r'name="token" value="([^"]*)"', event.data)
            assert found is not None
            assert found[1] == await token_of(browser, "/asking")
        assert events[0].id == events[1].id
        assert events[0].data != events[1].data


async def test_content_without_forms_is_rendered_once_for_all_people_with_the_same_rights() -> None:
    rig = Rig(with_users(auth={"users": {**USERS, "zoe": USERS["ann"]}}))
    async with served(rig, 4) as browsers:
        for browser, name in zip(browsers, ("ann", "zoe", "viv", "adm"), strict=True):
            await browser.log_in(name)
            await browser.open("/hello")
        async with updates(browsers[0]), updates(browsers[1]), updates(browsers[2]), updates(browsers[3]):
            await until(lambda: rig.lives[0].clients == 4)
            assert rig.lives[0].watched == 3
        await until(lambda: rig.lives[0].clients == rig.lives[0].watched == 0)


async def test_a_page_with_forms_is_rendered_for_each_person() -> None:
    rig = Rig(with_users())
    async with served(rig, 2) as [ann, adm]:
        await ann.log_in("ann")
        await adm.log_in("adm")
        await ann.open("/asking")
        await adm.open("/asking")
        async with updates(ann) as one, updates(adm) as two:
            change(rig)
            assert "ann, version" in (await one.next()).data
            assert "adm, version" in (await two.next()).data


async def test_the_list_of_pages_says_which_of_those_that_renew_themselves_have_forms() -> None:
    found, listed = set[str](), {route.path for route in ROUTES if route.has_forms}
    paths = {route.path: route.path.replace("{alert_id}", "a-1") for route in ROUTES if route.kinds}
    async with served(Desk().open().rig) as [cases], served(Rig(board=why_board(), routes=ROUTES)) as [reasons]:
        for browser in (cases, reasons):
            for path, address in paths.items():
                await browser.open(address)
                if browser.status == 200 and 'name="token"' in main_of(browser.text):
                    found.add(path)
    assert found == listed


async def test_updates_end_with_the_session_and_begin_only_for_those_who_may_see_the_page() -> None:
    rig = Rig(with_users())
    async with served(rig, 2) as [ann, nobody]:
        await ann.log_in("ann")
        await ann.open("/hello")
        address = live_address(ann)
        await nobody.get(address)
        assert nobody.status == 204
        for other in (
            "/live",
            "/live?page=/admin",
            "/live?page=/nothing",
            "/live?page=https://evil.test/hello",
            "/live?page=%00",
        ):
            await ann.get(other)
            assert ann.status == 204
        async with updates(ann, address) as stream:
            await until(lambda: rig.lives[0].clients == 1)
            rig.others[0].end(rig.audited[0]["session"])
            change(rig)
            await stream.next(comments=True)
            assert (await stream.next()).name == "end"


async def test_a_page_that_is_no_more_ends_its_updates() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        await browser.open("/case/a-1")
        async with updates(browser) as stream:
            await until(lambda: desk.rig.lives[0].watched == 1)
            desk.rig.board.cases.take(b"c-1", None)  # the customer was erased
            assert (await stream.next()).name == "over"
            assert (await stream.next()).name == "end"


async def test_a_comment_keeps_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_COMMENT_SECONDS", 0.01)
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/hello")
        async with updates(browser) as stream:
            for _ in range(5):
                assert await stream.next(comments=True) == Event("")


async def test_there_are_only_so_many_clients_and_the_others_can_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_CLIENTS", 3)
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/hello")
        async with updates(browser), updates(browser), updates(browser), updates(browser) as last:
            assert last.response.status == 503
            assert last.response.headers["Retry-After"] == "30"
            await browser.get("/hello")
            assert browser.status == 200
        await until(lambda: rig.lives[0].clients == 0)
        async with updates(browser) as stream:
            assert stream.response.status == 200


@pytest.mark.parametrize(("read_seconds", "acknowledge_ms"), [(0.2, 0), (600, 300)])
async def test_clients_that_vanish_or_do_not_read_are_dropped(
    read_seconds: float, acknowledge_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either limit is enough: that of the process, and that of the system, for which 0 is none."""
    monkeypatch.setattr(live_module, "_COMMENT_SECONDS", 0.01)
    monkeypatch.setattr(live_module, "_READ_SECONDS", read_seconds)
    monkeypatch.setattr(live_module, "_ACKNOWLEDGE_MS", acknowledge_ms)
    monkeypatch.setattr(live_module, "_SHORTEST_MS", 0)
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open(f"/hello?said={'x' * 1_500}")
        host, _, port = browser.base.removeprefix("http://").partition(":")
        request = f"GET {live_address(browser)} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        writers, readers = [], []  # a reader that is not kept would end its connection
        for _ in range(20):
            reader, writer = await asyncio.open_connection(host, int(port), limit=1_000)
            writer.write(request)
            await reader.readline()
            writers.append(writer)
            readers.append(reader)
        await until(lambda: rig.lives[0].clients == 20)
        for writer in writers[:10]:
            writer.transport.abort()
        # The others do not read: what they get fills the buffers of the system.
        async with asyncio.timeout(60):
            while rig.lives[0].clients:
                rig.texts.text += "x" * 100_000
                change(rig)
                await asyncio.sleep(0.01)
        assert rig.lives[0].watched == 0
        for writer in writers:
            writer.close()


async def test_a_bug_in_a_page_ends_its_updates_and_no_others(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/fragile")
        async with updates(browser) as fragile:
            await browser.open("/hello")
            async with updates(browser) as stream:
                await until(lambda: rig.lives[0].watched == 2)
                rig.texts.text = "broken"
                change(rig)
                assert (await fragile.next()).name == "over"
                assert (await stream.next()).name == "page"
    assert "a page could not be renewed because of a bug in the worker" in caplog.text
    assert "canary" not in json.dumps([record.getMessage() for record in caplog.records])


async def test_all_connections_end_at_once_when_the_role_stops() -> None:
    rig = Rig()
    async with served(rig) as [browser]:
        await browser.open("/hello")
        async with updates(browser) as stream:
            await until(lambda: rig.lives[0].clients == 1)
            await rig.lives[0].stop()
            assert rig.lives[0].clients == 0
            with pytest.raises(ClientError):
                await stream.response.content.read()
        await browser.get(live_address(browser))
        assert browser.status == 503
