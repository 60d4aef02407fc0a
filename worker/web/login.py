"""Logging in and out, and the sessions that administrators see and end.

A login that is not written on `nps.audit` does not take place, so that no session exists of which nobody knows. Who has
tried too often has to wait, by the name and by the address. A name that is not one of the settings is not written down:
people type their password into the wrong field.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from schemas.audit import AuditAction
from schemas.base import LONGEST_ID
from worker.access.attempts import Attempts
from worker.access.passwords import LONGEST, is_right
from worker.access.session import OIDC, PASSWORD, Seals, Session
from worker.access.settings import AuthSettings
from worker.clock import Clock
from worker.web.answers import HEADERS, local, see_other
from worker.web.auditing import Audit, Entry
from worker.web.cookies import Cookies
from worker.web.entrance import SESSION, Entrance, Visitor
from worker.web.oidc import Begun, Failed, Provider
from worker.web.sessions import Sessions

log = logging.getLogger(__name__)

#: Where people log in and out.
LOGIN, LOGOUT, START = "/login", "/logout", "/login/start"
#: The cookie of a login that has begun, what it is sealed for, and how long the provider may take, in seconds.
_BEGUN, _BEGUN_PURPOSE, _BEGUN_SECONDS = "login", "detractor-worker.login", 600
#: The number of attempts to log in within a span, in ms: with one name, and from one address.
_OF_NAME, _OF_ADDRESS, _SPAN = 10, 50, 15 * 60_000
#: How many passwords are verified at the same time. Each takes 64 MiB.
_AT_ONCE = 1
#: How many attempts may wait for that.
_MOST_WAITING = 20
#: The words of `nps.audit` for a login that was refused.
WRONG_PASSWORD, TOO_MANY, NOT_PERMITTED, PROVIDER_FAILED = (
    "wrong_password",
    "too_many_attempts",
    "not_permitted",
    "provider_failed",
)


class Refused(NamedTuple):
    """A login that was refused."""

    #: One of the words of `nps.audit`; 'not_recorded' if it could not be written down.
    reason: str
    #: How long to wait until the next attempt, in ms.
    wait: int = 0


NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class Needs:
    """What a login needs."""

    auth: AuthSettings
    seals: Seals
    cookies: Cookies
    entrance: Entrance
    sessions: Sessions
    audit: Audit
    clock: Clock
    provider: Provider | None


class Login:
    """Logs people in and out."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        # The attempts count by a clock that nobody sets.
        self._by_name = Attempts(_OF_NAME, _SPAN)
        self._by_address = Attempts(_OF_ADDRESS, _SPAN)
        self._verifying = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @property
    def has_passwords(self) -> bool:
        """Whether people can log in with a password."""
        return bool(self._needs.auth.users)

    @property
    def has_provider(self) -> bool:
        """Whether people can log in with a provider."""
        return self._needs.provider is not None

    async def with_password(self, request: web.Request, form: Mapping[str, str]) -> web.Response | Refused:
        """Log somebody in whose form has a name and a password, and go to the page that the form names."""
        needs, now = self._needs, self._needs.clock.steady()
        name, address = form.get("name", "").strip(), needs.entrance.client(request)
        if len(name) > LONGEST_ID:  # nobody has such a name, and it is not remembered
            name = ""
        wait = max(self._by_name.wait(name, now), self._by_address.wait(address, now))
        user = needs.auth.users.get(name)
        known = None if user is None else name
        if wait or self._waiting >= _MOST_WAITING:
            # Attempts that have to wait are not written down one by one: they would fill the topic.
            return Refused(TOO_MANY, wait)
        self._by_name.note(name, now)
        self._by_address.note(address, now)
        hashed = "" if user is None or user.password_hash is None else user.password_hash.get_secret_value()
        if not await self._is_right(hashed, form.get("password", "")):
            refused = Entry(AuditAction.LOGIN_REFUSED, "refused", WRONG_PASSWORD)
            await needs.audit.write_refused(refused, PASSWORD, known)
            log.info("a login with a password was refused")
            return Refused(WRONG_PASSWORD)
        self._by_name.forgive(name)
        session = Session(secrets.token_urlsafe(24), PASSWORD, name, "", needs.clock.now(), needs.seals.proof(hashed))
        return await self._enter(session, form.get("to", ""))

    async def start(self, request: web.Request) -> web.Response | Refused:
        """Send somebody to the provider."""
        needs = self._needs
        assert needs.provider is not None
        try:
            url, begun = await needs.provider.begin()
        except Failed as error:
            log.warning("nobody can log in with web.auth.oidc: %s", error)
            return Refused(PROVIDER_FAILED)
        response = web.Response(status=303, headers={**HEADERS, "Location": url})
        to, at = local(request.query.get("to", "/")), needs.clock.now()
        needs.cookies.put(response, _BEGUN, needs.seals.sealed(_BEGUN_PURPOSE, [*begun, to, at]), _BEGUN_SECONDS)
        return response

    async def returned(self, request: web.Request) -> web.Response | Refused:
        """Log somebody in whom the provider has sent back."""
        needs, now = self._needs, self._needs.clock.now()
        assert needs.provider is not None
        address = needs.entrance.client(request)
        if wait := self._by_address.wait(address, needs.clock.steady()):
            return Refused(TOO_MANY, wait)
        begun, to = self._begun(request, now)
        state, code = request.query.get("state", ""), request.query.get("code", "")
        is_ours = begun is not None and secrets.compare_digest(begun.state.encode(), state.encode())
        if begun is None or not is_ours or not code:
            return await self._refused_by_provider(address, "the browser has brought back no login that had begun here")
        try:
            member = await needs.provider.finish(code, begun)
        except Failed as error:
            return await self._refused_by_provider(address, str(error))
        group = needs.auth.group_of(member.groups)
        if group is None:
            entry = Entry(AuditAction.LOGIN_REFUSED, "refused", NOT_PERMITTED)
            await needs.audit.write_refused(entry, OIDC, member.name)
            return Refused(NOT_PERMITTED)
        response = await self._enter(Session(secrets.token_urlsafe(24), OIDC, member.name, group, now), to)
        if isinstance(response, web.Response):
            needs.cookies.drop(response, _BEGUN)
        return response

    async def out(self, visitor: Visitor) -> bool:
        """Log somebody out, in all web processes. Say whether that is written down, as `end` does."""
        if visitor.session is None:
            return True
        self._needs.sessions.end(visitor.public_session)
        return await self._needs.audit.write(Entry(AuditAction.LOGGED_OUT), visitor)

    async def end(self, visitor: Visitor, public: str) -> bool:
        """End a session, in all web processes. Say whether that is written down, without which the others do not know.

        `public`: the public id of the session.
        """
        needs = self._needs
        if not any(one.id == public for one in needs.sessions.open()):
            return True
        needs.sessions.end(public)
        return await needs.audit.write(Entry(AuditAction.SESSION_ENDED, about=public), visitor)

    async def _enter(self, session: Session, to: str) -> web.Response | Refused:
        """Let somebody in."""
        needs = self._needs
        visitor = needs.entrance.of_session(session)
        if visitor is None:  # which sessions were ended is not known yet
            return Refused(NOT_RECORDED)
        if not await needs.audit.write(Entry(AuditAction.LOGGED_IN), visitor):
            return Refused(NOT_RECORDED)
        response = see_other(to)
        needs.cookies.put(response, SESSION, needs.seals.cookie(session), None)
        return response

    async def _is_right(self, hashed: str, password: str) -> bool:
        """Say whether a password is right. It takes as long if there is no hash."""
        if len(password) > LONGEST:
            return False
        self._waiting += 1
        try:
            async with self._verifying:
                return await asyncio.to_thread(is_right, hashed or None, password)
        finally:
            self._waiting -= 1

    async def _refused_by_provider(self, address: str, why: str) -> Refused:
        self._by_address.note(address, self._needs.clock.steady())
        log.warning("a login with web.auth.oidc has failed: %s", why)
        entry = Entry(AuditAction.LOGIN_REFUSED, "refused", PROVIDER_FAILED)
        await self._needs.audit.write_refused(entry, OIDC, None)
        return Refused(PROVIDER_FAILED)

    def _begun(self, request: web.Request, now: int) -> tuple[Begun | None, str]:
        """Return the login that has begun in this browser, and the page to go to."""
        sealed = self._needs.cookies.get(request, _BEGUN)
        match self._needs.seals.opened(_BEGUN_PURPOSE, sealed):
            case [str(state), str(nonce), str(verifier), str(to), int(at)] if now - at < _BEGUN_SECONDS * 1_000:
                return Begun(state, nonce, verifier), to
            case _:
                return None, "/"


def login_address(to: str) -> str:
    """Return the address of the login that leads to a page afterwards."""
    return LOGIN if to == "/" else f"{LOGIN}?{urlencode({'to': to}, quote_via=quote)}"
