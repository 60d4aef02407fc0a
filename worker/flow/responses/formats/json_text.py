"""What the formats in JSON share: a text is read by a schema, or the reason is found why it has no response."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.dead_letter import Reason
from schemas.response import Response
from worker.errors import Rejected
from worker.expectations import expectation
from worker.flow.halves import OTHER, without_halves

Read = Callable[[bytes], Response]

_IDS = ("response_id", "survey_id", "customer_id")
ID_REASONS = {
    "string_too_short": Reason.ID_EMPTY,
    "string_too_long": Reason.ID_TOO_LONG,
    "string_pattern_mismatch": Reason.ID_CONTROL_CHARACTER,
}
#: The messages that replace those of pydantic, which name types of Python.
_WORDS = {
    "string_type": "expected a text",
    "bool_type": "expected true or false",
    "model_type": "expected an object",
    "timezone_aware": "has no time zone; expected one as in 2026-03-02T09:14:05+01:00 or 2026-03-02T08:14:05Z",
}
_SCORE_WORDS = "expected a whole number from 0 to 10"
_ID_WORDS = "expected a text or a whole number"
_SEGMENT_WORDS = 'expected a list of names, such as ["fr", "lyon"]'
_NO_WHOLE_NUMBER = {"float_type", "finite_number", "int_from_float"}
_RANGE_ERRORS = {"less_than_equal", "greater_than_equal", "finite_number", "int_parsing_size"}

#: Programs in .NET write it at the beginning of a UTF-8 text.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: The largest number of missing or wrong fields that are named. If there are more, their number is given.
_MOST_NAMED = 10
_CUSTOMER_MISSING = "is missing, and anonymous is not true"
_CUSTOMER_EMPTY = "must not be empty, unless anonymous is true"


def _nothing(_: bytes) -> None:
    """Say that there is no other format that the payload may have."""


def read_json(
    value: bytes, parse: Read, *, inside: str = "", instead: Callable[[bytes], Response | None] = _nothing
) -> Response:
    """Return the response that `parse` finds in a JSON text. Raise Rejected with the reason if there is none.

    `parse`: raises ValidationError or Rejected; `inside`: the field of the payload that has the response, empty if the
    payload is the response itself; `instead`: reads a payload in which a field is missing in another format, and
    returns None if it does not have this format.
    """
    try:
        response = parse(value)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
    else:
        if response.customer_id or response.anonymous:
            return response
        raise _without_customer(value, inside)
    # Other ways to read the value are tried only now, so that they cost nothing for valid records.
    if errors[0]["type"] == "json_invalid":
        repaired = without_halves(value)
        if repaired != value:
            response = read_json(repaired, parse, inside=inside, instead=instead)
            other = without_halves(value, OTHER)
            return _with_complete_ids(response, read_json(other, parse, inside=inside, instead=instead))
    elif errors[0]["type"] == "missing" and (found := instead(value)) is not None:
        return found
    raise _rejected(errors, value, inside)


def _with_complete_ids(response: Response, compared: Response) -> Response:
    """Return a response in which halves of characters were replaced. Raise Rejected if an id had such a half.

    Otherwise ids that end in different halves would become the same id, and one customer's answer a copy of another's.
    `compared` is the same response with another replacement. An id that had a half differs there. The customer's id of
    an anonymous answer is not used, and not compared.
    """
    for field in _IDS:
        unused = field == "customer_id" and response.anonymous
        if not unused and getattr(response, field) != getattr(compared, field):
            raise Rejected(Reason.INVALID_UTF8, f"{field}: has half of a character")
    return response


def _rejected(errors: Sequence[ErrorDetails], value: bytes, inside: str) -> Rejected:
    """Turn pydantic's first error into the reason, and all errors into the detail. No message repeats the input."""
    found: dict[str, str] = {}
    for error in errors:
        # A field that may have several types has an error for each type; the first one is enough.
        path = ".".join(str(part) for part in error["loc"] if part != "") or "value"
        found.setdefault(path, words_of(error))
    if errors[0]["type"] != "json_invalid" and (field := _missing_customer(value, inside)):
        found.setdefault(field, _CUSTOMER_MISSING)
    # Some objects may also be an empty list. So an object with a wrong field has a second error, which says nothing.
    inner = {path.rpartition(".")[0] for path in found}
    named = [f"{path}: {message}" for path, message in found.items() if path not in inner]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    return Rejected(_reason(errors[0], value), "; ".join([*named[:_MOST_NAMED], *more]))


def _without_customer(value: bytes, inside: str) -> Rejected:
    """Return why a response is refused whose customer's id is absent or empty, although it is not anonymous."""
    body = from_json(value)
    if (body[inside] if inside else body).get("customer_id") == "":
        return Rejected(Reason.ID_EMPTY, f"customer_id: {_CUSTOMER_EMPTY}")
    return Rejected(Reason.MISSING_FIELD, f"customer_id: {_CUSTOMER_MISSING}")


def words_of(error: ErrorDetails) -> str:
    """Return what was expected, in plain words if there are some for this error."""
    kind, fields = error["type"], [part for part in error["loc"] if part not in {"", "data"}]
    if fields == ["score"] and kind != "missing":
        return _SCORE_WORDS
    if len(fields) == 1 and fields[0] in _IDS and kind == "string_type":
        return _ID_WORDS
    if fields == ["segment"] and kind == "list_type":
        return _SEGMENT_WORDS
    return _WORDS.get(kind) or expectation(error)


def _missing_customer(value: bytes, inside: str) -> str:
    """Return the name of the customer id's field if it is absent or empty and the answer is not anonymous; else ""."""
    body = from_json(value)
    if inside and isinstance(body, dict):
        body = body.get(inside)
    if not isinstance(body, dict) or body.get("anonymous") is True or body.get("customer_id") not in (None, ""):
        return ""
    return f"{inside}.customer_id" if inside else "customer_id"


def _reason(error: Any, value: bytes) -> Reason:  # noqa: PLR0911 - one return per reason reads best as a list
    kind, loc = error["type"], list(error["loc"])
    if kind == "json_invalid":
        return json_reason(error["ctx"]["error"], value)
    if kind == "model_type" and not loc:
        return Reason.NOT_AN_OBJECT
    if loc and loc[0] == "data":
        loc = loc[1:]
    elif loc and loc[0] in {"specversion", "source", "type", "id"}:
        return Reason.ENVELOPE_INVALID
    if kind == "missing":
        return Reason.MISSING_FIELD
    field = loc[0] if loc else None
    if field == "score":
        return Reason.SCORE_NOT_INTEGER if kind in _NO_WHOLE_NUMBER else Reason.SCORE_OUT_OF_RANGE
    if field in _IDS and kind in ID_REASONS:
        return ID_REASONS[kind]
    if field == "responded_at":
        return Reason.TIME_NAIVE if kind == "timezone_aware" else Reason.TIME_INVALID
    if field == "segment":
        return Reason.SEGMENT_INVALID
    return Reason.OUT_OF_RANGE if kind in _RANGE_ERRORS else Reason.WRONG_TYPE


def json_reason(message: str, value: bytes) -> Reason:
    """Return the reason why a text is not JSON; `message`: what pydantic says."""
    if message.startswith("recursion limit"):
        return Reason.TOO_DEEP
    if message.startswith("number out of range"):
        return Reason.OUT_OF_RANGE
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.NOT_JSON
