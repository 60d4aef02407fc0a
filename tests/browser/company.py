"""The page of a made-up company (web/boards.py), and the addresses of what it shows."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from browser.chromium import Window
from browser.customers import company_board
from playwright.async_api import Browser, BrowserContext
from web.board_rig import HASH, PASSWORD, Rig, served, with_users

from worker.web.routes import ROUTES

#: Who looks at the page.
NAME = "Marie Dubois"
#: An address for each page of the list (worker/web/routes.py), by its path there.
ADDRESSES: Mapping[str, str] = {
    "/": "/",
    "/tree": "/tree?segment=Retail",
    "/compare": "/compare?segment=Retail/Lyon&with=Retail/Marseille",
    "/heat": "/heat",
    "/cases": "/cases",
    "/case/{alert_id}": "/case/a-2",
    "/loop": "/loop",
    "/answers": "/answers",
    "/incidents": "/incidents",
    "/incidents/{alert_id}": "/incidents/i-2",
    "/deliveries": "/deliveries",
    "/deliveries/{delivery_id}": "/deliveries/d-1",
    "/digests": "/digests",
    "/digests/{digest_id}": "/digests/digest-1",
    "/silences": "/silences",
    "/dead-letters": "/dead-letters",
    "/dead-letters/{letter_id}": "/dead-letters/l-1",
}
#: Other addresses that look different.
FURTHER = ("/?segment=Retail/Marseille&range=3", "/?segment=Retail/Strasbourg", "/sessions", "/no-such-page")
PAGES = (*ADDRESSES.values(), *FURTHER)


@dataclass
class Company:
    """The page, which is served."""

    base: str
    rig: Rig
    browser: Browser
    #: What a browser knows after the login, by language.
    states: dict[str, Any]

    async def context(self, language: str = "en", **changes: Any) -> BrowserContext:
        """Return a browser's context whose person is logged in. `changes`: settings of the context."""
        return await self.browser.new_context(storage_state=self.states[language], locale=language, **changes)


@asynccontextmanager
async def company(browser: Browser) -> AsyncIterator[Company]:
    """Serve the page of the company."""
    rig = Rig(
        with_users(auth={"users": {NAME: {"password_hash": HASH, "permission": "admin"}}}),
        board=company_board(),
        routes=ROUTES,
    )
    async with served(rig) as [client]:
        found = Company(client.base, rig, browser, {})
        for language in ("en", "fr"):
            context = await browser.new_context(locale=language)
            window = await Window.opened(context, client.base)
            page = await window.go("/login")
            await page.locator("input[name=name]").fill(NAME)
            await page.locator("input[name=password]").fill(PASSWORD)
            await page.locator("main button").click()
            await page.wait_for_url(client.base + "/")
            assert window.wrong == []
            found.states[language] = await context.storage_state()
            await context.close()
        yield found
