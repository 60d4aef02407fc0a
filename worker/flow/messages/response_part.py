"""A part of a response, on its way from the receiver to the table in which parts are put together.

A survey tool may send the answer to each question alone (formats/outcome.py, `Part`). The records have the response's
id as their key, so all parts of one response are in one partition, in one order. The value is an object in JSON: texts
of tools may have half of a character, which other encodings do not permit. A reader ignores members that it does not
know, so a later version may add some.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.dead_letter import not_a_message


class ResponsePart(NamedTuple):
    """What one question adds to a response."""

    #: The name of the source in the settings.
    source: str
    response_id: str
    #: The question. Of the same question, the latest answer counts.
    part: str
    #: When the question was answered, in ms.
    at: int
    #: The JSON of the response, as far as this part has it.
    fields: Mapping[str, Any]


def output(message: ResponsePart) -> Output:
    """Return the record with a part, without its partition: the key decides about it."""
    return Output(events.RESPONSE_PARTS, message.response_id.encode(), json.dumps(message._asdict()).encode())


def read(record: Record) -> ResponsePart:
    """Decode a record's part. Raise Rejected if the record is not one that a receiver writes."""
    try:
        value = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        raise not_a_message("part of a response") from None
    members = value if isinstance(value, dict) else {}
    source, response_id, part, at, fields = (members.get(name) for name in ResponsePart._fields)
    if (
        isinstance(source, str)
        and isinstance(response_id, str)
        and isinstance(part, str)
        and isinstance(at, int)
        and isinstance(fields, dict)
        and (record.key or b"").decode(errors="replace") == response_id != ""
    ):
        return ResponsePart(source, response_id, part, at, fields)
    raise not_a_message("part of a response")
