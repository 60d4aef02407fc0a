"""The dead letter of a refused record: where the record lay, why it was refused, and the beginning of its value."""

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

#: The number of bytes of a key that are kept. No identifier is longer, and the beginning is enough to find the record.
KEY_BYTES = 1_000

_DeadLetter = emitted(DeadLetter)


def dead_letter(record: Record, place: Place, rejected: Rejected, topic: str, policy: IntakePolicy) -> Output:
    """Return the event about a refused record.

    `place`, `topic`: where the record lay before it was rerouted, if it was; the topic has its full name.
    """
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
        key=None if key is None else b64encode(key[:KEY_BYTES]).decode(),
        payload=None if value is None else b64encode(kept).decode(),
        payload_bytes=len(value or b""),
        truncated=len(kept) < len(value or b""),
    )
    record_key = (key or b"")[:KEY_BYTES]
    return events.output(events.DEAD_LETTER, record_key, body, letter_id, rfc3339(record.timestamp))


def not_a_message(what: str) -> Rejected:
    """Return why a record of one of the worker's own topics is refused: it is not a message that the worker writes."""
    return Rejected(Reason.WRONG_TYPE, f"value: is no {what} of this version")


def dead_letter_in_place(record: Record, rejected: Rejected, policy: IntakePolicy) -> Output:
    """Return the event about a refused record of one of the worker's own topics, which are never rerouted."""
    return dead_letter(record, Place(record.partition, record.offset), rejected, record.topic, policy)
