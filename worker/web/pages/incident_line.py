"""An incident in a line."""

from dataclasses import replace
from typing import NamedTuple

from worker.board.incidents import KnownIncident
from worker.notify.content.incident_page import incident_page
from worker.web.notation import Notation, day_of, with_minus
from worker.web.visit import Visit
from worker.web.words.history import HistoryWords


class IncidentLine(NamedTuple):
    """An incident in words."""

    alert_id: str
    is_open: bool
    #: The days of its beginning and its end, or that it goes on.
    when: str
    sentence: str


def incident_line(incident: KnownIncident, visit: Visit, words: HistoryWords, notation: Notation) -> IncidentLine:
    """Return an incident in words: what is wrong, or was wrong when it began, and when that was."""
    opened, newest = incident.steps[0], incident.newest
    described = newest if incident.is_open else opened
    sentence = with_minus(incident_page(described, replace(visit.readers, language=visit.language)).why)
    first, last = (notation.short_day(day_of(at)) for at in (newest.since, newest.occurred_at))
    when = words.since.format(first=first) if incident.is_open else words.until.format(first=first, last=last)
    return IncidentLine(newest.alert_id, incident.is_open, when, sentence)
