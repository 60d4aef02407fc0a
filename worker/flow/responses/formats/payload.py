"""How bodies of deliveries are read: JSON or a form becomes nested values, whose parts are looked up without errors.

All functions raise NoResponse if there is a reason to refuse the body. No reason has a value of the body.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from schemas.dead_letter import Reason
from worker.flow.responses.formats.forms import FORM, MULTIPART, looks_like_form, read_form, read_multipart
from worker.flow.responses.formats.json_text import BYTE_ORDER_MARK
from worker.flow.responses.formats.outcome import NoResponse, Refused, refused
from worker.flow.timestamps import LATEST, from_ms, to_ms

#: A time as programs in Ruby print it: 2026-03-02 07:57:26 -0700.
_SPACED_OFFSET = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(?:([+-]\d\d):?(\d\d)|(?:UTC|GMT|Z))", re.ASCII
)
_NUMBER = re.compile(r"\d{1,17}(\.\d{1,9})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}(\.0+)?", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,9}(\.\d+)?", re.ASCII)
#: A number of at least this size counts milliseconds since 1970, a smaller one seconds: this is the year 5138 in
#: seconds, and 1973 in milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
#: The first time that a number can stand for, in ms: 2000-01-01, before anybody asked for an NPS. Smaller numbers are
#: other things: a day such as 20261130, a year, or a day as Excel counts it.
EARLIEST = 946_684_800_000
#: An id that can be a part of a path without changing its meaning.
_PATH_PART = re.compile(r"[A-Za-z0-9_-]{1,200}")


def read_body(body: bytes, content_type: str) -> Any:
    """Return the values of a body: of a form if the content type says so, and of JSON otherwise."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == FORM and not body.lstrip().startswith((b"{", b"[")):
        return read_form(body)  # `curl -d` says that JSON is a form as well, and no form begins so
    if kind == MULTIPART:
        return read_multipart(body, content_type)
    try:
        return read_json(body)
    except NoResponse as ended:
        if not (
            isinstance(ended.outcome, Refused) and ended.outcome.reason is Reason.NOT_JSON and looks_like_form(body)
        ):
            raise
        detail = (
            f"{ended.outcome.detail}; it looks like a form, which needs the header Content-Type: {FORM}, or {MULTIPART}"
        )
        raise refused(Reason.NOT_JSON, detail) from None


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text."""
    text = _text(body.removeprefix(BYTE_ORDER_MARK))
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        # The byte helps whoever has written a template: templates do not escape quotes and line ends.
        place = len(text[: error.pos].encode())
        raise refused(Reason.NOT_JSON, f"byte {place}: {error.msg[0].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise refused(Reason.TOO_DEEP, "the values are nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise refused(Reason.OUT_OF_RANGE, "a number has too many digits") from None


def read_object(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object."""
    return as_object(read_json(body))


def as_object(value: Any) -> dict[str, Any]:
    """Return a value that has to be an object."""
    if not isinstance(value, dict):
        raise refused(Reason.NOT_AN_OBJECT, "expected an object")
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refused(Reason.INVALID_UTF8, "the body is not UTF-8") from None


def _no_number(_: str) -> NoReturn:
    raise refused(Reason.NOT_JSON, "NaN and Infinity are no numbers of JSON")


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of members; None if there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def names(value: Any) -> list[str]:
    """Return the names of an object's members; an empty list if the value is no object."""
    return [*value] if isinstance(value, dict) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; an empty list if the value is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(value: Any) -> str:
    """Return a text, or a whole number as its digits; an empty text if the value is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 2**64 else ""
    return value if isinstance(value, str) else ""


def path_part(value: Any, name: str) -> str:
    """Return an id that becomes a part of a path of the tool's API."""
    text = word(value)
    if not _PATH_PART.fullmatch(text):
        raise refused(Reason.NOT_OF_THIS_TOOL, f"{name}: expected an id of letters, digits, dashes and underscores")
    return text


def score(value: Any) -> Any:
    """Return a score as the canonical response has it: the texts "7" and "7.0" become 7.

    A number with decimals is no answer on a scale from 0 to 10. What is no number at all is returned as it is, since
    the schema says best what is wrong with it.
    """
    if isinstance(value, str):
        value = value.strip()
        if _WHOLE.fullmatch(value):
            return int(float(value))
        if not _DECIMAL.fullmatch(value):
            return value
        value = float(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise refused(Reason.NOT_NPS_SCALE, "score: expected a whole number from 0 to 10, not one with decimals")
        return int(value)
    return value


def time(value: Any, name: str) -> Any:
    """Return a time as RFC 3339 has it, out of seconds or milliseconds since 1970, or a time as Ruby prints it.

    Another text is returned as it is: the schema says what is wrong with it, for instance that it has no offset.
    `name`: of the field, for the reason why a number is refused.
    """
    if isinstance(value, str):
        text = value.strip()
        if spaced := _SPACED_OFFSET.fullmatch(text):
            day, clock, hours, minutes = spaced.groups()
            return f"{day}T{clock}{f'{hours}:{minutes}' if hours else 'Z'}"
        if not _NUMBER.fullmatch(text):
            return text
        value = float(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        ms = value if value >= _MILLISECONDS_FROM else value * 1_000
        if not EARLIEST <= ms <= LATEST:
            raise refused(Reason.TIME_INVALID, f"{name}: is no number of seconds or milliseconds from 2000 on")
        return from_ms(round(ms)).isoformat().replace("+00:00", "Z")
    return value


def is_time(text: str) -> bool:
    """Say whether a text is a time as ISO 8601 has it, with or without an offset."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def time_if_any(value: Any) -> Any:
    """Return a time as `time` does, or None for a number that is no time. The response does without such a time."""
    try:
        return time(value, "")
    except NoResponse:
        return None


def seconds(value: Any, name: str) -> int:
    """Return a time in seconds since 1970, which serves as a revision. `name`: of the tool's field, for the reason."""
    return milliseconds(value, name) // 1_000


def milliseconds(value: Any, name: str) -> int:
    """Return a time in ms since 1970. `name`: of the tool's field, for the reason."""
    text = time(value, name)
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise refused(Reason.TIME_INVALID, f"{name}: expected a time") from None
    if when.tzinfo is None:
        raise refused(Reason.TIME_NAIVE, f"{name}: has no time zone")
    return to_ms(when)


def content_type_of(headers: Mapping[str, str]) -> str:
    """Return the content type of a delivery, whose headers have names in lower case."""
    return headers.get("content-type", "")
