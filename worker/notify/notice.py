"""Notices: the alerts and incidents that the records of the alerts topic hold, and the steps of cases. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.functional_validators import AfterValidator

from schemas import cloudevents
from schemas.alert import Alert, Severity
from schemas.case import CASE, CaseAction, CaseReason, CaseStep
from schemas.dead_letter import Reason
from schemas.erasure import Erasure
from schemas.incident import Incident, IncidentKind
from worker.errors import Rejected
from worker.flow.batch import Record
from worker.flow.record import header
from worker.flow.timestamps import DAY, LATEST, to_ms

Notice = Alert | Incident
#: What can be shown to people: a notice, or the step of a case that reminds or asks them.
Shown = Notice | CaseStep
#: What a channel sends: one of these, or that a customer was erased, if the channel reports that.
Sent = Shown | Erasure

#: The longest key, in bytes. A path of eight names is shorter.
_LONGEST_KEY = 4_000
#: The largest value, in bytes. Together with what a row adds, it fits a record of Kafka's default largest size.
_LARGEST = 1_000_000
#: The largest integer: a row has signed integers of 64 bits (msgpack).
_LARGEST_INTEGER = 2**63 - 1
#: The largest number with a fraction. An NPS and its change are at most 200, and no segment expects more answers than
#: this. The subject of a mail shows such a number in full.
_LARGEST_FIGURE = 1e9


_Shown = TypeVar("_Shown", bound=Shown)


def _with_times(notice: _Shown) -> _Shown:
    """Return the notice; raise ValueError if a mail cannot show one of its times in every time zone."""
    if not all(0 <= to_ms(when) <= LATEST - DAY for when in _times(notice)):
        raise ValueError("has a time before 1970, or at the end of all time")
    return notice


def _with_numbers(notice: _Shown) -> _Shown:
    """Return the notice; raise ValueError if one of its numbers, at any depth, does not fit a row or a subject."""
    _check_numbers(notice.__dict__.values())
    return notice


def _check_numbers(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, str):
            continue  # most fields are texts
        if isinstance(value, int | float):
            if not abs(value) <= (_LARGEST_INTEGER if isinstance(value, int) else _LARGEST_FIGURE):
                raise ValueError("has a number that is too large")
        elif isinstance(value, BaseModel):
            _check_numbers(value.__dict__.values())
        elif isinstance(value, dict):
            _check_numbers(value.values())
        elif isinstance(value, list | tuple):
            _check_numbers(value)


def _times(notice: Shown) -> list[datetime]:
    if isinstance(notice, CaseStep):
        optional = [notice.due_at, notice.acknowledged_at]
        return [notice.occurred_at, notice.opened_at, *(when for when in optional if when is not None)]
    if isinstance(notice, Incident):
        return [notice.occurred_at, notice.since]
    return [notice.occurred_at, notice.responded_at, *(answer.responded_at for answer in notice.last_answers)]


_ALERT: TypeAdapter[Notice] = TypeAdapter(Annotated[Alert, AfterValidator(_with_times), AfterValidator(_with_numbers)])
_INCIDENT: TypeAdapter[Notice] = TypeAdapter(
    Annotated[Incident, AfterValidator(_with_times), AfterValidator(_with_numbers)]
)
_CASE_STEP: TypeAdapter[CaseStep] = TypeAdapter(
    Annotated[CaseStep, AfterValidator(_with_times), AfterValidator(_with_numbers)]
)
_CASE = cloudevents.CASE.encode()
_BY_TYPE = {cloudevents.ALERT.encode(): _ALERT, cloudevents.INCIDENT.encode(): _INCIDENT}
_BY_KIND: Mapping[str, TypeAdapter[Notice]] = dict.fromkeys(IncidentKind, _INCIDENT)


class _Kind(BaseModel):
    kind: str


def check_record(record: Record) -> None:
    """Raise Rejected if a record's key or size does not fit a mailbox. Its writer may be another program."""
    key = record.key or b""
    # The keys of other rows have these characters (mailbox.py, receiver_plan.py, rows.py).
    if b"\x00" in key or key.startswith((b"\x01", b"\x02", b"\x03", b"\x04")) or len(key) > _LONGEST_KEY:
        raise Rejected(Reason.WRONG_TYPE, "key: is no customer's id and no segment's path")
    if (size := len(record.value or b"")) > _LARGEST:
        raise Rejected(Reason.TOO_LARGE, f"{size} bytes, at most {_LARGEST} can be kept")


def notice_in(value: bytes, event_type: bytes | None = None) -> Notice:
    """Return the alert or incident of a record's value. `event_type` is the header `ce_type`.

    Without a known type, the event's kind decides. Raise ValidationError if the value is neither an alert nor an
    incident, or if a mail could not show its times or numbers.
    """
    return (_BY_TYPE.get(event_type or b"") or _by_kind(value)).validate_json(value)


def case_step_in(record: Record) -> CaseStep | None:
    """Return the step of a case that a record has; None if the record is about something else.

    Raise ValidationError if the value is not a step of a case, or if a mail could not show its times or numbers.
    """
    value, event_type = record.value or b"", header(record, "ce_type")
    if event_type != _CASE and (event_type in _BY_TYPE or _kind_of(value) != CASE):
        return None
    return _CASE_STEP.validate_json(value)


def urgency(notice: Shown) -> Severity:
    """Return by which severity it is judged whether a notice is sent during quiet hours. An escalation is critical."""
    is_escalation = isinstance(notice, CaseStep) and notice.action == CaseAction.ESCALATED
    return Severity.CRITICAL if is_escalation else notice.severity


def is_past(notice: object, now: int) -> bool:
    """Say whether a notice reminds of a time limit that has passed by now, in ms. Then it is not true any more."""
    if not isinstance(notice, CaseStep) or notice.reason != CaseReason.DUE_SOON:
        return False
    return notice.due_at is not None and to_ms(notice.due_at) <= now


def _kind_of(value: bytes) -> str | None:
    try:
        return _Kind.model_validate_json(value).kind
    except ValidationError:
        return None


def _by_kind(value: bytes) -> TypeAdapter[Notice]:
    # A value without a kind is not an alert either, so its validation will fail.
    return _BY_KIND.get(_kind_of(value) or "", _ALERT)
