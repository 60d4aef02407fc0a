"""Receivers: who gets notices, on which channels, in which language and time zone, and in which hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from schemas.alert import Severity
from worker.address import check_address, without_repeats
from worker.routing.bundling import (
    CRITICAL_PER_HOUR,
    GROUP_INTERVAL_SECONDS,
    Bundling,
    CriticalPerHour,
    GroupBy,
    GroupIntervalSeconds,
    GroupWaitSeconds,
    MailsPerHour,
    NoticesPerHour,
    bundling_of,
    check,
)
from worker.routing.calendar import Calendar, after
from worker.routing.comment import plain
from worker.routing.hours import zone_name
from worker.section import Section

#: The languages that notices can be in.
Language = Literal["fr", "en"]
#: The name of the channel e-mail, which is also the name of the key of its addresses.
EMAIL = "email"


class ReceiverSettings(Section):
    """A receiver of alerts and incidents, as the settings describe it."""

    email: list[str] = Field(
        default=[], description="The mail addresses of the receiver. One mail about each notice goes to all of them."
    )
    webhook: str | None = Field(
        default=None,
        description="The name in webhook.endpoints of the endpoint that gets the receiver's alerts and incidents.",
    )
    chat: str | None = Field(
        default=None,
        description="The name in chat.endpoints of the room that gets the receiver's alerts and incidents.",
    )
    owners: list[str] = Field(
        default=[],
        description="The account owners that the receiver stands for, as responses name them in `customer.owner`; "
        "upper and lower case make no difference. Routes with `to_owner` find the receiver by them.",
    )
    calendar: str | None = Field(
        default=None,
        description="The name of the receiver's calendar. Outside its hours, notices wait until its next working time. "
        "Without a calendar, notices are sent at any hour.",
    )
    quiet_except: list[Severity] = Field(
        default=[Severity.CRITICAL],
        description="The severities of notices that are sent at any hour, whatever the calendar says. This "
        "setting needs a calendar.",
    )
    language: Language | None = Field(
        default=None,
        description="The language of the receiver's notices. Without it, they are in the language of the response, "
        "or in email.default_language or chat.default_language.",
    )
    time_zone: str | None = Field(
        default=None,
        description="The time zone in which notices show times, such as 'Europe/Paris'. Without it, email.time_zone or "
        "chat.time_zone.",
    )

    notices_per_hour: NoticesPerHour = None
    mails_per_hour: MailsPerHour = None
    critical_per_hour: CriticalPerHour = CRITICAL_PER_HOUR
    group_by: GroupBy = Field(default=[])
    group_wait_seconds: GroupWaitSeconds = 0.0
    group_interval_seconds: GroupIntervalSeconds = GROUP_INTERVAL_SECONDS

    @field_validator("email")
    @classmethod
    def _addresses(cls, addresses: list[str]) -> list[str]:
        return without_repeats(check_address(address) for address in addresses)

    @field_validator("owners")
    @classmethod
    def _owners(cls, owners: list[str]) -> list[str]:
        if not all(map(plain, owners)):
            raise ValueError("has an empty text, which is no owner")
        return owners

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str | None) -> str | None:
        return None if name is None else zone_name(name)

    @model_validator(mode="after")
    def _is_reachable(self) -> "ReceiverSettings":
        if not (self.email or self.webhook or self.chat):
            raise ValueError('needs a channel: email = ["…"], webhook = "…" or chat = "…"')
        if self.calendar is None and "quiet_except" in self.model_fields_set:
            raise ValueError("quiet_except needs a calendar")
        return self

    @model_validator(mode="after")
    def _bundling_has_effect(self) -> "ReceiverSettings":
        check(self)
        if self.mails_per_hour is not None and not self.email:
            raise ValueError("mails_per_hour is about mails, and needs email; write notices_per_hour in its place")
        return self

    @property
    def bundling(self) -> Bundling | None:
        """How the receiver's mails are bundled; None if each notice is a mail of its own."""
        return bundling_of(self, self.notices_per_hour if self.mails_per_hour is None else self.mails_per_hour)

    @property
    def bundling_of_posts(self) -> Bundling | None:
        """How what is posted to the receiver is bundled; None if each notice is posted by itself."""
        return bundling_of(self, self.notices_per_hour)


@dataclass(frozen=True)
class Receiver:
    """A receiver of alerts and incidents."""

    name: str
    #: The places that notices go to, by the name of the channel: for e-mail, the addresses.
    targets: Mapping[str, Sequence[str]]
    language: Language | None = None
    #: The time zone in which notices show times; None if the channel's settings decide.
    zone: ZoneInfo | None = None
    calendar: Calendar | None = None
    #: The severities that are sent at any hour.
    quiet_except: frozenset[Severity] = field(default_factory=frozenset)
    #: How the receiver's mails are bundled; None if each notice is a mail of its own. If the receiver is a place of
    #: another channel (places.py), it is about what is posted there.
    bundling: Bundling | None = None
    #: How webhook events and chat messages are bundled, likewise. A receiver that is a place has it as `bundling`.
    bundling_of_posts: Bundling | None = None

    def held_until(self, severity: Severity, moment: int) -> int | None:
        """Return until when a notice has to wait because of the quiet hours, in ms; None if it may be sent.

        A calendar that has no working time for two years holds nothing back, since a notice is never dropped.
        """
        if self.calendar is None or severity in self.quiet_except:
            return None
        until = after(self.calendar, moment, 0)
        return None if until is None or until <= moment else until
