"""The alert command: what a person, or a program such as a CRM, does about an alert."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.accepted import AcceptedId, AcceptedIdIfAny, AcceptedTimeIfAny
from schemas.base import Event
from schemas.case import CaseOutcome

#: The largest number of characters of a note.
LONGEST_NOTE = 4_000

_Note = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NOTE)]


class CommandAction(StrEnum):
    """What a command does to the case of an alert."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    NOTE = "note"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    REAPPLY = "reapply"


class AlertCommand(Event):
    """One command. The worker answers each record on `nps.alert-command-results`."""

    command_id: AcceptedId = Field(
        description="An id that the writer chooses, such as a UUID. A command that comes again with the same id "
        "changes nothing, and gets the same answer."
    )
    alert_id: AcceptedId = Field(description="The id of the alert.")
    customer_id: AcceptedId = Field(
        description="The id of the alert's customer. It should also be the record's key, so that commands about one "
        "customer are carried out in their order."
    )
    action: CommandAction = Field(
        description="'acknowledge': the actor looks after the alert. 'assign': `assignee` looks after it. 'note': "
        "`note` is added to it. 'resolve': nothing is left to do, with the `outcome`. 'reopen': there is something to "
        "do again. 'reapply': the time limits are computed again, by the current settings."
    )
    actor: AcceptedId = Field(description="Who acts: a name, an address or an id.")
    at: AcceptedTimeIfAny = Field(
        default=None,
        description="When the person acted, by the writer's clock. Receivers are informed of it; the worker computes "
        "with the record's Kafka time. A value that is not a time is ignored.",
    )
    via: AcceptedIdIfAny = Field(default=None, description="How the command was given, such as 'crm'.")
    opening: Annotated[int | None, Field(ge=1, lt=2**31)] = Field(
        default=None,
        description="The `opening` of the case that the actor has seen. If the case was reopened since then, the "
        "command is refused.",
    )
    assignee: AcceptedIdIfAny = Field(default=None, description="Who is to look after the alert. 'assign' needs it.")
    outcome: CaseOutcome | None = Field(
        default=None,
        description="What came of it: 'called_back', 'solved', 'could_not_reach' or 'not_justified'. 'resolve' needs "
        "it.",
    )
    cause: AcceptedIdIfAny = Field(
        default=None,
        description="What had gone wrong: one of the words of the setting cases.causes. 'resolve' needs it if "
        "cases.cause_required is true.",
    )
    note: _Note | None = Field(default=None, description="What the actor wants to say. 'note' needs it.")
    service_level: AcceptedIdIfAny = Field(
        default=None,
        description="For 'reapply': the name of the service level that the case has from now on. Without it, the case "
        "keeps the one that it has.",
    )
