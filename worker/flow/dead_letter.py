"""The dead letter of a refused record: where it was, why it was refused, and how it began."""

from base64 import b64encode

from schemas.dead_letter import DeadLetter, Reason
from schemas.emitted import emitted
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output, Place, Record
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import log_offset
from worker.flow.timestamps import from_ms, rfc3339

#: A key longer than any identifier is a mistake of its own; its beginning is enough to find it.
_KEY_BYTES = 1_000

_DeadLetter = emitted(DeadLetter)


def dead_letter(record: Record, place: Place, rejected: Rejected, topic: str, policy: IntakePolicy) -> Output:
    """Return the event. `topic` and `place` say where the record was first, also if it was rerouted."""
    partition, offset = place
    value, key = record.value, record.key
    kept = (value or b"")[: policy.dead_letter_payload_bytes]
    letter_id = make_id("dead-letter", topic, partition, offset)
    body = _DeadLetter(
        dead_letter_id=letter_id,
        reason=rejected.reason,
        detail=rejected.detail,
        topic=topic,
        partition=partition,
        offset=log_offset(offset),
        timestamp=from_ms(record.timestamp),
        key=None if key is None else b64encode(key[:_KEY_BYTES]).decode(),
        payload=None if value is None else b64encode(kept).decode(),
        payload_bytes=len(value or b""),
        truncated=len(kept) < len(value or b""),
    )
    record_key = (key or b"")[:_KEY_BYTES]
    return events.output(events.DEAD_LETTER, record_key, body, letter_id, rfc3339(record.timestamp))


def no_message(what: str) -> Rejected:
    """Return why a record of one of the worker's own topics is refused: somebody else wrote it."""
    return Rejected(Reason.WRONG_TYPE, f"value: is no {what} of this version")


def stray(record: Record, rejected: Rejected, policy: IntakePolicy) -> Output:
    """Return the event for a record of one of the worker's own topics, where it lies."""
    return dead_letter(record, Place(record.partition, record.offset), rejected, record.topic, policy)
