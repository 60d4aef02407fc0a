"""Finds the route of an address, asks its handler, and makes the HTML of what it returns."""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from worker.board.board import Board
from worker.web.layout import address_of
from worker.web.rendering import Rendering, main_of
from worker.web.routes import Route
from worker.web.view import Shown, View
from worker.web.visit import Visit

#: Where open pages get their updates.
LIVE = "/live"
#: What stands in rendered pages for the token of forms and for the hash of the content, until both are known. Nobody
#: can guess it, so nobody can write it into what a page shows.
TOKEN, SEEN = (f"{name}-{secrets.token_hex(16)}" for name in ("token", "seen"))
_DIGITS = 16
#: The largest number of parts of a query, and the longest query, in characters.
_MOST_PARTS, _LONGEST_QUERY = 30, 4_000


class Found(NamedTuple):
    """The route of an address."""

    route: Route
    #: The path, without its escapes.
    path: str
    #: The parts of the path that the route names.
    parts: Mapping[str, str]
    query: Mapping[str, str]


class Page(NamedTuple):
    """A page that was rendered."""

    html: str
    #: The hash of its content; it does not depend on the session.
    seen: str


class Showing:
    """Makes what pages show."""

    def __init__(self, board: Board, routes: Sequence[Route], rendering: Rendering) -> None:
        self.board = board
        self._rendering = rendering
        self._routes = [(_pattern(route.path), route) for route in routes if route.method == "GET"]

    def find(self, address: str) -> Found | None:
        """Return the route of the address of a page; None if there is none."""
        try:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or len(parts.query) > _LONGEST_QUERY:
                return None
            query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_PARTS))
        except ValueError:
            return None
        for pattern, route in self._routes:
            if (found := pattern.fullmatch(parts.path)) is not None:
                named = {name: unquote(value) for name, value in found.groupdict().items()}
                return Found(route, unquote(parts.path), named, query)
        return None

    def ask(self, route: Route, visit: Visit) -> Shown:
        """Return what a page shows."""
        return route.show(visit, self.board)

    def page(self, view: View, visit: Visit, *, is_live: bool = False) -> Page:
        """Return a page for a visit, whose form token it has. `is_live`: whether an open page renews itself."""
        here = address_of(visit.path, visit.query)
        live = f"{LIVE}?seen={SEEN}&page={quote(here, safe='')}" if is_live else ""
        template = replace(visit, form_token=TOKEN)
        html = self._rendering.html(view, template, self.board.freshness(visit.now), live)
        seen = _hash(main_of(html))
        return Page(html.replace(SEEN, seen).replace(TOKEN, visit.form_token), seen)

    def content(self, view: View, visit: Visit) -> Page:
        """Return the content of a page, whose forms have TOKEN in place of their token."""
        html = self._rendering.html(view, replace(visit, form_token=TOKEN), self.board.freshness(visit.now))
        main = main_of(html)
        return Page(main, _hash(main))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _pattern(path: str) -> re.Pattern[str]:
    """Return what fits the paths of a route, such as /case/{alert_id}."""
    pieces = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{piece}>[^/]+)" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)))
