"""The pages of links over HTTP. GET and HEAD change nothing; POST gives the command of the page's form.

The paths are those of worker/links/signing.py, and /healthz. Every answer has the same headers: it may not be kept, not
be shown in a frame, and loads and runs nothing. Its connection is closed, so that slow clients hold none for long.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from schemas.alert_command import CommandAction
from worker.access.attempts import Attempts
from worker.access.client import Network
from worker.clock import Clock
from worker.errors import Fatal
from worker.flow.cases.known import KnownCase
from worker.flow.policy import CasePolicy
from worker.links.commanding import Form, command_of, form_of, problems
from worker.links.signing import ACTIONS, Link, Links, Refusal
from worker.links.standing import OF_REFUSAL, Standing, standing
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language, Receiver
from worker.service import Failure
from worker.web import answers
from worker.web.client import client_of_request
from worker.web.commanding import Commanding, Give
from worker.web.forms import Unacceptable, fields_of
from worker.web.page import STYLE_HASH, Page, Pages

log = logging.getLogger(__name__)

#: The largest body, in bytes. A form with the longest texts is smaller, however its characters are written.
LARGEST_BODY = 32_768
#: The largest number of fields in a form.
_MOST_FIELDS = 20
#: The longest list of languages that is read, in characters.
_LONGEST_LANGUAGES = 500
_ACCEPTED_LANGUAGE = re.compile(r"(?P<language>fr|en)(?:-[a-z0-9-]+)?(?:;q=(?P<weight>[01](?:\.[0-9]{0,3})?))?")

#: How often an address may open links that nobody has signed, and send forms, within a span, in ms. Programs that look
#: through mails open links without end, so links that are valid are not counted.
_MOST_INVALID, _MOST_FORMS, _SPAN = 60, 60, 60_000

#: The headers of every answer: those of the page, but nothing is loaded, and no script runs.
HEADERS = {
    **answers.HEADERS,
    "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
}
_STATUS: Mapping[Standing, int] = {Standing.AHEAD: 503, Standing.UNKNOWN: 404}


class Cases(Protocol):
    """Where the cases are found."""

    @property
    def ready(self) -> bool:
        """Whether the cases are known."""

    def find(self, alert_id: str, now: int) -> KnownCase | None:
        """Return the case of an alert; None if it is not known at the time `now`, in ms."""


@dataclass(frozen=True)
class Needs:
    """What the pages are made with."""

    links: Links
    cases: Cases
    give: Give
    policy: CasePolicy
    #: For whom pages are written if neither the receiver nor the browser says.
    readers: Readers
    #: The receivers by their names.
    receivers: Mapping[str, Receiver]
    clock: Clock
    #: Gets an error that must stop the worker.
    failure: Failure
    #: How long a client may take to send a form, in seconds.
    body_seconds: float = 10.0
    #: The reverse proxies that are believed.
    proxies: tuple[Network, ...] = ()
    #: Where the page with scores and cases begins, without a slash at its end; None if it is not served.
    page_url: str | None = None


class _Offer(NamedTuple):
    """A link that can be used."""

    link: Link
    known: KnownCase
    #: What makes the pages for its receiver.
    pages: Pages


class Site:
    """Answers requests."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._commanding = Commanding()
        self._invalid = Attempts(_MOST_INVALID, _SPAN)
        self._forms = Attempts(_MOST_FORMS, _SPAN)

    def application(self) -> web.Application:
        """Return what serves the pages, where there is nothing else."""
        application = web.Application(middlewares=[self._answered], client_max_size=LARGEST_BODY)
        application.router.add_get("/healthz", self.health)
        application.add_routes(self.routes())
        return application

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of links."""
        found = []
        for action in ACTIONS:
            path, show, act = f"/{action.value}/{{token}}", partial(self._show, action), partial(self._act, action)
            found += [web.get(path, partial(self._answered, handler=show))]
            found += [web.post(path, partial(self._answered, handler=act))]
        return found

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request. No request can stop the worker: a bug is an error in the log, without its text."""
        try:
            response = await handler(request)
        except web.HTTPException as error:  # there is no such path or method
            response = _html(self._pages(request).not_found(), error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Fatal as error:
            self._needs.failure.keep(error)
            response = _html(self._pages(request).unsure(), 503)
        except Exception:
            log.exception("a page could not be made because of a bug in the worker: please report this line")
            response = _html(self._pages(request).unsure(), 500)
        response.force_close()
        return response

    async def health(self, _: web.Request) -> web.StreamResponse:
        """Say whether pages can be served."""
        ready = self._needs.cases.ready
        return web.Response(text="ready\n" if ready else "starting\n", status=200 if ready else 503)

    async def not_found(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of an address that leads nowhere."""
        response = _html(self._pages(request).not_found(), 404)
        response.force_close()
        return response

    async def _show(self, action: CommandAction, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD: the page with the form, or the one that says why there is none."""
        found = self._find(action, request)
        if isinstance(found, web.Response):
            return found
        return _html(found.pages.asking(found.link, found.known.case, Form()))

    async def _act(self, action: CommandAction, request: web.Request) -> web.StreamResponse:
        """Answer POST: give the command of the form, and say what became of it."""
        now, client = self._needs.clock.steady(), self._client(request)
        if self._forms.wait(client, now):
            return _html(self._pages(request).busy(), 429)
        self._forms.note(client, now)
        found = self._find(action, request)
        if isinstance(found, web.Response):
            return found
        try:
            fields = await fields_of(request, LARGEST_BODY, self._needs.body_seconds, _MOST_FIELDS)
        except Unacceptable as error:
            return _html(found.pages.refused(), error.status)
        # The case may have changed while the form arrived.
        found = self._find(action, request)
        if isinstance(found, web.Response):
            return found
        form = form_of(fields)
        wrong = problems(form, action, self._needs.policy)
        if wrong:
            return _html(found.pages.asking(found.link, found.known.case, form, wrong), 422)
        return await self._carry_out(found, form)

    def _find(self, action: CommandAction, request: web.Request) -> _Offer | web.Response:
        """Return what the link of a request offers, or the page that says why it offers nothing."""
        needs, pages, now = self._needs, self._pages(request), self._needs.clock.now()
        link = needs.links.read(action, request.match_info["token"], now)
        if link is Refusal.EXPIRED:
            return _html(pages.expired(needs.links.days), 410)
        if isinstance(link, Refusal):
            at, client = needs.clock.steady(), self._client(request)
            is_too_often = bool(self._invalid.wait(client, at))
            self._invalid.note(client, at)
            return _html(pages.busy() if is_too_often else pages.invalid(), 429 if is_too_often else 404)
        if not needs.cases.ready:
            return _html(pages.starting(), 503)
        pages = self._pages(request, needs.receivers.get(link.receiver))
        known = needs.cases.find(link.alert_id, now)
        case = None if known is None else known.case
        stands = standing(link, case, now)
        if stands is Standing.OFFERED and known is not None:
            return _Offer(link, known, pages)
        return _html(pages.outdated(stands, case), _STATUS.get(stands, 200))

    async def _carry_out(self, offer: _Offer, form: Form) -> web.Response:
        """Give the command of a form, and return the page that says what became of it."""
        link, (customer_id, case), pages = offer
        command = command_of(link, form, customer_id, case, self._needs.clock.now())
        given = await self._commanding.answered(self._needs.give, command, f"alert {link.alert_id}")
        match given.outcome:
            case "busy":
                return _html(pages.busy(), 503)
            case "unsure":
                return _html(pages.unsure(), 503)
            case "unanswered":
                return _html(pages.waiting(), 202)
            case "applied" | "unchanged":
                return _html(pages.done(link, case, command["actor"]))
            case "refused":
                return self._refused(offer, given.reason or "")

    def _refused(self, offer: _Offer, reason: str) -> web.Response:
        """Return the page that says why the worker has refused a command."""
        link, _, pages = offer
        stands = OF_REFUSAL.get(reason)
        if stands is None:  # the role process has other settings, such as other causes
            log.warning("a command about alert %s was refused: %s", link.alert_id, reason)
            return _html(pages.refused(), 422)
        known = self._needs.cases.find(link.alert_id, self._needs.clock.now())
        return _html(pages.outdated(stands, None if known is None else known.case), _STATUS.get(stands, 200))

    def _client(self, request: web.Request) -> str:
        """Return the address of a client."""
        return client_of_request(request, self._needs.proxies)

    def _pages(self, request: web.Request, receiver: Receiver | None = None) -> Pages:
        """Return what makes the pages for whoever has sent a request."""
        usual = self._needs.readers
        spoken = preferred_language(request.headers.get("Accept-Language", ""))
        readers = Readers(spoken or usual.default_language, usual.time_zone)
        readers = readers if receiver is None else readers.for_receiver(receiver)
        return Pages(readers, self._needs.policy, self._needs.page_url)


def preferred_language(accepted: str) -> Language | None:
    """Return the language of pages that a browser prefers (Accept-Language); None if it names neither."""
    weights: dict[Language, float] = {}
    for part in accepted[:_LONGEST_LANGUAGES].lower().split(","):
        found = _ACCEPTED_LANGUAGE.fullmatch("".join(part.split()))
        if found is not None:
            language: Language = "fr" if found["language"] == "fr" else "en"
            weight = float(found["weight"] or 1)
            weights[language] = max(weight, weights.get(language, 0.0))
    best = max(weights, key=weights.__getitem__, default=None)
    return best if best is not None and weights[best] > 0 else None


def _html(page: Page, status: int = 200) -> web.Response:
    return web.Response(text=page.html(), status=status, content_type="text/html", charset="utf-8")
