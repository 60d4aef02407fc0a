"""A Chromium without a window, and pages in it that keep what went wrong in them."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response, async_playwright

#: The programs that are tried, unless the variable CHROMIUM names one.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: A container has no sandbox for the browser, and the pages are our own.
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none")
#: The rules of axe-core whose result depends on the theme.
COLOURS = ("color-contrast", "link-in-text-block")
#: Tells the console what the content security policy has refused.
_REFUSED = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`refused by the content security policy: ${event.violatedDirective} ${event.blockedURI}`));"""
#: What fades to another colour has to arrive first.
_AXE = """async ([only, without]) => {
    await Promise.all(document.getAnimations().map((one) => one.finished));
    const rules = Object.fromEntries(without.map((one) => [one, {enabled: false}]));
    const found = await axe.run(document, {resultTypes: ["violations"], rules, ...(only.length && {runOnly: only})});
    return found.violations.filter((one) => one.impact === "serious" || one.impact === "critical")
        .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html} (${node.failureSummary})`));
}"""


def program() -> str | None:
    """Return the path of a Chromium; None if none is installed."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Window:
    """A page that is open in a browser."""

    page: Page
    base: str
    #: Errors of scripts and of the console, refusals by the content security policy, and answers that are errors,
    #: but for pages that say that a form was wrong, or that there is no such page.
    wrong: list[str] = field(default_factory=list)

    @classmethod
    async def opened(cls, context: BrowserContext, base: str) -> Self:
        """Open a window."""
        window = cls(await context.new_page(), base)
        await window.page.add_init_script(_REFUSED)
        window.page.on("console", window._said)
        window.page.on("pageerror", window._failed)
        window.page.on("response", window._answered)
        return window

    async def go(self, address: str) -> Page:
        """Open an address of the site, and return the page."""
        await self.page.goto(self.base + address)
        return self.page

    async def run(self, script: str, argument: Any = None) -> Any:
        """Return what a function of JavaScript returns."""
        return await self.page.evaluate(script, argument)

    async def set_text_size(self, size: int) -> None:
        """Let the person have chosen a size of text, in px. The usual one is 16."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("Page.setFontSizes", {"fontSizes": {"standard": size}})
        await session.detach()

    async def violations(self, only: Sequence[str] = (), without: Sequence[str] = ()) -> list[str]:
        """Return what axe-core finds that is serious or critical.

        `only`: only by these rules, if there are any; `without`: not by these.
        """
        if not await self.run("() => typeof axe === 'object'"):
            await self.page.evaluate(AXE_SCRIPT)
        found: list[str] = await self.run(_AXE, [[*only], [*without]])
        return found

    def _said(self, message: ConsoleMessage) -> None:
        # What the console says of an answer is known from the answer itself.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _failed(self, error: Error) -> None:
        self.wrong.append(f"script: {error}")

    def _answered(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if response.status >= (500 if is_page else 400):
            self.wrong.append(f"{response.status} {response.url}")
