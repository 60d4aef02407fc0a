"""Validation: a record's raw bytes become a response, or the reason why the record is refused.

The formats of responses are in formats/. What is true of all formats is checked here.
"""

from collections.abc import Callable

from msgspec.structs import replace
from pydantic import TypeAdapter, ValidationError

from schemas.base import Identifier
from schemas.cloudevents import SPEC_VERSION
from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import Record
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.flow.responses.formats import bare, format_of
from worker.flow.responses.formats.json_text import ID_REASONS, words_of
from worker.flow.responses.plain import PlainCustomer, PlainResponse, plain
from worker.flow.responses.plain import read as read_plain
from worker.flow.timestamps import HOUR, LATEST, to_ms

_check_id: Callable[[str], str] = TypeAdapter(Identifier).validate_python

#: How the customer id of an anonymous answer begins.
ANONYMOUS = "anonymous:"


def validate(record: Record, policy: IntakePolicy) -> tuple[PlainResponse, int]:
    """Return a record's response, and when it was given, in ms. Raise Rejected with the reason if it is refused."""
    value = record.value
    assert value is not None
    check_size(value, policy)
    response = _read(record, value)
    if response.anonymous:
        response = _anonymous(response)
    if not 0 <= record.timestamp <= LATEST:
        raise Rejected(Reason.TIME_INVALID, "the record's Kafka time: is no time in milliseconds")
    given = to_ms(response.responded_at)
    check_time(given, record.timestamp, policy)
    return response, given


def check_size(value: bytes, policy: IntakePolicy) -> None:
    """Raise Rejected if a value is too large for a response."""
    if len(value) > policy.max_bytes:
        raise Rejected(Reason.TOO_LARGE, f"{len(value)} bytes, at most {policy.max_bytes} are accepted")


def check_time(given: int, now: int, policy: IntakePolicy) -> None:
    """Raise Rejected if no answer can have been given at a time. `now`: the record's Kafka time; both are in ms."""
    if given < 0:
        raise Rejected(Reason.TIME_INVALID, "responded_at: is before 1970")
    if given > now + policy.max_ahead_hours * HOUR:
        raise Rejected(
            Reason.TIME_FUTURE,
            f"responded_at: lies more than {policy.max_ahead_hours:g} hours (intake.max_ahead_hours) ahead of the "
            "record's Kafka time",
        )


def _anonymous(response: PlainResponse) -> PlainResponse:
    """Return an anonymous answer with a customer id of its own, and without anything that it says about the customer.

    The id is made of the survey and the response. So a copy of the answer is recognised, and no other answer is taken
    for a copy.
    """
    customer_id = ANONYMOUS + make_id("anonymous", response.survey_id, response.response_id)
    return replace(response, customer_id=customer_id, customer=PlainCustomer())


def erased_key(record: Record) -> bytes:
    """Return the key of the customer whom a null value erases. Raise Rejected if the key cannot be a customer's id."""
    key = record.key
    if not key:
        raise Rejected(Reason.NO_KEY, "a null value needs the key of the customer to erase")
    try:
        _check_id(key.decode())
    except UnicodeDecodeError:
        raise Rejected(Reason.INVALID_UTF8, "key: is not UTF-8") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Rejected(ID_REASONS[first["type"]], f"key: {words_of(first)}") from None
    return key


def _read(record: Record, value: bytes) -> PlainResponse:
    if not record.headers:
        return _bare(value)
    version = header(record, "ce_specversion")
    if version is not None and version.decode(errors="replace") != SPEC_VERSION:
        raise Rejected(Reason.ENVELOPE_INVALID, f"ce_specversion: must be {SPEC_VERSION}")
    read = format_of(record)
    return _bare(value) if read is bare.read else plain(read(value))


def _bare(value: bytes) -> PlainResponse:
    return read_plain(value) or plain(bare.read(value))
