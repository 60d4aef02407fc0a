"""The page over HTTP: each route of the list (routes.py) is checked, carried out, and answered.

Before a handler is called, the person is known and has the permission of the route. A form was sent by a page of this
site, which is seen by headers of the browser and by a token in the form. Nothing that somebody sends can stop the
worker, and no line of the log has an address, a name, or what a form holds.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from aiohttp import web

from schemas.audit import AuditAction
from worker.access.person import Permission
from worker.access.session import Seals
from worker.clock import Clock
from worker.errors import Fatal
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language
from worker.service import Failure
from worker.web import answers
from worker.web.answers import HEADERS
from worker.web.assets import PATH as STATIC
from worker.web.assets import Assets
from worker.web.auditing import Audit, Entry
from worker.web.cookies import Cookies
from worker.web.csv_file import csv_of
from worker.web.entrance import BROWSER, NO_LOGIN, SESSION, Entrance, Visitor
from worker.web.forms import Unacceptable, fields_of
from worker.web.gate import Gate
from worker.web.layout import address_of
from worker.web.live import Live
from worker.web.login import (
    LOGIN,
    LOGOUT,
    NOT_RECORDED,
    PROVIDER_FAILED,
    START,
    TOO_MANY,
    Login,
    Refused,
    login_address,
)
from worker.web.notation import Notation
from worker.web.oidc import RETURN
from worker.web.pages.case_acting import SAID
from worker.web.pages.why import DONE
from worker.web.plain import Plain
from worker.web.routes import LARGEST_FORM, Route
from worker.web.searching import FOUND, cookie_of, new_search, search_of
from worker.web.sessions import Sessions
from worker.web.showing import LIVE, Found, Showing
from worker.web.site import preferred_language
from worker.web.view import NotFound, SeeOther, Shown, Table, View
from worker.web.visit import Visit
from worker.web.words.login import LOGIN_WORDS
from worker.web.words.messages import Message

log = logging.getLogger(__name__)

#: The cookie with the language that a person has chosen, and the field of forms with their token.
LANGUAGE, TOKEN = "language", "token"
#: The cookie with the last search.
SEARCH = "search"
LANGUAGES: Mapping[str, Language] = {"fr": "fr", "en": "en"}
#: Where a person chooses the language, and where administrators see and end sessions.
CHOOSE_LANGUAGE, SESSIONS, END_SESSION = "/language", "/sessions", "/sessions/end"
_CSV = "text/csv; charset=utf-8"
#: The parts of an address that say what became of a form.
_OF_FORMS = frozenset({SAID, DONE})
#: The largest number of fields in a form.
_MOST_FIELDS = 60
#: The status of a page by what it says.
_STATUS: Mapping[Message, int] = {
    Message.NOT_FOUND: 404,
    Message.NOT_PERMITTED: 403,
    Message.NOT_ACCEPTED: 403,
    Message.TOO_MUCH: 413,
    Message.TOO_MANY: 429,
    Message.STARTING: 503,
    Message.NOT_RECORDED: 503,
    Message.LOGGED_OUT_HERE: 503,
    Message.BROKEN: 500,
}
#: The status of the login's page by why the login was refused.
_REFUSED: Mapping[str, int] = {TOO_MANY: 429, NOT_RECORDED: 503, PROVIDER_FAILED: 502}


@dataclass(frozen=True)
class Needs:
    """What the page is served with."""

    routes: Sequence[Route]
    showing: Showing
    plain: Plain
    assets: Assets
    #: For whom pages are written if neither the person nor the browser says.
    readers: Readers
    seals: Seals
    cookies: Cookies
    entrance: Entrance
    sessions: Sessions
    login: Login
    #: Makes the gate of a visitor.
    gate: Callable[[Visitor], Gate]
    audit: Audit
    live: Live
    clock: Clock
    #: Gets an error that must stop the worker.
    failure: Failure
    #: How long a client may take to send a form, in seconds.
    body_seconds: float = 10.0


class _Request(NamedTuple):
    """A request, and what every answer needs."""

    http: web.Request
    #: The random text of the browser's cookie, and whether the browser has to get it.
    browser: str
    is_new: bool
    language: Language


class _Stop(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__()
        self.response = response


_Handle = Callable[[_Request], Awaitable[web.StreamResponse]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BoardSite:
    """Answers requests."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs

    @property
    def ready(self) -> bool:
        """Whether people can be let in."""
        return not self._needs.entrance.has_sessions or self._needs.sessions.ready

    def routes(self) -> list[web.RouteDef]:
        """Return everything that is served."""
        login, found = self._needs.login, [self._of(route) for route in self._needs.routes]
        found += [
            web.get(f"{STATIC}/{{name}}", self._static),
            web.get(LIVE, self._answering(self._live), allow_head=False),
            web.post(CHOOSE_LANGUAGE, self._answering(self._choose_language)),
        ]
        if self._needs.entrance.has_sessions:
            found += [
                web.get(LOGIN, self._answering(self._ask_for_login)),
                web.post(LOGOUT, self._answering(self._log_out)),
                web.get(SESSIONS, self._answering(self._show_sessions)),
                web.post(END_SESSION, self._answering(self._end_session)),
            ]
            found += [web.post(LOGIN, self._answering(self._log_in))] if login.has_passwords else []
            if login.has_provider:
                found += [
                    web.get(START, self._answering(partial(self._with_provider, login.start))),
                    web.get(RETURN, self._answering(partial(self._with_provider, login.returned))),
                ]
        return found

    def not_found(self) -> _Handler:
        """Return what answers requests of paths that do not exist."""
        return self._answering(self._nothing)

    def _of(self, route: Route) -> web.RouteDef:
        if route.method == "GET":
            return web.get(route.path, self._answering(partial(self._show, route)))
        return web.post(route.path, self._answering(partial(self._act, route)))

    def _answering(self, handle: _Handle) -> _Handler:
        """Return a handler of aiohttp."""

        async def answer(http: web.Request) -> web.StreamResponse:
            needs = self._needs
            browser = needs.cookies.get(http, BROWSER)
            request = _Request(http, browser or secrets.token_urlsafe(18), not browser, self._language(http))
            try:
                if not needs.entrance.is_here(http):
                    return self._message(request, Message.NOT_PERMITTED)
                response = await handle(request)
            except _Stop as stop:
                response = stop.response
            except Fatal as error:
                needs.failure.keep(error)
                response = self._message(request, Message.BROKEN)
            except Exception:
                log.exception("a page could not be made because of a bug in the worker: please report this line")
                response = self._message(request, Message.BROKEN)
            if request.is_new and not response.prepared:
                needs.cookies.put(response, BROWSER, request.browser)
            return response

        return answer

    # Pages and actions of the list

    async def _show(self, route: Route, request: _Request) -> web.StreamResponse:
        visitor = self._visitor(request)
        self._check(visitor, route.permission, request)
        visit = self._visit(request, visitor, request.http.match_info)
        return await self._shown(self._needs.showing.ask(route, visit), visit, visitor, request, route)

    async def _act(self, route: Route, request: _Request) -> web.StreamResponse:
        visitor, form = await self._sent(request, route.largest_form)
        self._check(visitor, route.permission, request)
        visit = self._visit(request, visitor, request.http.match_info)
        shown = await route.act(visit, form, self._needs.showing.board, self._needs.gate(visitor))
        return await self._shown(shown, visit, visitor, request)

    async def _shown(
        self, shown: Shown, visit: Visit, visitor: Visitor, request: _Request, route: Route | None = None
    ) -> web.StreamResponse:
        """Return the answer to what a handler has returned."""
        match shown:
            case View():
                is_live = route is not None and bool(route.kinds) and not visit.is_search
                return answers.html(self._needs.showing.page(shown, visit, is_live=is_live).html, shown.status)
            case Table():
                # Whoever takes data away is known, or gets none.
                if not await self._needs.audit.write(Entry(AuditAction.EXPORTED, about=shown.name), visitor):
                    return self._message(request, Message.NOT_RECORDED)
                return answers.download(csv_of(shown, visit.language), _CSV, f"{shown.name}.csv")
            case SeeOther():
                if not shown.search:
                    return answers.see_other(shown.address)
                search = new_search(shown.search)
                response = answers.see_other(address_of(shown.address, {FOUND: search.name}))
                self._needs.cookies.put(response, SEARCH, cookie_of(search), None)
                return response
            case NotFound():
                return self._message(request, Message.NOT_FOUND)

    # Who it is, and what they have sent

    def _visitor(self, request: _Request) -> Visitor:
        """Return who has sent a request; otherwise stop with the login's page, or with a refusal."""
        entrance = self._needs.entrance
        if entrance.has_sessions and not self._needs.sessions.ready:
            raise _Stop(self._message(request, Message.STARTING))
        visitor = entrance.visitor(request.http)
        if visitor is not None:
            return visitor
        if not entrance.has_sessions:
            raise _Stop(self._message(request, Message.NOT_PERMITTED))
        to = request.http.path_qs if request.http.method in {"GET", "HEAD"} else "/"
        raise _Stop(answers.see_other(login_address(answers.local(to))))

    def _check(self, visitor: Visitor, permission: Permission, request: _Request) -> None:
        """Stop with a refusal if the person lacks a permission."""
        if not visitor.person.may(permission):
            raise _Stop(self._message(request, Message.NOT_PERMITTED))

    def _check_sessions(self, visitor: Visitor, request: _Request) -> None:
        """Stop with a refusal if the person may not see and end the sessions of others.

        Sessions belong to no segment, so only an administrator of all segments may.
        """
        self._check(visitor, Permission.ADMIN, request)
        if not visitor.person.sees_all:
            raise _Stop(self._message(request, Message.NOT_PERMITTED))

    async def _sent(self, request: _Request, largest: int = LARGEST_FORM) -> tuple[Visitor, dict[str, str]]:
        """Return who has sent a form, and the form; otherwise stop with a refusal."""
        visitor = self._visitor(request)
        return visitor, await self._form(request, visitor.forms_of, largest)

    async def _form(self, request: _Request, owner: str, largest: int = LARGEST_FORM) -> dict[str, str]:
        """Return a form that was made for this browser and this session or person; otherwise stop with a refusal."""
        if not self._needs.entrance.is_own(request.http):
            raise _Stop(self._message(request, Message.NOT_ACCEPTED))
        try:
            form = await fields_of(request.http, largest, self._needs.body_seconds, _MOST_FIELDS)
        except Unacceptable as error:
            message = Message.TOO_MUCH if error.status == 413 else Message.NOT_ACCEPTED
            response = self._message(request, message, error.status)
            response.force_close()
            raise _Stop(response) from None
        if request.is_new or not self._needs.seals.accepts(form.pop(TOKEN, ""), request.browser, owner):
            raise _Stop(self._message(request, Message.NOT_ACCEPTED))
        return form

    def _visit(self, request: _Request, visitor: Visitor, parts: Mapping[str, str]) -> Visit:
        http = request.http
        query = dict(http.query)
        # What became of a form is for the person who has sent it, and not for whoever is sent the address later.
        if http.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            query = {name: value for name, value in query.items() if name not in _OF_FORMS}
        return self._visit_of(request, visitor, http.path, dict(parts), query)

    def _visit_of(
        self, request: _Request, visitor: Visitor, path: str, parts: Mapping[str, str], query: Mapping[str, str]
    ) -> Visit:
        usual = self._needs.readers
        return Visit(
            person=visitor.person,
            language=request.language,
            readers=Readers(request.language, usual.time_zone, request.language),
            now=self._needs.clock.now(),
            path=path,
            query=query,
            parts=parts,
            form_token=self._needs.seals.form_token(request.browser, visitor.forms_of),
            session=visitor.public_session,
            has_login=visitor.login != NO_LOGIN,
            can_log_out=visitor.session is not None,
            search=search_of(self._needs.cookies.get(request.http, SEARCH)),
        )

    def _language(self, http: web.Request) -> Language:
        """Return the language of pages: the chosen one, or that of the browser, or that of the settings."""
        chosen = LANGUAGES.get(self._needs.cookies.get(http, LANGUAGE))
        return (
            chosen
            or preferred_language(http.headers.get("Accept-Language", ""))
            or (self._needs.readers.default_language)
        )

    # What stands around the pages

    async def _static(self, http: web.Request) -> web.StreamResponse:
        found = self._needs.assets.find(http.match_info["name"])
        if found is None:
            return web.Response(status=404, text="404 Not Found\n", headers=HEADERS)
        return answers.file(found.content, found.type)

    async def _live(self, request: _Request) -> web.StreamResponse:
        """Answer the request of an open page for its updates."""
        visitor = self._needs.entrance.visitor(request.http)
        found: Found | None = self._needs.showing.find(request.http.query.get("page", ""))
        may = visitor is not None and found is not None and visitor.person.may(found.route.permission)
        if visitor is None or found is None or not may or not found.route.kinds or FOUND in found.query:
            # After this status a browser does not try again by itself; live.js does after a while.
            return web.Response(status=204, headers=HEADERS)
        visit = self._visit_of(request, visitor, found.path, found.parts, found.query)
        return await self._needs.live.serve(request.http, found, visit, visitor, HEADERS)

    async def _choose_language(self, request: _Request) -> web.StreamResponse:
        visitor = self._needs.entrance.visitor(request.http)
        form = await self._form(request, "" if visitor is None else visitor.forms_of)
        response = answers.see_other(form.get("back", "/"))
        if (chosen := LANGUAGES.get(form.get("language", ""))) is not None:
            self._needs.cookies.put(response, LANGUAGE, chosen)
        return response

    async def _nothing(self, request: _Request) -> web.StreamResponse:
        self._visitor(request)  # who is not logged in does not learn which pages there are
        return self._message(request, Message.NOT_FOUND)

    # Logging in and out

    async def _ask_for_login(self, request: _Request) -> web.StreamResponse:
        return self._login_page(request, request.http.query.get("to", "/"))

    async def _log_in(self, request: _Request) -> web.StreamResponse:
        form = await self._form(request, "")
        answer = await self._needs.login.with_password(request.http, form)
        if isinstance(answer, Refused):
            return self._login_page(request, form.get("to", "/"), answer, form.get("name", ""))
        return answer

    async def _with_provider(
        self, step: Callable[[web.Request], Awaitable[web.Response | Refused]], request: _Request
    ) -> web.StreamResponse:
        answer = await step(request.http)
        return self._login_page(request, "/", answer) if isinstance(answer, Refused) else answer

    def _login_page(
        self, request: _Request, to: str, refused: Refused | None = None, name: str = ""
    ) -> web.StreamResponse:
        login, token = self._needs.login, self._needs.seals.form_token(request.browser, "")
        text = self._needs.plain.login(
            request.language,
            answers.local(to),
            token,
            refused=refused,
            name=name,
            has_passwords=login.has_passwords,
            has_provider=login.has_provider,
        )
        response = answers.html(text, 200 if refused is None else _REFUSED.get(refused.reason, 403))
        if refused is not None and refused.wait:
            response.headers["Retry-After"] = str(-(-refused.wait // 1_000))
        return response

    async def _log_out(self, request: _Request) -> web.StreamResponse:
        visitor, _ = await self._sent(request)
        is_written = await self._needs.login.out(visitor)
        response = answers.see_other(LOGIN) if is_written else self._message(request, Message.LOGGED_OUT_HERE)
        self._needs.cookies.drop(response, SESSION)
        self._needs.cookies.drop(response, SEARCH)
        return response

    async def _show_sessions(self, request: _Request) -> web.StreamResponse:
        visitor = self._visitor(request)
        self._check_sessions(visitor, request)
        visit = self._visit(request, visitor, {})
        return answers.html(self._needs.showing.page(self._sessions_view(visit), visit).html)

    async def _end_session(self, request: _Request) -> web.StreamResponse:
        visitor, form = await self._sent(request)
        self._check_sessions(visitor, request)
        is_written = await self._needs.login.end(visitor, form.get("session", ""))
        visit = self._visit_of(request, visitor, SESSIONS, {}, {})
        words = LOGIN_WORDS[request.language]
        view = self._sessions_view(visit, words.ended if is_written else words.not_ended)
        return answers.html(self._needs.showing.page(view, visit).html)

    def _sessions_view(self, visit: Visit, said: str = "") -> View:
        notation = Notation(visit.language, visit.readers)
        rows = [(one, notation.moment(one.began)) for one in self._needs.sessions.open()]
        return View("sessions.html.j2", {"words": LOGIN_WORDS[visit.language], "rows": rows, "said": said})

    def _message(self, request: _Request, message: Message, status: int | None = None) -> web.Response:
        return answers.html(self._needs.plain.message(request.language, message), status or _STATUS[message])
