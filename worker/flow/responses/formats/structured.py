"""A CloudEvent in structured mode: a JSON object whose field `data` is the response."""

from collections.abc import Callable

from schemas.cloudevents import SPEC_VERSION, StructuredResponse
from schemas.dead_letter import Reason
from schemas.response import Response
from worker.errors import Rejected
from worker.flow.responses.formats.json_text import BYTE_ORDER_MARK, read_json

_parse: Callable[[bytes], StructuredResponse] = StructuredResponse.__pydantic_validator__.validate_json


def read(value: bytes) -> Response:
    """Return the response of an event. Raise Rejected with the reason if there is none."""
    return read_json(value.removeprefix(BYTE_ORDER_MARK), _data, inside="data")


def _data(value: bytes) -> Response:
    envelope = _parse(value)
    if envelope.specversion != SPEC_VERSION:
        raise Rejected(Reason.ENVELOPE_INVALID, f"specversion: must be {SPEC_VERSION}")
    return envelope.data
