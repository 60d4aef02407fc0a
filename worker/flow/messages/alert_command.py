"""Alert commands: a record becomes a command, or the reason why it is refused; and every record gets one answer."""

from collections.abc import Callable
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.accepted import AcceptedId
from schemas.alert_command import AlertCommand, CommandAction
from schemas.alert_command_result import AlertCommandResult, CommandOutcome
from schemas.dead_letter import Reason
from schemas.emitted import emitted
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output, Place
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, rfc3339

#: The largest size of a command's value, in bytes. The longest note fits, however its characters are escaped.
LARGEST = 65_536

#: Programs in .NET write it at the beginning of a UTF-8 text.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: The field that an action cannot do without. What a resolution needs also depends on the settings (cases/case.py).
_NEEDED = {CommandAction.ASSIGN: "assignee", CommandAction.NOTE: "note", CommandAction.RESOLVE: "outcome"}
_REASONS = {
    "missing": Reason.MISSING_FIELD,
    "model_type": Reason.NOT_AN_OBJECT,
    "string_too_short": Reason.ID_EMPTY,
    "string_pattern_mismatch": Reason.ID_CONTROL_CHARACTER,
    "greater_than_equal": Reason.OUT_OF_RANGE,
    "less_than": Reason.OUT_OF_RANGE,
}
_WORDS = {
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must have no control characters",
    "string_type": "expected a text",
    "model_type": "expected an object",
}
#: The largest number of wrong fields that are named.
_MOST_NAMED = 10

_Result = emitted(AlertCommandResult)
_parse: Callable[[bytes], AlertCommand] = AlertCommand.__pydantic_validator__.validate_json
_id: Callable[[object], str] = TypeAdapter(AcceptedId).validate_python


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
    if value is None:
        raise Rejected(Reason.NOT_AN_OBJECT, "value: expected an object")
    if len(value) > LARGEST:
        raise Rejected(Reason.TOO_LARGE, f"{len(value)} bytes, at most {LARGEST} are accepted")
    try:
        command = _parse(value.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        raise _rejected(error.errors(include_input=False, include_url=False), value) from None
    needed = _NEEDED.get(command.action)
    if needed is not None and getattr(command, needed) is None:
        raise Rejected(Reason.MISSING_FIELD, f"{needed}: is missing, and the action '{command.action}' needs it")
    return command


def ids_in(value: bytes | None) -> Ids | None:
    """Return the ids of a value that is no valid command; None if it cannot be answered."""
    if value is None or len(value) > LARGEST:
        return None
    try:
        body = from_json(value.removeprefix(_BYTE_ORDER_MARK))
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    command_id, customer_id = _id_in(body, "command_id"), _id_in(body, "customer_id")
    if command_id is None or customer_id is None:
        return None
    return Ids(command_id, customer_id, _id_in(body, "alert_id"))


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


def _id_in(body: dict[object, object], name: str) -> str | None:
    try:
        return _id(body.get(name))
    except ValidationError:
        return None


def _rejected(errors: list[ErrorDetails], value: bytes) -> Rejected:
    """Turn pydantic's first error into the reason, and all errors into the detail. No message repeats the input."""
    found: dict[str, str] = {}
    for error in errors:
        # A field that may have several types has an error for each type; the first one is enough.
        field = str(error["loc"][0]) if error["loc"] else "value"
        found.setdefault(field, _words_of(error))
    named = [f"{field}: {message}" for field, message in found.items()]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    return Rejected(_reason(errors[0], value), "; ".join([*named[:_MOST_NAMED], *more]))


def _words_of(error: ErrorDetails) -> str:
    if error["type"] == "string_too_long":
        return f"must have at most {error['ctx']['max_length']} characters"
    return _WORDS.get(error["type"], error["msg"])


def _reason(error: ErrorDetails, value: bytes) -> Reason:
    if error["type"] == "string_too_long":
        return Reason.TOO_LARGE if error["loc"][0] == "note" else Reason.ID_TOO_LONG
    if error["type"] != "json_invalid":
        return _REASONS.get(error["type"], Reason.WRONG_TYPE)
    if "recursion limit" in error["ctx"]["error"]:
        return Reason.TOO_DEEP
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.NOT_JSON
