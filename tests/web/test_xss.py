"""What people write never becomes a part of a page: 200 texts that would run a script, in every place of every page."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from flow.cases.following import Following
from flow.records import NOW
from web.board_rig import HASH, PASSWORD, Browser, Rig, served, token_of, with_users
from web.boards import board as company
from web.boards import drawn, put
from web.case_desk import Desk
from web.why_boards import why_board
from web.xss import XSS

from worker.flow.policy import CasePolicy
from worker.lineage import canonical_path
from worker.web.routes import ROUTES

#: The addresses of this site, of the links that a test has given to an alert, and of a customer to be called.
_HARMLESS = re.compile(r"(?:/(?![/\\])|#|https://(?!evil)|tel:\+?\d+$|mailto:[\w.]+@example\.com$)")


class Parsed(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def shape(text: str) -> set[tuple[str, frozenset[str]]]:
    """Return the elements of a page, each with the names of its attributes."""
    return {(tag, frozenset(attributes)) for tag, attributes in Parsed(text).elements}


def check_harmless(text: str) -> None:
    """Assert that nothing on a page runs, but for the own script, and that nothing leads elsewhere."""
    for tag, attributes in Parsed(text).elements:
        assert tag not in {"iframe", "object", "embed", "base", "style", "math", "video", "source", "img"}, tag
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "srcdoc", "http-equiv"}]
        for name in ("href", "src", "action", "formaction", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or _HARMLESS.match(value), (tag, name, value)
        if tag == "script":
            assert re.fullmatch(r"/static/live\.[0-9a-f]{16}\.js", attributes["src"] or "")
        if tag == "link":
            assert (attributes["href"] or "").startswith("/static/")


def desk_of(texts: tuple[str, ...]) -> Desk:
    """Return a desk with a case for each text, which stands wherever somebody can write something."""
    following = Following(CasePolicy(causes=["delivery"]))
    desk = Desk(following=following)
    for number, text in enumerate(texts):
        customer = f"{number} {text}"[:200]
        segment = canonical_path(f"{number} {text}")
        desk.open(
            customer.encode(), text, text, alert_id=f"a-{number}", segment=segment, survey_id=text[:200],
            response_id=f"r-{number}{text}"[:200], at=NOW + number,
        )  # fmt: skip
        usual: dict[str, Any] = {"alert_id": f"a-{number}", "customer_id": customer, "actor": text[:200]}
        desk.say({**usual, "command_id": f"n-{number}", "action": "note", "note": text})
        desk.say({**usual, "command_id": f"s-{number}", "action": "assign", "assignee": text[:200]})
    return desk.renew()


def texts_of(browser: Browser) -> str:
    """Return the text of a page, as a person reads it."""
    return unescape(re.sub(r"<[^>]*>", "", browser.text))


async def test_every_case_shows_what_was_written_as_text() -> None:
    harmless = desk_of(("nothing", "else"))
    async with served(harmless.rig) as [browser]:
        usual = shape(await browser.open("/case/a-0")) | shape(await browser.open("/cases"))
        lists = shape(await browser.open("/cases?state=all"))
    desk = desk_of(XSS)
    async with served(desk.rig) as [browser]:
        for number, text in enumerate(XSS):
            await browser.open(f"/case/a-{number}")
            assert browser.status == 200
            check_harmless(browser.text)
            assert shape(browser.text) <= usual, text
            # The comment, the name and the note; the customer's id and the names of people may be cut.
            assert texts_of(browser).count(text.strip()) >= 4, text
        address = "/cases"
        while address:
            await browser.open(address)
            check_harmless(browser.text)
            assert shape(browser.text) <= usual | lists | {("a", frozenset({"href", "rel"}))}
            found = re.search(r'<a href="([^"]*)" rel="next"', browser.text)
            address = unescape(found[1]) if found else ""


def hostile_company() -> Rig:
    """Return the page of a company whose segments are called like the texts."""
    board = company()
    days = drawn()["Retail/Lyon"]
    for number, text in enumerate(XSS):
        put(board, canonical_path(f"Retail/{number} {text}"), days)
        put(board, f"/survey/{number} {text}"[:200], days)
    return Rig(board=board, routes=ROUTES)


async def test_segments_and_surveys_are_shown_as_text_wherever_they_stand() -> None:
    rig = hostile_company()
    names = [canonical_path(f"Retail/{number} {text}") for number, text in enumerate(XSS)]
    async with served(rig) as [browser]:
        for path in ("/", "/tree?segment=Retail", "/heat?segment=Retail", "/tree?by=survey", "/compare", "/loop"):
            for page in ("", "2", "5"):
                await browser.open(path + (f"{'&' if '?' in path else '?'}page={page}" if page else ""))
                assert browser.status == 200
                check_harmless(browser.text)
        for name in names[::4]:
            for path in ("/", "/tree", "/heat", "/cases", "/loop", "/answers"):
                async with browser.client.get(browser.base + path, params={"segment": name}) as response:
                    check_harmless(await response.text())
            async with browser.client.get(f"{browser.base}/compare", params={"a": name, "b": names[0]}) as response:
                check_harmless(await response.text())


async def test_addresses_and_forms_cannot_write_into_a_page() -> None:
    board = why_board()
    rig = Rig(board=board, routes=ROUTES)
    pages = [route for route in ROUTES if route.method == "GET" and not route.path.endswith(".csv")]
    async with served(rig) as [browser]:
        for text in XSS[::5]:
            for route in pages:
                path = re.sub(r"\{\w+\}", "a-1", route.path)
                names = ("segment", "survey", "window", "range", "state", "owner", "cause", "alert", "said", "after")
                params = dict.fromkeys((*names, "about", "reason", "category", "page", "a", "b", "by", "done"), text)
                async with browser.client.get(browser.base + path, params=params) as response:
                    assert response.status in {200, 404}, (route.path, text)
                    check_harmless(await response.text())
        await browser.open("/cases")
        for text in XSS[::5]:
            token = await token_of(browser, "/cases")
            for path in ("/cases", "/cases/act", "/answers", "/silences", "/language"):
                fields = dict.fromkeys(("customer", "case", "action", "note", "assignee", "back", "segment"), text)
                response = await browser.post(path, {**fields, "reason": text, "until": text}, token=token)
                assert response.headers.get("Location", "/").startswith("/")
                check_harmless(browser.text)


async def test_the_names_of_people_who_log_in_are_shown_as_text() -> None:
    users = {text[:200]: {"password_hash": HASH, "permission": "admin"} for text in XSS[::10]}
    rig = Rig(with_users(auth={"users": users}))
    async with served(rig) as [browser]:
        for name in users:
            browser.client.cookie_jar.clear()
            await browser.get("/login")
            await browser.post("/login", {"name": name, "password": "wrong", "to": name})
            check_harmless(browser.text)
            await browser.log_in(name, PASSWORD)
            if browser.status == 303:
                check_harmless(await browser.open("/hello"))
                check_harmless(await browser.open("/sessions"))
