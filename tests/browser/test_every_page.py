"""Every page in a real browser: in both languages and themes, on a phone and at a desk, by keyboard and on paper."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from browser.chromium import COLOURS, Window
from browser.company import ADDRESSES, PAGES, Company

from worker.web.routes import ROUTES

PHONE, DESK = 320, 1280
_HEIGHT = 900
#: What sticks out of the page to the right. What can be scrolled on its own does not. A text can be wider than its box.
_OUTSIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest(".scroll"))
    .filter((one) => {
        const width = Math.max(one.offsetWidth ?? 0, one.scrollWidth)
        return one.getBoundingClientRect().left + width > innerWidth + 1
    })
    .map((one) => `${one.tagName}.${one.getAttribute("class") ?? ""}`)"""
#: Texts in so narrow a column that they have hardly a word on a line.
_NARROW = """() => [...document.querySelectorAll("main :is(dd, td, th, li, p)")]
    .filter((one) => one.checkVisibility() && !one.closest("thead, .scroll, .hidden"))
    .filter((one) => one.textContent.trim().length > 12 && one.getBoundingClientRect().width < 80)
    .filter((one) => one.getBoundingClientRect().width > 0)
    .map((one) => `${one.tagName}: ${one.textContent.trim().slice(0, 40)}`)"""
#: The shapes of charts that are not to be seen. axe-core sees no forced colours.
_UNSEEN = """() => {
    const ground = getComputedStyle(document.body).backgroundColor;
    return [...document.querySelectorAll("main svg :is(path, line, circle, rect)")].filter((one) => {
        const style = getComputedStyle(one);
        return [style.fill, style.stroke].every((colour) => colour === "none" || colour === ground);
    }).map((one) => one.outerHTML.slice(0, 80));
}"""
#: What the keyboard is on: its number in the document, and whether that is to be seen.
_FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const there = box.width > 0 && box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
    return [[...document.querySelectorAll("*")].indexOf(one), ring && there, one.outerHTML.slice(0, 120)];
}"""
#: The numbers of what the keyboard has to reach.
_REACHABLE = """() => {
    const all = [...document.querySelectorAll("*")];
    return all.filter((one) => one.matches("a[href], button, input:not([type=hidden]), select, textarea, summary") &&
        one.checkVisibility({visibilityProperty: true}) && !one.disabled &&
        !(one.type === "radio" && !one.checked)).map((one) => all.indexOf(one));
}"""
_MOVING = """() => [...document.querySelectorAll("*")].filter((one) => {
    const style = getComputedStyle(one);
    return style.transitionDuration !== "0s" || style.animationName !== "none";
}).map((one) => one.tagName)"""


@asynccontextmanager
async def opened(company: Company, address: str, language: str = "en", width: int = DESK) -> AsyncIterator[Window]:
    """Open a page; at the end, nothing may have gone wrong in it."""
    size = {"width": width, "height": _HEIGHT}
    context = await company.context(language, viewport=size, reduced_motion="reduce")  # no colour fades meanwhile
    window = await Window.opened(context, company.base)
    await window.go(address)
    try:
        yield window
        assert window.wrong == []
    finally:
        await context.close()


@pytest.fixture(scope="module", params=PAGES)
async def english(request: pytest.FixtureRequest, company: Company) -> AsyncIterator[Window]:
    """Return an open page. pytest runs the tests of a page one after the other, so that it is opened once."""
    async with opened(company, request.param) as window:
        yield window


def test_each_page_of_the_list_is_looked_at() -> None:
    listed = {route.path for route in ROUTES if route.method == "GET" and not route.path.endswith(".csv")}
    assert listed == set(ADDRESSES), "give each page an address in tests/browser/company.py"


async def test_axe_finds_nothing_serious_and_nothing_sticks_out(english: Window) -> None:
    page, found = english.page, list[str]()
    for width in (DESK, PHONE):
        await page.set_viewport_size({"width": width, "height": _HEIGHT})
        found += [f"{width} px: {one} is outside" for one in await english.run(_OUTSIDE)]
        found += [f"{width} px: {said}" for said in await english.violations()]
        await page.emulate_media(color_scheme="dark")
        found += [f"{width} px, dark: {said}" for said in await english.violations(COLOURS)]
        await page.emulate_media(color_scheme="light")
    await page.emulate_media(forced_colors="active")
    found += [f"forced colours: {shape} has the colour of the ground" for shape in await english.run(_UNSEEN)]
    await page.emulate_media(forced_colors="none")
    await page.set_viewport_size({"width": DESK, "height": _HEIGHT})

    assert not found, "\n".join(found)
    assert english.wrong == []


async def test_the_keyboard_reaches_every_control_and_is_seen_where_it_is(english: Window) -> None:
    page = english.page
    await page.reload()
    wanted: list[int] = await english.run(_REACHABLE)
    reached: list[int] = []
    while True:
        await page.keyboard.press("Tab")
        focused = await english.run(_FOCUSED)
        if focused is None or (reached and focused[0] == reached[0]):
            break
        number, is_seen, what = focused
        assert is_seen, what
        if not reached or number != reached[-1]:  # a field of a date has several parts
            reached.append(number)
    # What can be scrolled is reached as well, though it is no control.
    assert [number for number in wanted if number not in reached] == []
    assert sorted(reached) == reached

    if await page.locator(".skip").count():  # not on a page without a navigation
        await page.reload()
        await page.keyboard.press("Tab")
        assert await english.run("() => document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await english.run("() => document.activeElement.id") == "main"
    assert english.wrong == []


@pytest.mark.parametrize("address", PAGES)
async def test_french_large_text_reduced_motion_and_paper(company: Company, address: str) -> None:
    async with opened(company, address, "fr", DESK // 2) as window:  # 1280 px at 200 %
        page = window.page
        assert await window.run("() => document.documentElement.lang") == "fr"
        assert await window.run(_OUTSIDE) == []
        await page.set_viewport_size({"width": PHONE, "height": _HEIGHT})
        assert await window.run(_OUTSIDE) == []
        assert await window.run(_NARROW) == []
        assert await window.violations(without=COLOURS) == []  # which are those of the English page
        await page.set_viewport_size({"width": DESK, "height": _HEIGHT})  # and text alone at 200 %
        await window.set_text_size(32)
        assert await window.run(_OUTSIDE) == []
        await window.set_text_size(16)

        assert await window.run(_MOVING) == []

        await page.emulate_media(media="print", color_scheme="dark")
        for hidden in (".nav", ".skip", "form:not(.panel)", "form.panel input:not([type=hidden])"):
            for one in await page.locator(hidden).all():
                assert not await one.is_visible(), hidden
        assert await page.locator("h1").is_visible()
        # Ink on white paper, whatever the theme of the screen is.
        assert await window.run("() => getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert (await page.pdf(format="A4")).startswith(b"%PDF")
