"""The answers of the page over HTTP, and their headers."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

#: The headers of every answer. The pages of links have a stricter policy (site.py).
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The address of a page of a link is its secret.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_FOR_EVER = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}


def html(text: str, status: int = 200) -> web.Response:
    """Return a page."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def file(content: bytes, kind: str) -> web.Response:
    """Return a static file, which browsers keep, since another content has another address."""
    return web.Response(body=content, content_type=kind, headers=_FOR_EVER)


def download(content: bytes, kind: str, name: str) -> web.Response:
    """Return a file that the browser saves. `name`: what it is called."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{plain}"', "Content-Type": kind}
    return web.Response(body=content, headers=headers)


def see_other(address: str) -> web.Response:
    """Let the browser go to another page of this site."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**HEADERS, "Location": local(address)})


def local(address: str) -> str:
    r"""Return an address if it is one of a page of this site; otherwise that of the first page.

    A browser reads `//example.com` and `/\example.com` as the address of another site.
    """
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_local and len(address) <= 4_000 and address.isascii() and address.isprintable() else "/"
