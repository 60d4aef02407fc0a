"""No request is an error of the page, whatever stands in its cookies, its address, its headers and its form."""

import asyncio
from urllib.parse import quote_from_bytes

import pytest
from web.board_rig import Browser, Rig, served
from web.why_boards import why_board

from worker.web.routes import ROUTES, Route

#: What is put wherever a value is expected.
VALUES = (
    b"\x00", b"\xff", b"\xed\xa0\x80", "é²😀".encode(), b"", b"-1", b"9" * 5_000, b"NaN", b"1e999", b"//[", b"[",
    b"/..", b"..", b"\r\nX: 1", b"9999-12-31T23:59", b"0001-01-01T00:00+23:59", b"a" * 300, b"1.1.a-1", b"%", b"?a=1&b",
    b"/cases?" + b"&".join(b"a%d=1" % number for number in range(40)), b"survey:", b"/survey/x", b"{{7*7}}",
)  # fmt: skip
#: The parts of the addresses and of the forms.
NAMES = (
    "a", "after", "alert", "b", "by", "back", "case", "category", "cause", "channel", "code", "customer", "days",
    "done", "language", "outcome", "overdue", "owner", "page", "range", "reason", "receiver", "response", "said",
    "seen", "segment", "severity", "state", "status", "survey", "told", "window", "kind_alert", "note", "receivers",
    "session", "silence", "surveys", "tiers", "until", "value",
)  # fmt: skip
HOST = b"Host: 127.0.0.1\r\n"


async def status_of(browser: Browser, method: bytes, path: bytes, headers: bytes = b"", body: bytes = b"") -> int:
    """Send a request as it is, and return the status of its answer; 0 if the connection is closed without one."""
    port = int(browser.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    writer.write(
        method + b" " + path + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + headers + length + b"\r\n" + body
    )
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0


def addresses(route: Route, value: bytes) -> list[bytes]:
    """Return addresses of a route: with the value in the path, and in all parts of the query."""
    text = quote_from_bytes(value, safe="").encode()
    named = b"/".join(text or b"x" if part.startswith("{") else part.encode() for part in route.path.split("/"))
    query = b"&".join(name.encode() + b"=" + text for name in NAMES[:32])
    return [named, named + b"?" + query]


async def statuses(browser: Browser, method: str, value: bytes) -> dict[bytes, int]:
    """Return the statuses of all routes, by their addresses, if a value stands in the address and in the form."""
    await browser.get("/silences")
    token, cookie = browser.token, browser.cookie("nps-browser") or ""
    text = quote_from_bytes(value, safe="").encode()
    fields = dict.fromkeys(NAMES, text) | {"token": token.encode(), "action": b"note"}
    form = b"&".join(name.encode() + b"=" + field for name, field in fields.items())
    own = b"Cookie: nps-browser=" + cookie.encode() + b"\r\nSec-Fetch-Site: same-origin\r\n"
    own += b"Content-Type: application/x-www-form-urlencoded\r\n"
    sent = (own, form) if method == "POST" else (own,)
    paths = [path for route in ROUTES if route.method == method for path in addresses(route, value)]
    return {path: await status_of(browser, method.encode(), path, *sent) for path in paths}


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_value_in_an_address_or_a_form_is_an_error(method: str, value: bytes) -> None:
    async with served(Rig(board=why_board(), routes=ROUTES)) as [browser]:
        found = await statuses(browser, method, value)
    assert [path for path, status in found.items() if status >= 500] == []
    assert 403 not in found.values()  # the form was accepted, and its fields were looked at


async def test_neither_a_header_nor_the_address_of_a_live_page_is_an_error() -> None:
    found = []
    async with served(Rig(board=why_board(), routes=ROUTES)) as [browser]:
        for value in VALUES:
            text, line = quote_from_bytes(value, safe="").encode(), value.replace(b"\r\n", b"").replace(b"\x00", b"")
            for name in (
                b"Cookie: nps-browser=",
                b"Cookie: nps-language=",
                b"Cookie: nps-search=name.",
                b"Cookie: ",
                b"Accept-Language: ",
            ):
                found += [await status_of(browser, b"GET", b"/cases?found=name", name + line + b"\r\n")]
            for name in (b"Sec-Fetch-Site: ", b"Origin: ", b"Content-Type: "):
                found += [await status_of(browser, b"POST", b"/cases", name + line + b"\r\n", b"a=1")]
            for path in (
                b"/live?page=" + text + b"&seen=" + text,
                b"/static/" + text,
                b"/" + text,
                b"/live?page=/" + text,
            ):
                found += [await status_of(browser, b"GET", path)]
    assert 200 in found
    assert max(found) < 500
