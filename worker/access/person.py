"""Somebody who looks at the page, and what this person may see and do."""

from dataclasses import dataclass
from enum import IntEnum

from worker.lineage import is_below


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

    @property
    def sees_all(self) -> bool:
        """Whether the person may see every segment, and so what is about none."""
        return "" in self.segments
