"""The row of an answer whose parts come one after the other. Pure.

A row is the time of the last part that has changed it, in ms, as eight bytes, and then an object in JSON. So the time
can be read without the rest, and texts may have half of a character. A reader ignores members that it does not know.
"""

import json
from struct import Struct
from typing import Any, NamedTuple

from worker.flow.responses.formats.merging import Known

_TIME = Struct(">q")


class Answer(NamedTuple):
    """What is kept of an answer."""

    known: Known = Known()
    #: The offset of the last part that has changed it.
    mark: int = -1
    #: The Kafka time of this part, in ms.
    changed_at: int = 0


def encode(answer: Answer) -> bytes:
    """Return the row of an answer."""
    known = answer.known
    members = {"mark": answer.mark, "count": known.count, "fields": known.fields, "parts": known.parts}
    return _TIME.pack(answer.changed_at) + json.dumps(members, separators=(",", ":")).encode()


def decode(row: bytes) -> Answer:
    """Return the answer of a row."""
    members: dict[str, Any] = json.loads(row[_TIME.size :])
    parts = {part: (at, fields) for part, (at, fields) in members["parts"].items()}
    return Answer(Known(members["fields"], parts, members["count"]), members["mark"], changed_at(row))


def changed_at(row: bytes) -> int:
    """Return the Kafka time of the last part that has changed a row, in ms."""
    [at] = _TIME.unpack_from(row)
    return int(at)
