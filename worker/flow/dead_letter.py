"""The dead letter of a refused record or delivery: where it was, why it was refused, and the beginning of its value."""

from base64 import b64encode
from hashlib import sha256

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
#: How the `topic` of the dead letter of a delivery by HTTP begins. The name of its source follows.
DELIVERED_TO = "receive/"

_DeadLetter = emitted(DeadLetter)
#: The partition and the offset of what did not lie on a topic.
_NO_PLACE = -1


def dead_letter(record: Record, place: Place, rejected: Rejected, topic: str, policy: IntakePolicy) -> Output:
    """Return the event about a refused record.

    `place`, `topic`: where the record lay before it was rerouted, if it was; the topic has its full name.
    """
    partition, offset = place
    letter_id = make_id("dead-letter", topic, partition, offset)
    where = topic, partition, log_offset(offset)
    return _letter(letter_id, where, rejected, record.timestamp, record.key, record.value, policy)


def dead_letter_of_delivery(source: str, body: bytes, rejected: Rejected, at: int, policy: IntakePolicy) -> Output:
    """Return the event about all that is refused in a delivery of a source by HTTP.

    If the delivery comes again, the event has the same id. `at`: when the delivery arrived, in ms.
    """
    topic = f"{DELIVERED_TO}{source}"
    letter_id = make_id("dead-letter", topic, sha256(body).hexdigest())
    return _letter(letter_id, (topic, _NO_PLACE, _NO_PLACE), rejected, at, None, body, policy)


def _letter(
    letter_id: str,
    where: tuple[str, int, int],
    rejected: Rejected,
    at: int,
    key: bytes | None,
    value: bytes | None,
    policy: IntakePolicy,
) -> Output:
    topic, partition, offset = where
    kept = (value or b"")[: policy.dead_letter_payload_bytes]
    body = _DeadLetter(
        dead_letter_id=letter_id,
        reason=rejected.reason,
        detail=rejected.detail,
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=from_ms(at),
        key=None if key is None else b64encode(key[:KEY_BYTES]).decode(),
        payload=None if value is None else b64encode(kept).decode(),
        payload_bytes=len(value or b""),
        truncated=len(kept) < len(value or b""),
    )
    record_key = (key or b"")[:KEY_BYTES]
    return events.output(events.DEAD_LETTER, record_key, body, letter_id, rfc3339(at))


def not_a_message(what: str) -> Rejected:
    """Return why a record of one of the worker's own topics is refused: it is not a message that the worker writes."""
    return Rejected(Reason.WRONG_TYPE, f"value: is no {what} of this version")


def dead_letter_in_place(record: Record, rejected: Rejected, policy: IntakePolicy) -> Output:
    """Return the event about a refused record of one of the worker's own topics, which are never rerouted."""
    return dead_letter(record, Place(record.partition, record.offset), rejected, record.topic, policy)
