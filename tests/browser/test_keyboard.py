"""What people do on the page, with the keyboard alone: the whole life of a case, and a silence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from browser.chromium import Window
from flow.cases.following import CUSTOMER, Following
from flow.records import NOW
from playwright.async_api import Browser, Page
from web.board_rig import Rig, served
from web.case_desk import Desk
from web.why_boards import why_board

from worker.flow.cases.case import Case, Cases, encode_cases
from worker.flow.policy import CasePolicy
from worker.links.settings import WebSettings
from worker.web.routes import ROUTES

#: The most often that the key Tab is pressed to reach something.
_MOST_STEPS = 80
#: What the keyboard is on: its name in a form and its text.
_FOCUSED = """() => {
    const one = document.activeElement;
    return [one.getAttribute("name") ?? "", one.textContent.trim().replace(/\\s+/g, " ")];
}"""


@asynccontextmanager
async def opened(browser: Browser, rig: Rig, address: str, language: str, width: int = 1280) -> AsyncIterator[Page]:
    """Open a page of a rig; at the end, nothing may have gone wrong in it."""
    async with served(rig) as [client]:
        context = await browser.new_context(locale=language, viewport={"width": width, "height": 900})
        window = await Window.opened(context, client.base)
        try:
            yield await window.go(address)
        finally:
            await context.close()
    assert window.wrong == []


async def reach(page: Page, wanted: str) -> None:
    """Press Tab until the keyboard is on a field with a name, or on a link or a button that begins with a text."""
    said = []
    for _ in range(_MOST_STEPS):
        await page.keyboard.press("Tab")
        name, text = await page.evaluate(_FOCUSED)
        if wanted == name or text.startswith(wanted):
            return
        said.append((name, text[:30]))
    raise AssertionError(f"the key Tab does not lead to {wanted}: {said}")


async def press(page: Page, wanted: str) -> None:
    """Press a link or a button that begins with a text, and wait for the page that it leads to."""
    await reach(page, wanted)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def write(page: Page, name: str, text: str) -> None:
    await reach(page, name)
    await page.keyboard.type(text)


async def main(page: Page) -> str:
    return (await page.locator("#main").inner_text()).replace("\N{NO-BREAK SPACE}", " ")


def overdue() -> Desk:
    """Return a desk with a case whose time limit is over."""
    following = Following(CasePolicy(causes=["delivery"]))
    desk = Desk(following=following).open()
    case = following.case()
    assert case is not None
    case.acknowledge_due = NOW
    following.rows[CUSTOMER] = encode_cases(Cases([case]))
    return desk.renew()


def case_of(desk: Desk) -> Case:
    found = desk.following.case()
    assert found is not None
    return found


async def test_an_overdue_case_is_found_and_worked_on_until_it_is_reopened(browser: Browser) -> None:
    desk = overdue()
    async with opened(browser, desk.rig, "/", "fr", width=320) as page:
        await press(page, "Dossiers")
        await reach(page, "overdue")
        await page.keyboard.press("ArrowDown")
        await press(page, "Afficher")
        assert "1 dossier, en retard" in await main(page)
        await press(page, "fr › shop-3")
        await press(page, "Je m’en occupe")
        assert case_of(desk).state == "acknowledged"
        await write(page, "assignee", "Léa")
        await press(page, "Confier")
        assert case_of(desk).assignee == "Léa"
        await write(page, "note", "Rappel demain")
        await press(page, "Ajouter la note")
        assert "Rappel demain" in await main(page)
        for name in ("outcome", "cause"):
            await reach(page, name)
            await page.keyboard.press("ArrowDown")
        await press(page, "Clore")
        assert (case_of(desk).state, case_of(desk).outcome, case_of(desk).cause) == (
            "resolved", "called_back", "delivery",
        )  # fmt: skip
        await press(page, "Rouvrir")
        assert (case_of(desk).state, case_of(desk).opening) == ("open", 2)


async def test_what_became_of_a_form_is_not_said_again_after_going_back(browser: Browser) -> None:
    desk = overdue()
    async with opened(browser, desk.rig, "/case/a-1", "en") as page:
        await press(page, "I have it")
        assert "You have this case now." in await main(page)
        assert page.url.endswith("/case/a-1")  # and so without what became of the form
        await press(page, "Cases")
        await page.go_back()
        assert "You have this case now." not in await main(page)


async def test_a_case_that_was_searched_for_leads_back_to_the_search(browser: Browser) -> None:
    desk = overdue()
    async with opened(browser, desk.rig, "/cases", "en") as page:
        await write(page, "customer", "c-1")
        await press(page, "Find")
        await press(page, "fr › shop-3")
        await page.go_back()
        assert "The cases of this customer" in await main(page)


async def test_a_silence_is_added_and_ended(browser: Browser) -> None:
    rig = Rig(WebSettings(), board=why_board(), routes=ROUTES)
    async with opened(browser, rig, "/silences", "fr") as page:
        await write(page, "segment", "Retail/Lyon")
        await write(page, "reason", "Inventaire")
        await press(page, "Ajouter pour 1 heure")
        assert "Le silence est ajouté" in await main(page)
        await press(page, "Arrêter maintenant")
        assert "Le silence est arrêté" in await main(page)
    assert [(one["action"], one.get("reason")) for one in rig.given] == [("add", "Inventaire"), ("end", None)]
