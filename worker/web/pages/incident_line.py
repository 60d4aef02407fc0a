"""An incident in a line."""

from dataclasses import replace
from typing import NamedTuple

from worker.board.incidents import KnownIncident
from worker.notify.content.incident_page import incident_page
from worker.web.notation import Notation, day_of
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
    """Return an incident in words: what it began with, and when it was."""
    opened, newest = incident.steps[0], incident.newest
    sentence = incident_page(opened, replace(visit.readers, language=visit.language)).why
    first = notation.short_day(day_of(newest.since))
    if incident.is_open:
        return IncidentLine(newest.alert_id, True, words.since.format(first=first), sentence)
    last = notation.short_day(day_of(newest.occurred_at))
    return IncidentLine(newest.alert_id, False, words.until.format(first=first, last=last), sentence)
