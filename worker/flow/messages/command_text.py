"""The text of a command: it becomes a model, or the reason why it is refused. No message repeats what was written."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.accepted import AcceptedId
from schemas.base import Event
from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.expectations import expectation
from worker.flow.halves import OTHER, without_halves

#: The largest size of a command's value, in bytes. The longest note fits, however its characters are escaped.
LARGEST = 65_536

#: Programs in .NET write it at the beginning of a UTF-8 text.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REASONS = {
    "missing": Reason.MISSING_FIELD,
    "model_type": Reason.NOT_AN_OBJECT,
    "string_too_short": Reason.ID_EMPTY,
    "string_pattern_mismatch": Reason.ID_CONTROL_CHARACTER,
    "greater_than_equal": Reason.OUT_OF_RANGE,
    "less_than": Reason.OUT_OF_RANGE,
}
_WORDS = {
    "string_type": "expected a text",
    "model_type": "expected an object",
    "extra_forbidden": "has a matcher that does not exist",
}
#: The fields that are free texts, and no ids.
_TEXTS = frozenset({"note", "reason", "match"})
#: Those in which half of a character is replaced, and is no reason to refuse a command.
_REPAIRED = frozenset({"note", "reason"})
#: The largest number of wrong fields that are named.
_MOST_NAMED = 10

_Command = TypeVar("_Command", bound=Event)

_id: Callable[[object], str] = TypeAdapter(AcceptedId).validate_python


def read(value: bytes | None, parse: Callable[[bytes], _Command]) -> _Command:
    """Return the command of a record's value, as `parse` makes it. Raise Rejected with the reason if there is none."""
    if value is None:
        raise Rejected(Reason.NOT_AN_OBJECT, "value: expected an object")
    if len(value) > LARGEST:
        raise Rejected(Reason.TOO_LARGE, f"{len(value)} bytes, at most {LARGEST} are accepted")
    text = value.removeprefix(_BYTE_ORDER_MARK)
    try:
        return parse(text)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
    if errors[0]["type"] == "json_invalid" and (repaired := without_halves(text)) != text:
        return _complete(read(repaired, parse), read(without_halves(text, OTHER), parse))
    raise _rejected(errors, value)


def _complete(command: _Command, compared: _Command) -> _Command:
    """Return a command in which halves of characters were replaced. Raise Rejected if an id had such a half.

    Otherwise ids that end in different halves would become the same id. `compared` is the same command with another
    replacement. A field that had half of a character differs there.
    """
    for field in type(command).model_fields:
        if field not in _REPAIRED and getattr(command, field) != getattr(compared, field):
            raise Rejected(Reason.INVALID_UTF8, f"{field}: has half of a character")
    return command


def ids_in(value: bytes | None, *names: str) -> Mapping[str, str | None]:
    """Return those of the named ids that a value has which is no valid command; None for one that it has not.

    A value that is too large for a command has ids, too.
    """
    text = (value or b"").removeprefix(_BYTE_ORDER_MARK)
    try:
        bodies = [from_json(text)]
    except ValueError:
        bodies = _repaired(text)
    by_name = {name: {_id_in(body, name) for body in bodies} for name in names}
    return {name: found.pop() if len(found) == 1 else None for name, found in by_name.items()}


def _repaired(text: bytes) -> list[object]:
    """Return what a text says with each replacement of the halves of its characters; nothing if it is not JSON."""
    try:
        return [from_json(without_halves(text)), from_json(without_halves(text, OTHER))]
    except ValueError:
        return []


def _id_in(body: object, name: str) -> str | None:
    try:
        return _id(body.get(name) if isinstance(body, dict) else None)
    except ValidationError:
        return None


def _rejected(errors: list[ErrorDetails], value: bytes) -> Rejected:
    """Turn pydantic's first error into the reason, and all errors into the detail."""
    found: dict[str, str] = {}
    for error in errors:
        # A field that may have several types has an error for each type; the first one is enough.
        field = str(error["loc"][0]) if error["loc"] else "value"
        found.setdefault(field, _words_of(error))
    named = [f"{field}: {message}" for field, message in found.items()]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    return Rejected(_reason(errors[0], value), "; ".join([*named[:_MOST_NAMED], *more]))


def _words_of(error: ErrorDetails) -> str:
    return _WORDS.get(error["type"]) or expectation(error)


def _reason(error: ErrorDetails, value: bytes) -> Reason:
    if error["type"] == "string_too_long":
        return Reason.TOO_LARGE if error["loc"][0] in _TEXTS else Reason.ID_TOO_LONG
    if error["type"] != "json_invalid":
        return _REASONS.get(error["type"], Reason.WRONG_TYPE)
    if "recursion limit" in error["ctx"]["error"]:
        return Reason.TOO_DEEP
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.NOT_JSON
