"""A visit: who looks at a page, what this person may see and do, and how the page is written for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from worker.lineage import is_below
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language


class Permission(IntEnum):
    """What a person may do. Each permission includes the ones before it."""

    #: To look at the pages.
    VIEW = 1
    #: To act on cases.
    ACT = 2
    #: To change what concerns everybody: silences, dead letters that are sent again, sessions that are ended.
    ADMIN = 3


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    #: The name under which the person acts, which is written down with each step.
    name: str
    permission: Permission
    #: The segments that the person may see, with what is below them; the root segment alone means all.
    segments: tuple[str, ...] = ("",)
    #: Whether customers' ids, names, addresses and comments are shown.
    sees_customers: bool = True

    def may(self, permission: Permission) -> bool:
        """Say whether the person has a permission."""
        return self.permission >= permission

    def may_see(self, segment: str) -> bool:
        """Say whether the person may see what is about a segment."""
        return any(segment == own or is_below(segment, own) for own in self.segments)


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
    #: What the forms of the page have to send back, so that no other site can send them.
    form_token: str = ""
