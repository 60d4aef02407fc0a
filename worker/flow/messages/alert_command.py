"""Alert commands: a record becomes a command, or the reason why it is refused; and every record gets one answer."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.alert_command import AlertCommand, CommandAction
from schemas.alert_command_result import AlertCommandResult, CommandOutcome
from schemas.dead_letter import Reason
from schemas.emitted import emitted
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output, Place
from worker.flow.ids import make_id
from worker.flow.messages import command_text
from worker.flow.text import on_lines
from worker.flow.timestamps import from_ms, rfc3339

#: The field that an action cannot do without. What a resolution needs also depends on the settings (cases/case.py).
_NEEDED = {CommandAction.ASSIGN: "assignee", CommandAction.NOTE: "note", CommandAction.RESOLVE: "outcome"}

_Result = emitted(AlertCommandResult)
_parse: Callable[[bytes], AlertCommand] = AlertCommand.__pydantic_validator__.validate_json


class Ids(NamedTuple):
    """The ids by which a command is answered."""

    command_id: str
    customer_id: str
    #: None if the command does not name an alert.
    alert_id: str | None


class Answer(NamedTuple):
    """What became of a command."""

    outcome: CommandOutcome
    #: The state of the case, the number of its last step, and how often it was opened; None if no case is known.
    state: str | None = None
    step: int | None = None
    opening: int | None = None
    #: Why it was refused; None if it was not.
    rejected: Rejected | None = None


def read(value: bytes | None) -> AlertCommand:
    """Return the command of a record's value. Raise Rejected with the reason if there is none."""
    command = command_text.read(value, _parse)
    needed = _NEEDED.get(command.action)
    if needed is not None and not on_lines(getattr(command, needed) or ""):
        raise Rejected(Reason.MISSING_FIELD, f"{needed}: is missing, and the action '{command.action}' needs it")
    return command


def ids_in(value: bytes | None) -> Ids | None:
    """Return the ids of a value that is no valid command; None if it cannot be answered."""
    found = command_text.ids_in(value, "command_id", "customer_id", "alert_id")
    command_id, customer_id = found["command_id"], found["customer_id"]
    if command_id is None or customer_id is None:
        return None
    return Ids(command_id, customer_id, found["alert_id"])


def answer(ids: Ids, answered: Answer, place: Place, now: int, partition: int | None = None) -> Output:
    """Return the event that answers the record at a place of the commands' topic.

    `now`: when the command was decided, in ms; `partition`: as in Output.
    """
    event_id = make_id("alert-command-result", *place)
    rejected = answered.rejected
    body = _Result(
        command_id=ids.command_id,
        alert_id=ids.alert_id,
        customer_id=ids.customer_id,
        outcome=answered.outcome,
        reason=None if rejected is None else rejected.reason,
        detail="" if rejected is None else rejected.detail,
        state=answered.state,
        step=answered.step,
        opening=answered.opening,
        decided_at=from_ms(now),
    )
    sent = events.output(events.ALERT_COMMAND_RESULT, ids.customer_id.encode(), body, event_id, rfc3339(now))
    return sent if partition is None else Output(sent.topic, sent.key, sent.value, sent.headers, partition=partition)
