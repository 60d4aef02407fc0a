"""Silence commands: a record becomes a command, or the reason why it is refused; and every record gets one answer."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.alert_command_result import CommandOutcome
from schemas.dead_letter import Reason
from schemas.emitted import emitted
from schemas.silence_command import SilenceAction, SilenceCommand
from schemas.silence_command_result import SilenceCommandResult
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.ids import make_id
from worker.flow.messages import command_text
from worker.flow.text import on_one_line
from worker.flow.timestamps import from_ms, rfc3339
from worker.routing.silencing import Silencing

_NEEDED = ("match", "until", "reason")

_Result = emitted(SilenceCommandResult)
_parse: Callable[[bytes], SilenceCommand] = SilenceCommand.__pydantic_validator__.validate_json


class Ids(NamedTuple):
    """The ids by which a command is answered."""

    command_id: str
    #: Empty if the command does not name a silence correctly.
    silence_id: str


class Answer(NamedTuple):
    """What became of a command."""

    outcome: CommandOutcome
    #: The version of the silence; None if there is none.
    version: int | None = None
    #: Why it was refused; None if it was not.
    rejected: Rejected | None = None


def read(value: bytes | None) -> SilenceCommand:
    """Return the command of a record's value. Raise Rejected with the reason if there is none."""
    command = command_text.read(value, _parse)
    if command.action is not SilenceAction.ADD:
        return command
    if command.silence_id != on_one_line(command.silence_id):
        detail = "silence_id: must have only characters that can be printed, and no blanks at its ends"
        raise Rejected(Reason.ID_CONTROL_CHARACTER, detail)
    command = command.model_copy(update={"reason": on_one_line(command.reason or "") or None})
    for needed in _NEEDED:
        if getattr(command, needed) is None:
            raise Rejected(Reason.MISSING_FIELD, f"{needed}: is missing, and the action 'add' needs it")
    assert command.match is not None
    return command.model_copy(update={"match": Silencing(command.match).match})


def ids_in(value: bytes | None) -> Ids | None:
    """Return the ids of a value that is no valid command; None if it cannot be answered."""
    found = command_text.ids_in(value, "command_id", "silence_id")
    command_id = found["command_id"]
    return None if command_id is None else Ids(command_id, found["silence_id"] or "")


def answer(ids: Ids, answered: Answer, record: Record) -> Output:
    """Return the event that answers a record of the topic of the commands.

    Its key is the silence's id. Without one, it is the command's.
    """
    event_id = make_id("silence-command-result", record.partition, record.offset)
    rejected = answered.rejected
    body = _Result(
        command_id=ids.command_id,
        silence_id=ids.silence_id,
        outcome=answered.outcome,
        reason=None if rejected is None else rejected.reason,
        detail="" if rejected is None else rejected.detail,
        version=answered.version,
        decided_at=from_ms(record.timestamp),
    )
    key, time = (ids.silence_id or ids.command_id).encode(), rfc3339(record.timestamp)
    return events.output(events.SILENCE_COMMAND_RESULT, key, body, event_id, time)
