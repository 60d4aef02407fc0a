"""Validation: from a record's raw bytes to a response, or to the reason why not.

Three forms are accepted: bare JSON, a CloudEvent in binary mode (its attributes are headers, its value is the same
JSON) and one in structured mode.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.base import LONGEST_ID, Identifier
from schemas.cloudevents import SPEC_VERSION, STRUCTURED_CONTENT_TYPE, StructuredResponse
from schemas.dead_letter import Reason
from schemas.response import Customer, Response
from worker.errors import Rejected
from worker.flow.batch import Record
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.flow.timestamps import HOUR, LATEST, to_ms

_parse: Callable[[bytes], Response] = Response.__pydantic_validator__.validate_json
_parse_structured: Callable[[bytes], StructuredResponse] = StructuredResponse.__pydantic_validator__.validate_json

_check_id: Callable[[str], str] = TypeAdapter(Identifier).validate_python

_IDS = ("response_id", "survey_id", "customer_id")
_ID_REASONS = {
    "string_too_short": Reason.ID_EMPTY,
    "string_too_long": Reason.ID_TOO_LONG,
    "string_pattern_mismatch": Reason.ID_CONTROL_CHARACTER,
}
#: What is said instead of pydantic's own words, which name types of Python.
_WORDS = {
    "string_too_short": "must not be empty",
    "string_too_long": f"must have at most {LONGEST_ID} characters",
    "string_pattern_mismatch": "must have no control characters",
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

#: .NET writes it before what it calls UTF-8.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: An escape in a JSON text; in its group, half of a pair that has no other half.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
#: What half of a character in a text becomes.
_REPLACEMENT = rb"\ufffd"

#: So many missing or wrong fields are named; of more, how many there are.
_MOST_NAMED = 10
_CUSTOMER_MISSING = "Field required, unless anonymous is true"
_CUSTOMER_EMPTY = "Must not be empty, unless anonymous is true"

#: How the customer id of an anonymous answer begins.
ANONYMOUS = "anonymous:"


def validate(record: Record, policy: IntakePolicy) -> tuple[Response, int]:
    """Return the record's response, and when it was given, in ms. Raise Rejected with the reason if it holds none."""
    value = record.value
    assert value is not None
    if len(value) > policy.max_bytes:
        raise Rejected(Reason.TOO_LARGE, f"{len(value)} bytes, at most {policy.max_bytes} are accepted")
    response = _read(record, value)
    if response.anonymous:
        response = _anonymous(response)
    if not 0 <= record.timestamp <= LATEST:
        raise Rejected(Reason.TIME_INVALID, "the record's Kafka time: is no time in milliseconds")
    given = to_ms(response.responded_at)
    if given < 0:
        raise Rejected(Reason.TIME_INVALID, "responded_at: is before 1970")
    if given > record.timestamp + policy.max_ahead_hours * HOUR:
        raise Rejected(
            Reason.TIME_FUTURE,
            f"responded_at: lies more than {policy.max_ahead_hours:g} hours (intake.max_ahead_hours) ahead of the "
            "record's Kafka time",
        )
    return response, given


def _anonymous(response: Response) -> Response:
    """Return an anonymous answer under an id of its own, without whatever it says of the customer.

    The id is made of survey and response, so that a copy is recognised, and nobody else's answer is taken for one.
    """
    customer_id = ANONYMOUS + make_id("anonymous", response.survey_id, response.response_id)
    return response.model_copy(update={"customer_id": customer_id, "customer": Customer()})


def erased_key(record: Record) -> bytes:
    """Return the key of the customer whom a null value erases. Raise Rejected if it can be no customer's id."""
    key = record.key
    if not key:
        raise Rejected(Reason.NO_KEY, "a null value needs the key of the customer to erase")
    try:
        _check_id(key.decode())
    except UnicodeDecodeError:
        raise Rejected(Reason.INVALID_UTF8, "key: is not UTF-8") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Rejected(_ID_REASONS[first["type"]], f"key: {_words(first)}") from None
    return key


def _read(record: Record, value: bytes) -> Response:
    structured = False
    if record.headers:
        version = header(record, "ce_specversion")
        if version is not None and version.decode(errors="replace") != SPEC_VERSION:
            raise Rejected(Reason.ENVELOPE_INVALID, f"ce_specversion: must be {SPEC_VERSION}")
        structured = (header(record, "content-type") or b"").startswith(STRUCTURED_CONTENT_TYPE)
    return _parsed(value.removeprefix(_BYTE_ORDER_MARK), structured=structured)


def _parsed(value: bytes, *, structured: bool) -> Response:
    try:
        response = _structured(value) if structured else _parse(value)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
    else:
        if response.customer_id or response.anonymous:
            return response
        raise _without_customer(value, structured=structured)
    first = errors[0]
    # Other ways of reading that may succeed are looked for here, where they cost few.
    if first["type"] == "json_invalid":
        whole = _ESCAPE.sub(_without_half, value)
        if whole != value:
            return _with_own_ids(_parsed(whole, structured=structured), value, structured=structured)
    elif first["type"] == "missing" and not structured and b'"specversion"' in value:
        return _parsed(value, structured=True)  # a structured event whose publisher set no content type
    raise _rejected(errors, value, structured=structured)


def _without_half(escape: re.Match[bytes], instead: bytes = _REPLACEMENT) -> bytes:
    """Replace half of a character, which a tool leaves that cuts comments by UTF-16 units."""
    return escape[0] if escape[1] is None else instead


def _with_own_ids(response: Response, value: bytes, *, structured: bool) -> Response:
    """Return a response whose halves of characters were replaced. Raise Rejected if one of them was in an id.

    Ids that end in different halves would become one id, and one customer's answer a copy of another's. An id had a
    half in it if it changes with what halves are replaced by. The customer's id of an anonymous answer is not used.
    """
    otherwise = _parsed(_ESCAPE.sub(partial(_without_half, instead=b"?"), value), structured=structured)
    for field in _IDS:
        unused = field == "customer_id" and response.anonymous
        if not unused and getattr(response, field) != getattr(otherwise, field):
            raise Rejected(Reason.INVALID_UTF8, f"{field}: has half of a character")
    return response


def _structured(value: bytes) -> Response:
    envelope = _parse_structured(value)
    if envelope.specversion != SPEC_VERSION:
        raise Rejected(Reason.ENVELOPE_INVALID, f"specversion: must be {SPEC_VERSION}")
    return envelope.data


def _rejected(errors: Sequence[ErrorDetails], value: bytes, *, structured: bool) -> Rejected:
    """Turn pydantic's first error into a reason, and all of them into the detail; no message repeats the input."""
    found: dict[str, str] = {}
    for error in errors:
        # A field of several types has nameless parts, one for each: what the first one says is enough.
        path = ".".join(str(part) for part in error["loc"] if part != "") or "value"
        found.setdefault(path, _words(error))
    if errors[0]["type"] != "json_invalid" and (field := _missing_customer(value, structured=structured)):
        found.setdefault(field, _CUSTOMER_MISSING)
    # An object with a wrong field is also no empty list, which is accepted in its place: that says nothing.
    inner = {path.rpartition(".")[0] for path in found}
    named = [f"{path}: {message}" for path, message in found.items() if path not in inner]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    return Rejected(_reason(errors[0], value), "; ".join([*named[:_MOST_NAMED], *more]))


def _without_customer(value: bytes, *, structured: bool) -> Rejected:
    """Say whether the customer's id is absent or empty, as it may be in anonymous answers only."""
    body = from_json(value)
    if (body["data"] if structured else body).get("customer_id") == "":
        return Rejected(Reason.ID_EMPTY, f"customer_id: {_CUSTOMER_EMPTY}")
    return Rejected(Reason.MISSING_FIELD, f"customer_id: {_CUSTOMER_MISSING}")


def _words(error: ErrorDetails) -> str:
    """Say what was expected, in plain words where there are some."""
    kind, fields = error["type"], [part for part in error["loc"] if part not in {"", "data"}]
    if fields == ["score"] and kind != "missing":
        return _SCORE_WORDS
    if len(fields) == 1 and fields[0] in _IDS and kind == "string_type":
        return _ID_WORDS
    if fields == ["segment"] and kind == "list_type":
        return _SEGMENT_WORDS
    return _WORDS.get(kind, error["msg"])


def _missing_customer(value: bytes, *, structured: bool) -> str:
    """Return the name of the customer's field if it is absent or empty, as it may be in anonymous answers only."""
    body = from_json(value)
    if structured and isinstance(body, dict):
        body = body.get("data")
    if not isinstance(body, dict) or body.get("anonymous") is True or body.get("customer_id") not in (None, ""):
        return ""
    return "data.customer_id" if structured else "customer_id"


def _reason(error: Any, value: bytes) -> Reason:  # noqa: PLR0911 - one return per reason reads best as a list
    kind, loc = error["type"], list(error["loc"])
    if kind == "json_invalid":
        return _json_reason(error["ctx"]["error"], value)
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
    if field in _IDS and kind in _ID_REASONS:
        return _ID_REASONS[kind]
    if field == "responded_at":
        return Reason.TIME_NAIVE if kind == "timezone_aware" else Reason.TIME_INVALID
    if field == "segment":
        return Reason.SEGMENT_INVALID
    return Reason.OUT_OF_RANGE if kind in _RANGE_ERRORS else Reason.WRONG_TYPE


def _json_reason(message: str, value: bytes) -> Reason:
    if message.startswith("recursion limit"):
        return Reason.TOO_DEEP
    if message.startswith("number out of range"):
        return Reason.OUT_OF_RANGE
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.NOT_JSON
