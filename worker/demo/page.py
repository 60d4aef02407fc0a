"""The demo's page in a browser: the latest alerts and escalations, each with the links that its mail has."""

import contextlib
from collections.abc import AsyncIterator
from html import escape

from aiohttp import web

from schemas.alert import Alert
from schemas.case import CaseState, CaseStep
from worker.demo.receivers import LEAD, SUPPORT
from worker.demo.spectator import Seen
from worker.flow.text import clean
from worker.links.signing import Links
from worker.notify.content.language import WORDS
from worker.server import Server
from worker.service import Failure
from worker.web.page import STYLE, STYLE_HASH

_HOST = "127.0.0.1"
_ESCALATED = "<h2>Escalated, since nobody acknowledged them in time</h2>"
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'",
    "Referrer-Policy": "no-referrer",
}


@contextlib.asynccontextmanager
async def served(links: Links, seen: Seen) -> AsyncIterator[str]:
    """Serve the page on a free port of this machine; yield its address. `seen`: what is shown, which may change."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=_html(links, seen), content_type="text/html")

    application = web.Application()
    application.router.add_get("/", show)
    server = Server(application, _HOST, 0, Failure(), headers=_HEADERS)
    await server.start()
    try:
        yield f"http://{_HOST}:{server.port}"
    finally:
        await server.stop()


def _html(links: Links, seen: Seen) -> str:
    alerts = [notice for notice in seen.latest if isinstance(notice, Alert)]
    entries = (
        "".join(_entry(links, alert, seen.cases.get(alert.alert_id, CaseState.OPEN)) for alert in alerts)
        or "<p>Nobody is unhappy yet.</p>"
    )
    escalated = "".join(_escalation(links, step, seen.cases[step.alert_id]) for step in seen.latest_escalations)
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>The latest alerts</title>'
        f"<style>{STYLE}</style><h1>The latest alerts</h1><p>Each has the links of its mail. Reload the page to see "
        f"newer ones.</p>{entries}{escalated and _ESCALATED + escalated}"
    )


def _entry(links: Links, alert: Alert, state: str) -> str:
    """Return an alert with its links. `state`: that of its case."""
    acts = _acts(links, alert, SUPPORT)
    who = clean(alert.customer.name or alert.customer_id)
    said = f": {clean(alert.comment)}" if alert.comment else ""
    text = f"{_what(alert)}, {who}{said}"
    return f'<p dir="auto">{escape(text)}<br>{escape(state if acts else alert.action)} {acts}</p>'


def _escalation(links: Links, step: CaseStep, state: str) -> str:
    """Return an escalation with its links. `state`: that of the case by now."""
    text = f"{_what(step)}, to {', '.join(step.escalated_to or [])}"
    return f'<p dir="auto">{escape(clean(text))}<br>{escape(state)} {_acts(links, step, LEAD)}</p>'


def _what(notice: Alert | CaseStep) -> str:
    """Return what a notice is about. An answer that somebody posts by hand has no segment."""
    return f"{notice.severity}, score {notice.score} at {notice.segment or 'the root segment'}"


def _acts(links: Links, notice: Alert | CaseStep, receiver: str) -> str:
    """Return the links that the mail to a receiver has."""
    names = WORDS["en"].acts
    return " · ".join(
        f'<a href="{escape(url)}" rel="noreferrer">{escape(names[action])}</a>'
        for action, url in links.of(notice, receiver).items()
    )
