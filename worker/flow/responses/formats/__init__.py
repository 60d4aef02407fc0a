"""The forms in which a response is accepted: one file each, with a function that reads it.

A record's content type, which is its header `content-type`, says which form its value has. A form that FORMATS does not
name is taken for a response as JSON, whatever its content type.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from schemas.cloudevents import STRUCTURED_CONTENT_TYPE
from schemas.response import Response
from worker.flow.batch import Record
from worker.flow.record import header
from worker.flow.responses.formats import bare, structured

#: Returns the response that a value holds, or raises Rejected with the reason why it holds none. A payload of another
#: tool is best translated to a response as JSON, and handed to bare.read, which finds every reason.
Format = Callable[[bytes], Response]

#: By content type, or by what it begins with: parameters may follow.
FORMATS: Mapping[bytes, Format] = MappingProxyType({STRUCTURED_CONTENT_TYPE: structured.read})


def format_of(record: Record) -> Format:
    """Return what reads the value of a record."""
    content_type = header(record, "content-type") or b""
    return next((read for beginning, read in FORMATS.items() if content_type.startswith(beginning)), bare.read)
