"""How the mails of a receiver are bundled, so that many notices are not as many mails: caps and groups. Pure."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from worker.routing.routable import Routable

#: The properties of an alert or an incident by which notices can be grouped.
Label = Literal["segment", "kind", "severity", "survey", "tier"]

#: The separator of the values in the name of a group. No value has it, since identifiers have no NUL.
_BETWEEN = "\x00"


@dataclass(frozen=True)
class Bundling:
    """How the mails of one receiver are bundled. Times are in ms."""

    #: The largest number of mails in an hour, without those about critical notices; None if there is no limit.
    mails_per_hour: int | None = None
    #: The largest number of mails in an hour that are about one critical notice each.
    critical_per_hour: int = 5
    #: Notices that are equal in these properties are one group. Without any, all notices are.
    group_by: tuple[Label, ...] = ()
    #: How long a new group waits for further notices.
    group_wait: int = 0
    #: The time between two mails about one group, and how long a digest of notices above the cap gathers.
    group_interval: int = 300_000

    @property
    def groups(self) -> bool:
        """Whether notices are grouped at all."""
        return bool(self.group_by) or self.group_wait > 0

    def group_of(self, event: Routable) -> str:
        """Return the name of the group that an alert or an incident belongs to. The name is always short."""
        values = _BETWEEN.join(str(getattr(event, label) or "") for label in self.group_by)
        return blake2b(values.encode(), digest_size=8).hexdigest() if values else ""
