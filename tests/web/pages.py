"""Pages as a person gets them, and what stands on them."""

import re
from collections.abc import Callable
from functools import cache
from html import unescape

from worker.board.board import Board
from worker.web.assets import Assets
from worker.web.rendering import Rendering, main_of
from worker.web.view import Shown, View
from worker.web.visit import Visit


@cache
def _rendering() -> Rendering:
    return Rendering(Assets())


def html(handler: Callable[[Visit, Board], Shown], visit: Visit, board: Board) -> str:
    """Return the HTML of a page."""
    shown = handler(visit, board)
    assert isinstance(shown, View), shown
    return _rendering().html(shown, visit, board.freshness(visit.now))


def text(handler: Callable[[Visit, Board], Shown], visit: Visit, board: Board) -> str:
    """Return what a person reads on a page, in one line; the texts of forms to choose from are left out."""
    return plain(main_of(html(handler, visit, board)))


def plain(markup: str) -> str:
    """Return the text of HTML, in one line."""
    without = re.sub(r"<(select|datalist)\b.*?</\1>", " ", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", without)).replace("\N{NO-BREAK SPACE}", " ").split())
