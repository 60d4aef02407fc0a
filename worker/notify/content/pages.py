"""The page of any notice. Pure."""

from schemas.alert import Alert
from schemas.case import CaseStep
from schemas.incident import Incident
from worker.notify.content.alert_page import alert_page
from worker.notify.content.case_page import case_page
from worker.notify.content.incident_page import incident_page
from worker.notify.content.page import Page
from worker.notify.content.readers import Readers


def page_of(notice: Alert | Incident | CaseStep, readers: Readers) -> Page:
    """Return the page of an alert, an incident, or a step of a case."""
    match notice:
        case Alert():
            return alert_page(notice, readers)
        case CaseStep():
            return case_page(notice, readers)
        case _:
            return incident_page(notice, readers)
