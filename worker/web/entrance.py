"""Who has sent a request: a person with a session, a person whom a proxy names, or the only person on this machine."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from aiohttp import web

from schemas.base import LONGEST_ID
from worker.access.client import is_local_host, is_own, is_trusted
from worker.access.person import Permission, Person
from worker.access.session import Seals, Session, public_id
from worker.flow.text import on_one_line
from worker.links.settings import WebSettings
from worker.web.client import client_of_request
from worker.web.cookies import Cookies

#: The cookie of a session, and the one with a random text that tells browsers apart before they have a session.
SESSION, BROWSER = "session", "browser"
#: The person of a page without a login, which only this machine can open.
LOCAL = Person("local", Permission.ADMIN)
#: How `nps.audit` says that a proxy has logged a person in, and that there is no login.
HEADER, NO_LOGIN = "header", "none"
_MOST_GROUPS = 200
#: What proxies add to the requests that they forward.
_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


class EndedSessions(Protocol):
    """Which sessions were ended before their time."""

    def is_ended(self, public: str) -> bool:
        """Say whether a session was ended. `public`: its public id."""


class Visitor(NamedTuple):
    """Somebody who may come in."""

    person: Person
    #: The session; None without one.
    session: Session | None
    #: How the person has logged in, as `nps.audit` says it.
    login: str

    @property
    def forms_of(self) -> str:
        """Whose forms are accepted: those of the session, or of the person if there is no session."""
        return f"person {self.person.name}" if self.session is None else self.session.id

    @property
    def public_session(self) -> str:
        """The public id of the session; empty without one."""
        return "" if self.session is None else public_id(self.session.id)


class Entrance:
    """Lets people in."""

    def __init__(
        self, settings: WebSettings, seals: Seals, cookies: Cookies, ended: EndedSessions, now: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._auth = settings.auth
        self._seals = seals
        self._cookies = cookies
        self._ended = ended
        self._now = now
        self._proxies = settings.proxies

    @property
    def has_sessions(self) -> bool:
        """Whether people log in on the page itself."""
        return self._auth.is_set and self._auth.header.user is None

    def visitor(self, request: web.Request) -> Visitor | None:
        """Return who has sent a request; None for somebody who has to log in first, or may not come in."""
        if not self._auth.is_set:
            return Visitor(LOCAL, None, NO_LOGIN)
        if self._auth.header.user is not None:
            return self._named_by_proxy(request, self._auth.header.user)
        session = self._seals.session(self._cookies.get(request, SESSION), self._now(), self._auth.session_hours)
        return None if session is None else self.of_session(session)

    def of_session(self, session: Session) -> Visitor | None:
        """Return the visitor of a session that has not expired; None if it was ended, or has no rights any more."""
        if self._ended.is_ended(public_id(session.id)):
            return None
        person = self._seals.person(session, self._auth)
        return None if person is None else Visitor(person, session, session.method)

    def is_still_in(self, visitor: Visitor) -> bool:
        """Say whether a visitor of before would still be let in."""
        session = visitor.session
        if session is None:
            return True
        is_over = session.is_over(self._now(), self._auth.session_hours)
        return not is_over and not self._ended.is_ended(public_id(session.id))

    def is_here(self, request: web.Request) -> bool:
        """Say whether a request may come to this site. Without a login, it has to be made on this machine.

        Then it names the machine itself in its header Host, and no proxy has added a header to it.
        """
        if self._auth.is_set:
            return True
        headers = request.headers
        return is_local_host(headers.get("Host", "")) and not any(name in headers for name in _OF_PROXIES)

    def is_own(self, request: web.Request) -> bool:
        """Say whether a page of this site has sent a form."""
        origin = self._settings.origin if self._auth.is_set else None
        return is_own(request.headers, origin or f"http://{request.headers.get('Host', '')}")

    def client(self, request: web.Request) -> str:
        """Return the address of the client."""
        return client_of_request(request, self._proxies)

    def _named_by_proxy(self, request: web.Request, header: str) -> Visitor | None:
        if not is_trusted(request.remote or "", self._proxies):
            return None
        # A header that comes twice may be one of the client's own.
        [name] = names if len(names := request.headers.getall(header, [])) == 1 else [""]
        name = on_one_line(name).strip()
        if not 0 < len(name) <= LONGEST_ID:
            return None
        listed = ",".join(request.headers.getall(self._auth.header.groups, []))
        groups = frozenset(each.strip() for each in listed.split(",")[:_MOST_GROUPS])
        group = self._auth.group_of(groups)
        person = None if group is None else self._auth.member(name, group)
        return None if person is None else Visitor(person, None, HEADER)
