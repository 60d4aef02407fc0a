"""One browser for all tests of this room. Without a Chromium, they are skipped."""

from collections.abc import AsyncIterator

import pytest
from browser.chromium import PROGRAMS, chromium, program
from browser.company import Company
from browser.company import company as served_company
from integration.conftest import bench as bench  # noqa: PLC0414 - the fixture of a worker
from playwright.async_api import Browser


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Return a browser."""
    if program() is None:
        pytest.skip(f"no Chromium is installed: neither the variable CHROMIUM nor {', '.join(PROGRAMS)} names one")
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
async def company(browser: Browser) -> AsyncIterator[Company]:
    """Return the page of a made-up company."""
    async with served_company(browser) as found:
        yield found
