"""The pages and the actions of the page: the one list of their addresses, permissions and handlers.

The pages of links (site.py), the login (login.py), the static files (assets.py) and the live updates (live.py) are not
in this list.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from worker.access.person import Permission
from worker.board.board import Board
from worker.web.gate import Gate
from worker.web.pages import (
    answers,
    case,
    case_list,
    compare,
    dead_letters,
    deliveries,
    heat,
    incidents,
    loop,
    overview,
    silences,
    tree,
)
from worker.web.view import NotFound, SeeOther, Shown, View
from worker.web.visit import Visit

#: The handler of a GET: what a page shows. It does no I/O.
Show = Callable[[Visit, Board], Shown]
#: The handler of a POST: it does what a form asks for. A View that it returns says what was wrong with the form.
Act = Callable[[Visit, Mapping[str, str], Board, Gate], Awaitable[SeeOther | View | NotFound]]

#: The largest form, in bytes. A form with the longest note is smaller, however its characters are written.
LARGEST_FORM = 32_768


@dataclass(frozen=True)
class Route:
    """An address of the page."""

    method: Literal["GET", "POST"]
    #: The path, as aiohttp writes it: /case/{alert_id}. The parts in braces are `Visit.parts`.
    path: str
    #: What a person needs to open the page, or to send the form.
    permission: Permission
    handler: Show | Act
    #: The stores of the board whose changes make the page new: open pages then renew themselves. Empty: they do not.
    kinds: frozenset[str] = frozenset()
    #: Whether the content of a page that renews itself has forms, so that it may name the person. Other content is
    #: shared by all people with the same rights, and has nothing of the person's name.
    has_forms: bool = False
    #: The largest form of a POST, in bytes.
    largest_form: int = LARGEST_FORM

    @property
    def show(self) -> Show:
        """The handler of a GET."""
        assert self.method == "GET"
        return cast(Show, self.handler)

    @property
    def act(self) -> Act:
        """The handler of a POST."""
        assert self.method == "POST"
        return cast(Act, self.handler)


#: The stores that the pages of scores show.
_SCORES = frozenset({"scores", "history"})

ROUTES: tuple[Route, ...] = (
    Route("GET", "/", Permission.VIEW, overview.overview, _SCORES | {"cases", "incidents"}),
    Route("GET", "/scores.csv", Permission.VIEW, overview.scores_table),
    Route("GET", "/history.csv", Permission.VIEW, overview.history_table),
    Route("GET", "/tree", Permission.VIEW, tree.tree, _SCORES),
    Route("GET", "/tree.csv", Permission.VIEW, tree.tree_table),
    Route("GET", "/compare", Permission.VIEW, compare.compare, _SCORES),
    Route("GET", "/compare.csv", Permission.VIEW, compare.compare_table),
    Route("GET", "/compare-history.csv", Permission.VIEW, compare.compare_history_table),
    Route("GET", "/heat", Permission.VIEW, heat.heat, _SCORES),
    Route("GET", "/heat.csv", Permission.VIEW, heat.heat_table),
    Route("GET", "/cases", Permission.VIEW, case_list.cases, frozenset({"cases", "alerts"}), has_forms=True),
    Route("GET", "/cases.csv", Permission.VIEW, case_list.cases_table),
    Route("POST", "/cases", Permission.VIEW, case_list.search),
    Route("POST", "/cases/act", Permission.ACT, case_list.act),
    Route(
        "GET",
        "/case/{alert_id}",
        Permission.VIEW,
        case.case,
        frozenset({"cases", "alerts", "answers"}),
        has_forms=True,
    ),
    Route("POST", "/case/{alert_id}", Permission.ACT, case.act),
    Route("GET", "/loop", Permission.VIEW, loop.loop, frozenset({"recoveries", "cases"})),
    Route("GET", "/loop.csv", Permission.VIEW, loop.loop_table),
    Route("GET", "/answers", Permission.VIEW, answers.answers, frozenset({"answers"}), has_forms=True),
    Route("POST", "/answers", Permission.VIEW, answers.find_answers),
    Route("GET", "/incidents", Permission.VIEW, incidents.incidents, frozenset({"incidents"})),
    Route("GET", "/incidents/{alert_id}", Permission.VIEW, incidents.incident, frozenset({"incidents", "deliveries"})),
    Route("GET", "/deliveries", Permission.VIEW, deliveries.deliveries, frozenset({"deliveries"})),
    Route("GET", "/deliveries/{delivery_id}", Permission.VIEW, deliveries.delivery, frozenset({"deliveries"})),
    Route("GET", "/digests", Permission.VIEW, deliveries.digests, frozenset({"deliveries"})),
    Route("GET", "/digests/{digest_id}", Permission.VIEW, deliveries.digest, frozenset({"deliveries"})),
    Route("GET", "/silences", Permission.VIEW, silences.silences, frozenset({"silences"}), has_forms=True),
    Route("POST", "/silences", Permission.ADMIN, silences.add_silence),
    Route("POST", "/silences/end", Permission.ADMIN, silences.end_silence),
    Route("GET", "/dead-letters", Permission.VIEW, dead_letters.dead_letters, frozenset({"dead_letters"})),
    # A page with a form in which somebody writes does not renew itself.
    Route("GET", "/dead-letters/{letter_id}", Permission.VIEW, dead_letters.dead_letter),
    Route(
        "POST",
        "/dead-letters/{letter_id}",
        Permission.ADMIN,
        dead_letters.send_again,
        largest_form=dead_letters.LARGEST_FORM,
    ),
)
