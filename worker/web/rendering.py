"""Makes the HTML of a view.

A template of a page extends layout.html.j2, and gets the values of its view, and these: `visit`; `layout`, what stands
around a page, with its words (layout.py); `here`, the address of the page; `asset(name)`, the address of a static file;
and `live`, the address from which an open page gets its updates, empty if it gets none. The content of a page is in
`<main id="main">`, once.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worker.board.board import Freshness
from worker.web.assets import Assets
from worker.web.layout import address_of, layout
from worker.web.view import View
from worker.web.visit import Visit

_FOLDER = Path(__file__).parent / "templates"
_MAIN, _END = '<main id="main"', "</main>"


class Rendering:
    """Makes pages."""

    def __init__(self, assets: Assets, folder: Path = _FOLDER) -> None:
        self.templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.templates.globals["asset"] = assets.address

    def html(self, view: View, visit: Visit, fresh: Freshness, live: str = "") -> str:
        """Return a page as HTML. `fresh`: how old the data is; `live`: where an open page gets its updates."""
        return self.templates.get_template(view.template).render(
            **view.values,
            visit=visit,
            layout=layout(visit, fresh),
            here=address_of(visit.path, visit.query),
            live=live,
        )


def main_of(html: str) -> str:
    """Return the content of a page, which is in the element `main`, with its tags."""
    return html[html.index(_MAIN) : html.index(_END) + len(_END)]
