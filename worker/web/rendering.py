"""Makes the HTML of a view.

A template of a page extends layout.html.j2, and gets the values of its view, and these: `visit`; `layout`, the words
that all pages share, in the language of the visit; `fresh`, how old the data is (`Board.freshness`); `asset(name)`, the
address of a static file; `live`, the address from which an open page gets its updates, empty if it gets none; and
`here`, the address of the page. The content of a page is in `<main id="main">`, once.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worker.web.assets import Assets
from worker.web.view import View
from worker.web.visit import Visit

_FOLDER = Path(__file__).parent / "templates"
_MAIN, _END = '<main id="main"', "</main>"


class Rendering:
    """Makes pages."""

    def __init__(self, assets: Assets, folder: Path = _FOLDER) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals["asset"] = assets.address

    def html(self, view: View, visit: Visit, fresh: Any, *, here: str, live: str = "") -> str:
        """Return a page as HTML."""
        template = self._templates.get_template(view.template)
        return template.render(**view.values, visit=visit, fresh=fresh, here=here, live=live)


def main_of(html: str) -> str:
    """Return the content of a page, which is in the element `main`, with its tags."""
    return html[html.index(_MAIN) : html.index(_END) + len(_END)]
