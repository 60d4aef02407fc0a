"""The images of the README and of the documents: what the page and the mails look like.

`make images` writes them to docs/images. Without the variable IMAGES, which names the folder, they are only tried.
"""

import os
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from browser.chromium import Window
from browser.company import Company
from browser.customers import UNHAPPY, company_board
from notify.channels.email.mails import address
from playwright.async_api import Page
from pydantic import SecretStr
from web.boards import NOW

from schemas.alert import Alert
from schemas.incident import Incident
from worker.links.signing import Links
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.digest import Digest, Item
from worker.notify.notice import Shown

LARGEST_BYTES = 150_000
_BASE = "https://nps.example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the images are written."""
    return Path(os.environ.get("IMAGES", tmp_path))


async def keep(page: Page, file: Path) -> None:
    """Write an image of what the window shows."""
    assert len(await page.screenshot(path=file)) <= LARGEST_BYTES


@pytest.mark.parametrize(
    ("name", "address", "size", "changes"),
    [
        ("overview-light", "/", (1280, 1140), {}),
        ("overview-dark", "/?segment=Retail/Marseille&range=3", (1280, 1010), {"color_scheme": "dark"}),
        ("tree", "/tree?segment=Retail", (1280, 1000), {}),
        ("case-phone", "/case/a-0", (390, 844), {"device_scale_factor": 1.5}),
    ],
)
async def test_images_of_the_page(
    company: Company, folder: Path, name: str, address: str, size: tuple[int, int], changes: dict[str, Any]
) -> None:
    context = await company.context("en", viewport={"width": size[0], "height": size[1]}, **changes)
    window = await Window.opened(context, company.base)
    await keep(await window.go(address), folder / f"{name}.png")
    await context.close()
    assert window.wrong == []


async def test_images_of_a_mail_and_of_a_digest(company: Company, folder: Path) -> None:
    board = company_board()
    alerts = [board.alerts.of_alert(f"a-{number}").alerts[-1] for number in range(len(UNHAPPY))]
    incident = board.incidents.find("i-2")
    assert incident is not None
    listed: list[Alert | Incident] = [incident.newest, *alerts[:6]]
    digest = Digest("digest-1", NOW, [Item(notice) for notice in listed])
    context = await company.browser.new_context(viewport={"width": 680, "height": 760})
    window = await Window.opened(context, company.base)
    for name, sent in (("mail", alerts[0]), ("digest", digest)):
        await window.page.set_content(html_of(sent))
        assert await window.violations() == []
        await keep(window.page, folder / f"{name}.png")
    await context.close()
    assert window.wrong == []


def html_of(sent: Shown | Digest) -> str:
    """Return the HTML of a mail."""
    letterhead = Letterhead("nps@example.com", "en", language="en", links=Links((SecretStr("k" * 32),), 30, _BASE))
    composed = compose(sent, address("care@example.com", route="care"), delivery_id="d-1", letterhead=letterhead)
    message = message_from_bytes(composed.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())
