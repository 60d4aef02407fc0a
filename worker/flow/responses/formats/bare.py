"""A response in JSON, which is also the value of a CloudEvent in binary mode."""

from schemas.response import Response
from worker.flow.responses.formats import structured
from worker.flow.responses.formats.json_text import BYTE_ORDER_MARK, Read, read_json

_parse: Read = Response.__pydantic_validator__.validate_json


def read(value: bytes) -> Response:
    """Return the response. Raise Rejected with the reason if the value is not a response."""
    return read_json(value.removeprefix(BYTE_ORDER_MARK), _parse, instead=_structured)


def _structured(value: bytes) -> Response | None:
    """Return the response of a structured event whose publisher set no content type; None if the value is no event."""
    return structured.read(value) if b'"specversion"' in value else None
