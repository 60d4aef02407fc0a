"""CloudEvents 1.0 over HTTP: any program that sends them can deliver responses.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

An event is in the body (structured mode, and batches), or its attributes are headers and the body is its data (binary
mode). Both are read to the same attributes and the same data. Without a mapping, the data is a canonical response,
whose record has the attributes as headers, as in the binary mode on Kafka. A mapping looks at the event as the
structured mode writes it, for instance at `data.rating` or `source`. The response is then another payload than the
event's, so its record has none of the attributes.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from schemas.cloudevents import SPEC_VERSION
from schemas.dead_letter import Reason
from worker.flow.responses.formats import template
from worker.flow.responses.formats.canonical import checked, completed, each_outcome, outcomes
from worker.flow.responses.formats.outcome import NoResponse, Outcomes, refused
from worker.flow.responses.formats.payload import as_object, content_type_of, read_json
from worker.flow.responses.formats.source import Source
from worker.flow.responses.formats.tool import Tool

_EVENT, _BATCH = "application/cloudevents", "application/cloudevents-batch"
#: The attributes that every event has.
_REQUIRED = ("specversion", "id", "source", "type")
#: The names of attributes. A header with another name is no attribute, and is not read.
_NAME = re.compile(r"[a-z0-9]{1,64}")
_PREFIX = "ce-"
#: The members of an event in JSON that are no attributes.
_DATA, _DATA_BASE64 = "data", "data_base64"
#: Headers of older versions may have quoted values, in which a backslash precedes a quote or another backslash.
_QUOTED = re.compile(r'"(?P<inner>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_JSON_TYPE = re.compile(r"[^/]+/(?:[^/]+\+)?json", re.IGNORECASE)
_CONTENT_TYPE = ("content-type", b"application/json")


def read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    """Return the responses of a request, which has one event or a batch of them."""
    return outcomes(partial(_read, body, headers, source))


def _read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    content_type = content_type_of(headers).partition(";")[0].strip().lower()
    if not content_type.startswith(_EVENT):
        return _response(_from_headers(headers), _from_body(body), source)
    if content_type.partition("+")[2] not in {"", "json"}:
        raise refused(Reason.ENVELOPE_INVALID, "content-type: only the format JSON of CloudEvents is read")
    if not content_type.startswith(_BATCH):
        return _structured(read_json(body), source)
    events = read_json(body)
    if not isinstance(events, list):
        raise refused(Reason.ENVELOPE_INVALID, "expected a list of events")
    return each_outcome([partial(_structured, event, source) for event in events], "the batch is empty")


def _structured(event: Any, source: Source) -> Outcomes:
    members = as_object(event)
    return _response(_from_members(members), _data(members), source)


def _response(attributes: Mapping[str, str], data: Any, source: Source) -> Outcomes:
    event = {**attributes, _DATA: data}
    if source.mapping:
        return template.answers(event, source)
    template.select(event, source)
    found = checked(completed(template.canonical_fields(as_object(data)), source))
    return (replace(found, headers=_record_headers(attributes)),)


def _record_headers(attributes: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    """Return the attributes as the binary mode on Kafka has them. The data is written in JSON again."""
    named = ((f"ce_{name}", value.encode()) for name, value in attributes.items() if name != "datacontenttype")
    return (*named, _CONTENT_TYPE)


def _from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of an event in binary mode."""
    named = ((name.removeprefix(_PREFIX), value) for name, value in headers.items() if name.startswith(_PREFIX))
    return _complete({name: _decoded(name, value) for name, value in named if _NAME.fullmatch(name)}, _PREFIX)


def _decoded(name: str, value: str) -> str:
    """Return the value of a header: without quotes, and with its percent-encoded bytes."""
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(r"\1", quoted["inner"])
    try:
        # Servers decode bytes that are no UTF-8 to surrogates, which are refused here.
        return unquote_to_bytes(value).decode()
    except UnicodeError:
        raise _not_utf8(f"{_PREFIX}{name}") from None


def _from_body(body: bytes) -> Any:
    """Return the data of an event in binary mode."""
    if not body:
        raise refused(Reason.MISSING_FIELD, "data: is missing")
    return read_json(body)


def _from_members(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of an event in JSON."""
    return _complete(dict(_texts(members)), "")


def _texts(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if not _NAME.fullmatch(name) or name == _DATA or value is None:
            continue
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, int):
            yield name, _digits(name, value)
        elif isinstance(value, str):
            yield name, _whole(name, value)
        else:
            raise refused(Reason.ENVELOPE_INVALID, f"{name}: must be a text, a whole number, true or false")


def _digits(name: str, value: int) -> str:
    if not -(2**31) <= value < 2**31:
        raise refused(Reason.ENVELOPE_INVALID, f"{name}: must be a whole number of 32 bits")
    return str(value)


def _whole(name: str, value: str) -> str:
    """Return a text without halves of characters, which no header can have."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _not_utf8(name) from None
    return value


def _not_utf8(name: str) -> NoResponse:
    return refused(Reason.INVALID_UTF8, f"{name}: is not UTF-8")


def _complete(attributes: dict[str, str], prefix: str) -> dict[str, str]:
    """Return the attributes of an event. `prefix`: of their names, for the reason."""
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        named = "; ".join(f"{prefix}{name}: is missing" for name in missing)
        if prefix and missing == [*_REQUIRED]:
            named += f"; an event that is in the body needs Content-Type: {_EVENT}+json"
        raise refused(Reason.ENVELOPE_INVALID, named)
    if attributes["specversion"] != SPEC_VERSION:
        raise refused(Reason.ENVELOPE_INVALID, f"{prefix}specversion: must be {SPEC_VERSION}")
    return attributes


def _data(members: Mapping[str, Any]) -> Any:
    """Return the data of an event in JSON."""
    if members.get(_DATA_BASE64) is not None:
        return read_json(_from_base64(members[_DATA_BASE64]))
    if _DATA not in members:
        raise refused(Reason.MISSING_FIELD, "data: is missing")
    data, content_type = members[_DATA], members.get("datacontenttype")
    # A text is the data as it stands, and not JSON inside JSON, unless another content type says so.
    if isinstance(data, str) and isinstance(content_type, str) and not _is_json(content_type):
        return read_json(data.encode(errors="surrogatepass"))
    return data


def _is_json(content_type: str) -> bool:
    return _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip()) is not None


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise refused(Reason.ENVELOPE_INVALID, "data_base64: expected a text in base64") from None


TOOL = Tool("cloudevents", "CloudEvents", read)
