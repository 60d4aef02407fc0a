"""How the mails of a receiver are bundled, so that many notices are not as many mails: caps and groups. Pure.

Webhook events and chat messages are bundled in the same way. A "mail" stands for any of them here.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Literal, Protocol

from pydantic import Field

from worker.routing.routable import Routable

#: The properties of an alert or an incident by which notices can be grouped.
Label = Literal["segment", "kind", "severity", "survey", "tier"]

#: The settings of the same names, which a receiver has, and without receivers the section of each channel.
NoticesPerHour = Annotated[
    int | None,
    Field(
        ge=1,
        le=1_000,
        description="The largest number of mails that a receiver gets in an hour. The same number holds for the chat "
        "messages and for the webhook events of a receiver; without receivers, the number of a channel holds for each "
        "of its endpoints. Those about critical notices (see critical_per_hour), reminders, escalations and "
        "erasures do not count. Once the number is reached, further notices come in a digest. Without "
        "this setting, there is no limit.",
    ),
]
MailsPerHour = Annotated[
    int | None,
    Field(
        ge=1,
        le=1_000,
        description="The largest number of mails that a receiver gets in an hour, in place of notices_per_hour. Mails "
        "about critical notices, reminders and escalations are not counted. What is above it comes in a digest.",
    ),
]
CriticalPerHour = Annotated[
    int,
    Field(
        ge=0,
        le=1_000,
        description="The largest number of mails, chat messages or webhook events in an hour that are about one "
        "critical notice each. Further critical notices come in digests, at most one a minute. This setting needs a "
        "number per hour, group_by or group_wait_seconds.",
    ),
]
GroupBy = Annotated[
    list[Label],
    Field(
        description="Notices that are equal in these properties are grouped into one digest. Without it, and with "
        "group_wait_seconds, all notices are one group."
    ),
]
GroupWaitSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=86_400,
        description="Seconds that the first notice of a new group waits for others, which then share its digest.",
    ),
]
GroupIntervalSeconds = Annotated[
    float,
    Field(
        ge=1,
        le=86_400,
        description="Seconds between two digests of one group. It is also the shortest time for which a digest of "
        "notices above the cap of the hour gathers. This setting needs a number per hour, group_by or "
        "group_wait_seconds.",
    ),
]
#: The defaults of the two settings that have no effect without one of the others.
CRITICAL_PER_HOUR, GROUP_INTERVAL_SECONDS = 5, 300.0
#: The names of the caps of an hour; a section of the settings has one of them, or both.
MAILS, NOTICES = "mails_per_hour", "notices_per_hour"
#: The names of the other settings.
KEYS = ("critical_per_hour", "group_by", "group_wait_seconds", "group_interval_seconds")

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


class BundlingSettings(Protocol):
    """A section of the settings that has the keys of bundling, and at least one cap of an hour."""

    @property
    def critical_per_hour(self) -> int:
        """The largest number of mails in an hour that are about one critical notice each."""

    @property
    def group_by(self) -> list[Label]:
        """The properties by which notices are grouped."""

    @property
    def group_wait_seconds(self) -> float:
        """How long a new group waits."""

    @property
    def group_interval_seconds(self) -> float:
        """The time between two mails about a group."""


def check(settings: BundlingSettings) -> None:
    """Raise ValueError if a key is wrong, or has no effect."""
    if len(set(settings.group_by)) != len(settings.group_by):
        raise ValueError("group_by names a property twice")
    caps = [name for name in (MAILS, NOTICES) if hasattr(settings, name)]
    if any(bundling_of(settings, getattr(settings, name)) is not None for name in caps):
        return
    for name, default in (("critical_per_hour", CRITICAL_PER_HOUR), ("group_interval_seconds", GROUP_INTERVAL_SECONDS)):
        if getattr(settings, name) != default:
            raise ValueError(f"{name} needs {', '.join(caps)}, group_by or group_wait_seconds")


def bundling_of(settings: BundlingSettings, most: int | None) -> Bundling | None:
    """Return how mails are bundled; None if each notice is a mail of its own. `most`: the cap of the hour, if any."""
    if most is None and not settings.group_by and not settings.group_wait_seconds:
        return None
    return Bundling(
        most,
        settings.critical_per_hour,
        tuple(settings.group_by),
        int(settings.group_wait_seconds * 1_000),
        int(settings.group_interval_seconds * 1_000),
    )
