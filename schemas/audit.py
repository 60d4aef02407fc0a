"""The audit event: what somebody has done on the page, or was refused."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier


class AuditAction(StrEnum):
    """What somebody has done."""

    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"
    LOGGED_OUT = "logged_out"
    SESSION_ENDED = "session_ended"
    ALERT_COMMAND = "alert_command"
    SILENCE_COMMAND = "silence_command"
    SENT_AGAIN = "sent_again"
    EXPORTED = "exported"


class Audit(Event):
    """One thing that somebody has done on the page. It has nothing of a customer."""

    audit_id: Identifier = Field(description="A UUID.")
    action: str = Field(
        description="What was done: 'logged_in'; 'login_refused'; 'logged_out'; 'session_ended' (an administrator has "
        "ended a session); 'alert_command'; 'silence_command'; 'sent_again' (the corrected value of a dead letter was "
        "published as a response); or 'exported' (a table was downloaded as CSV). Words may be added."
    )
    at: AwareDatetime = Field(description="When it was done, by the clock of the web process.")
    actor: str | None = Field(
        default=None,
        description="Who has done it. It is null if a login was refused and the name is not one of the settings.",
    )
    permission: str | None = Field(
        default=None, description="What the person may do: 'view', 'act' or 'admin'; null if a login was refused."
    )
    login: str = Field(
        description="How the person has logged in: 'password', 'oidc', 'header' (a proxy names the person) or 'none' "
        "(the page has no login and can only be opened on its own machine). Words may be added."
    )
    session: str | None = Field(
        default=None,
        description="The session, by a name from which nobody can compute its cookie; null without a session.",
    )
    about: str | None = Field(
        default=None,
        description="What it was done to: the id of an alert or a silence; the topic, partition and offset of the "
        "record that had become a dead letter; the session that was ended; or the name of the exported table. Null "
        "for logins and logouts.",
    )
    command: str | None = Field(
        default=None, description="What a command does, such as 'acknowledge' or 'add'; null if it is no command."
    )
    command_id: str | None = Field(default=None, description="The id of the command; null if it is no command.")
    outcome: str = Field(
        description="'applied'; 'unchanged' if there was nothing to do; 'refused'; 'unanswered' if a command is "
        "written and no worker has answered in time; or 'unsure' if Kafka may or may not have it. Words may be added."
    )
    reason: str | None = Field(
        default=None,
        description="Why it was refused, as a stable word: that of the worker's answer, or for a login "
        "'wrong_password', 'not_permitted' or 'provider_failed'. Null if it was not refused.",
    )
