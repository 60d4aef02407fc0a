"""The formats in which a response is accepted: one file for each, with a function that reads it.

A record's header `content-type` says which format its value has. If FORMATS does not name this content type, the value
is read as a response in JSON.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from schemas.cloudevents import STRUCTURED_CONTENT_TYPE
from schemas.response import Response
from worker.flow.batch import Record
from worker.flow.record import header
from worker.flow.responses.formats import bare, structured

#: Returns the response of a value, and raises Rejected with the reason if there is none. It is best to translate the
#: payload of another tool to a response in JSON, and to call bare.read with it, which finds every reason.
Format = Callable[[bytes], Response]

#: The formats by the beginning of the content type, which parameters may follow.
FORMATS: Mapping[bytes, Format] = MappingProxyType({STRUCTURED_CONTENT_TYPE: structured.read})


def format_of(record: Record) -> Format:
    """Return the function that reads the value of a record."""
    content_type = header(record, "content-type") or b""
    return next((read for beginning, read in FORMATS.items() if content_type.startswith(beginning)), bare.read)
