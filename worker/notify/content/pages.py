"""The page of any notice. Pure."""

from schemas.alert import Alert
from schemas.incident import Incident
from worker.notify.content.alert_page import alert_page
from worker.notify.content.incident_page import incident_page
from worker.notify.content.page import Page
from worker.notify.content.readers import Readers


def page_of(notice: Alert | Incident, readers: Readers) -> Page:
    """Return the page of an alert or an incident."""
    return alert_page(notice, readers) if isinstance(notice, Alert) else incident_page(notice, readers)
