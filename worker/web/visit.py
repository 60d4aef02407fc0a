"""A visit: who looks at a page, and how the page is written for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.access.person import Permission, Person
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language
from worker.web.searching import FOUND, Search

__all__ = ["Permission", "Person", "Visit"]


@dataclass(frozen=True)
class Visit:
    """One request for a page."""

    person: Person
    language: Language
    readers: Readers
    #: When the request arrived, in ms.
    now: int
    #: The path of the address, without the query.
    path: str
    #: What follows the question mark of the address. It holds no personal data.
    query: Mapping[str, str] = field(default_factory=dict)
    #: The parts of the path that the address of the route names, such as the id of an alert.
    parts: Mapping[str, str] = field(default_factory=dict)
    #: What the forms of the page have to send back, so that no other site can send them. It is the field `token`.
    form_token: str = ""
    #: The session, as `nps.audit` names it; empty without a login.
    session: str = ""
    #: Whether the page has a login.
    has_login: bool = True
    #: Whether the person can log out, which is not so without a login, and where a proxy has logged the person in.
    can_log_out: bool = False
    #: The last search of the browser.
    search: Search = field(default_factory=Search)

    @property
    def is_search(self) -> bool:
        """Whether the address is that of a search."""
        return FOUND in self.query

    @property
    def searched(self) -> str:
        """What the address searches for; empty if it does not search, or if the browser does not know it any more."""
        return self.search.text if self.search.name and self.query.get(FOUND) == self.search.name else ""
