"""Incidents: what fell or stopped, since when, and how the answers were before and after."""

from dataclasses import replace
from typing import NamedTuple

from schemas.incident import Incident, IncidentKind
from worker.board.board import Board
from worker.board.incidents import KnownIncident
from worker.lineage import is_segment
from worker.notify.content.incident_page import incident_page
from worker.notify.content.page import Page
from worker.web.layout import address_of
from worker.web.notation import Notation, with_minus
from worker.web.pages.deliveries import delivery_rows
from worker.web.pages.why import AFTER, cursor_values, why_values
from worker.web.view import NotFound, View
from worker.web.visit import Visit
from worker.web.words.deliveries import DELIVERY_WORDS
from worker.web.words.incidents import INCIDENT_PAGE_WORDS
from worker.web.words.silences import SILENCE_WORDS

#: How many of the latest messages about an incident are shown.
_MOST_MESSAGES = 20


class Row(NamedTuple):
    """An incident as the list shows it."""

    since: str
    until: str
    headline: str
    sentence: str
    segment: str
    severity: str
    address: str


class Step(NamedTuple):
    """A step of an incident."""

    when: str
    action: str
    headline: str
    sentence: str


def incidents(visit: Visit, board: Board) -> View:
    """Return the incidents that are open, and the latest of those that are over."""
    visible = visit.person.segments
    page = board.incidents.past(visible, visit.query.get(AFTER, ""))
    return View(
        "incidents.html.j2",
        {
            **why_values(visit, "/incidents"),
            "words": INCIDENT_PAGE_WORDS[visit.language],
            "open": [_row(one, visit) for one in board.incidents.open(visible)],
            "past": [_row(one, visit) for one in page.entries],
            "cursor": cursor_values(visit, page.total, page.next),
        },
    )


def incident(visit: Visit, board: Board) -> View | NotFound:
    """Return one incident with its steps, and the messages about it."""
    found = board.incidents.find(visit.parts.get("alert_id", ""), visit.person.segments)
    if found is None:
        return NotFound()
    words, notation, newest = INCIDENT_PAGE_WORDS[visit.language], Notation(visit.language, visit.readers), found.newest
    # What an incident began with says more than its end, whose figures are those of the recovery.
    shown, last = _page(found.steps[0] if not found.is_open else newest, visit), _page(newest, visit)
    lines = board.deliveries.of_alert(newest.alert_id)[-_MOST_MESSAGES:]
    links = []
    if is_segment(newest.segment) and newest.kind != IncidentKind.TOO_MANY_SEGMENTS:
        name = notation.name(newest.segment)
        links.append((words.segment.format(name=name), address_of("/", {"segment": newest.segment, "range": "3"})))
        links.append((words.compare.format(name=name), address_of("/compare", {"a": newest.segment})))
    return View(
        "incident.html.j2",
        {
            **why_values(visit, ""),
            "words": words,
            "delivery_words": DELIVERY_WORDS[visit.language],
            "row": _row(found, visit),
            "is_open": found.is_open,
            "shown": shown,
            "explained": shown.more["explained"] if _sees_causes(visit, found) else "",
            "last": last,
            "links": links,
            "steps": [_step(one, visit, notation) for one in found.steps],
            "messages": delivery_rows(lines, visit, board),
        },
    )


def _sees_causes(visit: Visit, found: KnownIncident) -> bool:
    """Say whether the person may see the segments above or below that the explanation names."""
    named = [path for step in found.steps for path in (*step.explains, step.hidden_in) if path is not None]
    return all(map(visit.person.may_see, named))


def _page(step: Incident, visit: Visit) -> Page:
    """Return a step in words, as a mail has it, but with the minus signs of pages."""
    page = incident_page(step, replace(visit.readers, language=visit.language))
    sections = [
        replace(section, rows=[replace(row, value=with_minus(row.value)) for row in section.rows])
        for section in page.sections
    ]
    return replace(page, headline=with_minus(page.headline), why=with_minus(page.why), sections=sections)


def _row(found: KnownIncident, visit: Visit) -> Row:
    notation, first, newest = Notation(visit.language, visit.readers), found.steps[0], found.newest
    page = _page(first if not found.is_open else newest, visit)
    return Row(
        notation.moment(newest.since),
        "" if found.is_open else notation.moment(newest.occurred_at),
        page.headline,
        page.why,
        notation.whole_name(newest.segment),
        SILENCE_WORDS[visit.language].severities[newest.severity],
        f"/incidents/{newest.alert_id}",
    )


def _step(step: Incident, visit: Visit, notation: Notation) -> Step:
    words, page = INCIDENT_PAGE_WORDS[visit.language], _page(step, visit)
    return Step(notation.moment(step.occurred_at), words.actions.get(step.action, step.action), page.headline, page.why)
