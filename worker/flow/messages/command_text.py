"""The text of a command: it becomes a model, or the reason why it is refused. No message repeats what was written."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.accepted import AcceptedId
from schemas.base import Event
from schemas.dead_letter import Reason
from worker.errors import Rejected

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
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must have no control characters",
    "string_type": "expected a text",
    "model_type": "expected an object",
    "extra_forbidden": "has a matcher that does not exist",
}
#: The fields that are free texts, and no ids.
_TEXTS = frozenset({"note", "reason", "match"})
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
    try:
        return parse(value.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        raise _rejected(error.errors(include_input=False, include_url=False), value) from None


def ids_in(value: bytes | None, *names: str) -> Mapping[str, str | None]:
    """Return those of the named ids that a value has which is no valid command; None for one that it has not."""
    body: object = None
    if value is not None and len(value) <= LARGEST:
        try:
            body = from_json(value.removeprefix(_BYTE_ORDER_MARK))
        except ValueError:
            body = None
    found = body if isinstance(body, dict) else {}
    return {name: _id_in(found, name) for name in names}


def _id_in(body: dict[object, object], name: str) -> str | None:
    try:
        return _id(body.get(name))
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
    if error["type"] == "string_too_long":
        return f"must have at most {error['ctx']['max_length']} characters"
    return _WORDS.get(error["type"], error["msg"])


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
