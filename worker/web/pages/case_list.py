"""The list of cases: the one on which somebody has to act first comes first; and acting on a case of the list."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

from schemas.case import CaseState
from worker.board.board import Board
from worker.board.case_form import CaseForm, Problem, chosen, form_of, offered
from worker.board.cases import CasePage, CaseQuery
from worker.flow.cases.known import SEVERITIES, KnownCase
from worker.flow.timestamps import from_ms
from worker.lineage import canonical_path
from worker.notify.content.plain_text import shortened
from worker.web.gate import Gate
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.case_acting import ABOUT, SAID, carry_out, form_values, lost_note, said
from worker.web.view import NotFound, SeeOther, Table, View
from worker.web.visit import Permission, Visit
from worker.web.words.cases import CASE_WORDS, CaseWords
from worker.web.words.layout import LAYOUT_WORDS

ADDRESS = "/cases"
#: The states in which somebody has to act, which are shown if no state is chosen, and the word for all states.
TO_DO, ALL_STATES = frozenset({CaseState.OPEN, CaseState.ACKNOWLEDGED}), "all"
#: What stands in the address for nobody, and for no cause.
NONE = "-"
#: The parts of the query that are no filter.
_NO_FILTERS = ("after", SAID, ABOUT)
#: The most parts of the query of a list.
_MOST_FILTERS = 20
#: The most characters of a comment in the list.
_COMMENT = 90
#: The most rows of a downloaded table.
_MOST_ROWS = 10_000


class Row(NamedTuple):
    """A line of the list."""

    #: What the form sends back for it.
    value: str
    address: str
    severity: str
    severity_word: str
    state: str
    state_word: str
    score: str
    segment: str
    #: The customer's number and name, and the beginning of the comment.
    customer: str
    name: str
    comment: str
    due: str
    is_late: bool
    owner: str
    #: What stands there if there is no owner.
    nobody: str
    since: str
    can_acknowledge: bool


class Filter(NamedTuple):
    """Something to filter by: its name, its label, the choices, and what is chosen."""

    name: str
    label: str
    choices: list[tuple[str, str]]
    chosen: str


def cases(visit: Visit, board: Board) -> View:
    """Show a page of the list, or the cases of the customer who was searched for."""
    return _view(visit, board, query_of(visit))


async def search(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | NotFound:
    """Search for the cases of a customer. The number of a customer never is in an address."""
    del board, gate
    return SeeOther(ADDRESS, form.get("customer", "").strip()) if visit.person.sees_customers else NotFound()


async def act(visit: Visit, fields: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View | NotFound:
    """Do what the form asks for, and go back to the list."""
    form = form_of(fields)
    back = fields.get("back", ADDRESS)
    outcome = await carry_out(visit, form, board, gate)
    if outcome is None:
        return NotFound()
    path, _, query = back.partition("?")
    wrong = [] if isinstance(outcome, str) else outcome
    lost = lost_note(form, outcome, CASE_WORDS[visit.language]) if isinstance(outcome, str) else ""
    if wrong or lost:
        listed = replace(visit, path=ADDRESS, query=_filters_of(query))
        # A case that has ended meanwhile may be in the list no more, and the form with the note needs it.
        wanted = CaseQuery(alert_id=form.alert_id, visible=visit.person.segments) if lost else query_of(listed)
        return _view(listed, board, wanted, form=form, wrong=wrong, lost=lost)
    end = f"{'&' if query else ''}{SAID}={outcome}&{ABOUT}={quote(form.alert_id, safe='')}"
    return SeeOther(f"{ADDRESS}?{query if path == ADDRESS else ''}{end}")


#: The columns of the table.
_COLUMNS = (
    "alert_id", "customer", "segment", "severity", "state", "score", "due", "owner", "opened_at", "outcome", "cause",
)  # fmt: skip


def cases_table(visit: Visit, board: Board) -> Table:
    """Return the cases that the list shows, on all its pages."""
    words, wanted, rows = CASE_WORDS[visit.language], query_of(visit)._replace(after=""), list[tuple[Any, ...]]()
    hidden = LAYOUT_WORDS[visit.language].hidden
    while len(rows) < _MOST_ROWS:
        page = board.cases.listed(wanted, visit.now)
        rows += [_table_row(known, words, hidden, visit) for known in page.cases]
        if not page.next:
            break
        wanted = wanted._replace(after=page.next)
    return Table("cases", _COLUMNS, rows)


def query_of(visit: Visit) -> CaseQuery:
    """Return which cases the address names."""
    query = visit.query
    if (customer := _customer(visit)) != "":
        return CaseQuery(customer_id=customer, visible=visit.person.segments)
    state, severity = query.get("state", ""), query.get("severity", "")
    states = frozenset({state}) if state in set(CaseState) else frozenset[str]() if state == ALL_STATES else TO_DO
    return CaseQuery(
        segment=canonical_path(query.get("segment", "")),
        severities=frozenset({severity}) if severity in SEVERITIES else frozenset(),
        states=frozenset(map(str, states)),
        owner=_text_or_none(query.get("owner")),
        receiver=query.get("receiver") or None,
        cause=_text_or_none(query.get("cause")),
        overdue=query.get("overdue") == "1",
        alert_id=query.get("alert", "").strip(),
        visible=visit.person.segments,
        after=query.get("after", ""),
    )


def _customer(visit: Visit) -> str:
    """Return the number of the customer who was searched for; empty if there is none."""
    return visit.searched if visit.person.sees_customers else ""


def _filters_of(query: str) -> dict[str, str]:
    """Return the parts of a query; none if there are more than the page has."""
    try:
        return dict(parse_qsl(query, max_num_fields=_MOST_FILTERS))
    except ValueError:
        return {}


def _text_or_none(text: str | None) -> str | None:
    """Return a text of the address; empty for nobody, and None if anybody is wanted."""
    return None if not text else "" if text == NONE else text


def _view(
    visit: Visit,
    board: Board,
    wanted: CaseQuery,
    *,
    form: CaseForm | None = None,
    wrong: list[Problem] | None = None,
    lost: str = "",
) -> View:
    words, notation = CASE_WORDS[visit.language], Notation(visit.language, visit.readers)
    page = board.cases.listed(wanted, visit.now)
    rows = [_row(known, board, words, notation, visit) for known in page.cases]
    filters = {name: value for name, value in visit.query.items() if name not in _NO_FILTERS}
    customer = _customer(visit)
    values = {
        "words": words,
        "notation": notation,
        "rows": rows,
        "totals": _totals(page, words, notation),
        "filters": [] if customer else _filters(visit, board, words),
        "views": views(visit, ADDRESS),
        "customer": customer,
        "sees_customers": visit.person.sees_customers,
        "next": address_of(ADDRESS, filters, after=page.next) if page.next else "",
        "first": address_of(ADDRESS, filters) if wanted.after else "",
        "csv": address_of("/cases.csv", filters),
        "back": address_of(ADDRESS, {**filters, **({"after": wanted.after} if wanted.after else {})}),
        "said": (words.search_over, False) if visit.is_search and not customer else said(visit, words),
        "may_act": visit.person.may(Permission.ACT),
        **form_values(form or CaseForm(), board.cases.policy, words, wrong or [], lost),
    }
    return View("cases.html.j2", values, 422 if wrong else 409 if lost else 200)


def views(visit: Visit, current: str) -> list[tuple[str, str, bool]]:
    """Return the links between the list and its figures."""
    words = CASE_WORDS[visit.language]
    return [
        (label, address, address == current) for label, address in ((words.title, ADDRESS), (words.figures, "/loop"))
    ]


def _totals(page: CasePage, words: CaseWords, notation: Notation) -> str:
    n, overdue = notation.count(page.totals.all), notation.count(page.totals.overdue)
    wording = words.totals if page.totals.overdue else words.none_overdue
    return wording[page.totals.all != 1].format(n=n, overdue=overdue)


def _row(known: KnownCase, board: Board, words: CaseWords, notation: Notation, visit: Visit) -> Row:
    case, due, sees = known.case, known.case.next_due, visit.person.sees_customers
    alert = board.alerts.newest(case.alert_id, visit.person.segments) if sees else None
    return Row(
        value=chosen(case),
        address=f"/case/{quote(case.alert_id, safe='')}",
        severity=case.severity,
        severity_word=words.severities[case.severity],
        state=case.state,
        state_word=words.states[case.state],
        score=words.score.format(score=case.score),
        segment=notation.whole_name(case.segment),
        customer=known.customer_id if sees else LAYOUT_WORDS[visit.language].hidden,
        name="" if alert is None else alert.customer.name or "",
        comment="" if alert is None else shortened(alert.comment or "", _COMMENT),
        due=words.no_limit if due is None else notation.brief(due, visit.now),
        is_late=due is not None and due <= visit.now,
        owner=case.assignee or case.acknowledged_by,
        nobody="–" if case.has_ended else words.nobody,
        since=notation.brief(case.opened_at, visit.now),
        can_acknowledge="acknowledge" in offered(case),
    )


def _table_row(known: KnownCase, words: CaseWords, hidden: str, visit: Visit) -> tuple[Any, ...]:
    case = known.case
    return (
        case.alert_id,
        known.customer_id if visit.person.sees_customers else hidden,
        case.segment,
        words.severities[case.severity],
        words.states[case.state],
        case.score,
        None if case.next_due is None else from_ms(case.next_due).isoformat(),
        case.assignee or case.acknowledged_by,
        from_ms(case.opened_at).isoformat(),
        None if case.outcome is None else words.outcomes[case.outcome],
        case.cause,
    )


def _filters(visit: Visit, board: Board, words: CaseWords) -> list[Filter]:
    query, choices = visit.query, board.cases.choices(visit.person.segments)
    states = [("", words.to_do), (ALL_STATES, words.all_states), *((str(one), words.states[one]) for one in CaseState)]
    owners = [("", words.anybody), (NONE, words.nobody), *((one, one) for one in choices.owners)]
    causes = [("", words.any), (NONE, words.no_cause), *((one, one) for one in choices.causes)]
    wanted = [
        Filter("state", words.state, states, query.get("state", "")),
        Filter("overdue", words.overdue, [("", words.all_due), ("1", words.only_overdue)], query.get("overdue", "")),
        Filter("severity", words.severity, [("", words.any), *_severities(words)], query.get("severity", "")),
        Filter("owner", words.owner, owners, query.get("owner", "")),
        Filter("receiver", words.receiver, [("", words.anybody), *_same(choices.receivers)], query.get("receiver", "")),
        Filter("cause", words.cause, causes, query.get("cause", "")),
    ]
    return [one for one in wanted if len(one.choices) > 2 or one.name in {"state", "overdue"}]


def _severities(words: CaseWords) -> list[tuple[str, str]]:
    return [(severity, words.severities[severity]) for severity in SEVERITIES]


def _same(texts: list[str]) -> list[tuple[str, str]]:
    return [(text, text) for text in texts]
