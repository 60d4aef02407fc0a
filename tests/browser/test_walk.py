"""The whole way on a real Kafka and a real worker: an unhappy answer, its case, and what came of it, in a browser."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Literal

import pytest
from browser.chromium import Window
from integration.conftest import Bench, StartBench
from integration.test_cases import answer
from playwright.async_api import Browser, Locator, Page, expect
from web.board_rig import HASH, KEY, PASSWORD

from schemas.alert_command import CommandAction
from schemas.case import CaseState
from worker.app import running as role
from worker.clock import SystemClock
from worker.embedded.kafka import free_port
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import rfc3339
from worker.links.settings import WebSettings
from worker.web.words.cases import CASE_WORDS
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.overview import OVERVIEW_WORDS

Lang = Literal["en", "fr"]
SAID = "Forty minutes at the counter."
_LONG = 60_000
_numbers = count(1)


@dataclass
class Site:
    """The worker, the page that the role web serves, and a browser."""

    worker: Bench
    base: str
    browser: Browser

    async def answer(self) -> None:
        """Publish an unhappy customer's answer."""
        number = next(_numbers)
        now = rfc3339(SystemClock().now()).decode()
        who = {"customer_id": f"c-{number}", "response_id": f"r-{number}", "segment": ["Retail", "Lyon"]}
        value = answer(**who, score=1, comment=SAID, responded_at=now)
        await self.worker.publish(value, f"c-{number}".encode())

    @asynccontextmanager
    async def window(self, name: str, language: Lang, *, scripts: bool = True) -> AsyncIterator[Page]:
        """Open a window of somebody who has logged in; in the end, nothing may have gone wrong in it."""
        context = await self.browser.new_context(locale=language, java_script_enabled=scripts)
        context.set_default_timeout(_LONG)
        window = await Window.opened(context, self.base)
        page = await window.go("/")
        async with asyncio.timeout(60):
            while not await page.locator("input[name=name]").count():  # the role has just started
                await page.reload()
        window.wrong.clear()
        await page.locator("input[name=name]").fill(name)
        await page.locator("input[name=password]").fill(PASSWORD)
        await page.locator("main button").click()
        await page.wait_for_url(self.base + "/")
        try:
            yield page
            assert window.wrong == []
        finally:
            await context.close()


@pytest.fixture
async def site(bench: StartBench, browser: Browser) -> AsyncIterator[Site]:
    port = free_port()
    users = {name: {"password_hash": HASH, "permission": "act"} for name in ("ann", "bob")}
    web = WebSettings(base_url=f"http://127.0.0.1:{port}", port=port, keys=[KEY], auth={"users": users})
    cases = CasePolicy(causes=["waiting time", "product"], cause_required=True)
    async with bench(web=web, cases=cases) as worker, role(worker.settings, "web"):
        yield Site(worker, f"http://127.0.0.1:{port}", browser)


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_from_the_score_to_the_closed_case_with_a_colleague_who_sees_it_live(site: Site, language: Lang) -> None:
    expect.set_options(timeout=_LONG)
    words, sections = CASE_WORDS[language], LAYOUT_WORDS[language].sections
    async with site.window("ann", language) as page, site.window("bob", language) as other:
        await site.answer()
        await expect(page.locator("#main")).to_contain_text(OVERVIEW_WORDS[language].cases[0])  # it renews itself
        await page.get_by_role("link", name=sections["tree"], exact=True).click()
        await page.get_by_role("link", name="Retail", exact=True).first.click()
        await expect(page.get_by_role("link", name="Lyon", exact=True)).to_be_visible()
        await page.get_by_role("link", name=sections["cases"], exact=True).click()
        await page.get_by_role("link", name="Retail › Lyon").click()
        await expect(page.locator("#main")).to_contain_text(SAID)

        await other.goto(page.url)
        await expect(state(other, words.states[CaseState.OPEN])).to_be_visible()
        await page.get_by_role("button", name=words.acts[CommandAction.ACKNOWLEDGE], exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text(words.done[CommandAction.ACKNOWLEDGE])
        await expect(state(other, words.states[CaseState.ACKNOWLEDGED])).to_be_visible()

        await resolve(page, words.acts[CommandAction.RESOLVE])
        await expect(page.get_by_role("status")).to_contain_text(words.done[CommandAction.RESOLVE])
        await expect(state(other, words.states[CaseState.RESOLVED])).to_be_visible()
        await expect(other.locator(".timeline")).to_contain_text("Called her")

        await page.get_by_role("link", name=words.figures, exact=True).click()
        await page.locator("select[name=by]").select_option("cause")
        await page.locator("main form button").first.click()
        await expect(page.get_by_role("row").filter(has_text="waiting time")).to_contain_text("1")


async def test_everything_works_without_scripts(site: Site) -> None:
    expect.set_options(timeout=_LONG)
    words, sections = CASE_WORDS["en"], LAYOUT_WORDS["en"].sections
    await site.answer()
    await site.worker.settle()
    async with site.window("ann", "en", scripts=False) as page:
        await until(page, OVERVIEW_WORDS["en"].cases[0])
        await page.get_by_role("link", name=sections["cases"], exact=True).click()
        await until(page, "Lyon")
        await page.get_by_role("link", name="Retail › Lyon").click()
        await page.get_by_role("button", name=words.acts[CommandAction.RESOLVE], exact=True).click()
        await expect(page.get_by_role("alert").first).to_be_visible()  # neither an outcome nor a cause
        await page.get_by_role("button", name=words.acts[CommandAction.ACKNOWLEDGE], exact=True).click()
        await until(page, words.states[CaseState.ACKNOWLEDGED])
        await resolve(page, words.acts[CommandAction.RESOLVE])
        await until(page, "Called her")
        await expect(state(page, words.states[CaseState.RESOLVED])).to_be_visible()
        await page.get_by_role("button", name=words.acts[CommandAction.REOPEN], exact=True).click()
        await until(page, words.states[CaseState.OPEN])
        await page.get_by_role("link", name=words.figures, exact=True).click()
        await until(page, "Retail")


def state(page: Page, word: str) -> Locator:
    """Return what says the state of the case."""
    return page.locator(".page-head .pill").filter(has_text=re.compile(f"^{word}$"))


async def resolve(page: Page, button: str) -> None:
    """Fill in the form of a case, and resolve it."""
    await page.locator("select[name=outcome]").select_option("called_back")
    await page.locator("select[name=cause]").select_option("waiting time")
    await page.locator("textarea[name=note]").fill("Called her, and said sorry.")
    await page.get_by_role("button", name=button, exact=True).click()


async def until(page: Page, text: str) -> None:
    """Open the page again until it says something: what happens takes a moment to be seen."""
    async with asyncio.timeout(60):
        while text not in await page.locator("#main").inner_text():
            await page.reload()
