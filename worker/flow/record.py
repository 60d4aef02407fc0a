"""What a record says of itself beyond its value: its offset in the log, its headers, and where it came from."""

from hashlib import blake2b
from hmac import compare_digest

from schemas.cloudevents import Headers
from worker.flow.batch import Place, Record

#: The header of a record that the worker itself sent on from a wrong partition: where it was first.
ORIGIN_HEADER = "nps-origin"
#: The header that proves it: whoever could write the other one could have records dropped as repeats. It has a name of
#: its own, so that the version before goes on reading the other.
PROOF_HEADER = "nps-origin-proof"
_PROOF_BYTES = 16

#: A topic that was made anew begins at offset 0 again. To the core its offsets go on: they are higher by a multiple of
#: this, one for each time. So an offset stays a record's own, and the rest of the division is where the record lies.
EPOCH = 10**13

#: Digits of the largest offset.
_LONGEST_NUMBER = 19
#: What the two lengths of a header take in a record, at most.
_HEADER_FRAME = 10


def log_offset(offset: int) -> int:
    """Return the offset that Kafka has for a record, as its tools show it."""
    return offset % EPOCH


def header(record: Record, name: str) -> bytes | None:
    """Return a header's value; names are compared without case, as CloudEvents over Kafka allows."""
    for key, value in record.headers:
        if key.lower() == name:
            return value
    return None


def sent_on(record: Record, home: str, secret: bytes) -> Place | None:
    """Return where a record was before the worker sent it on; None if it has not been, or if that is not proven.

    `home` names cluster and topic, so that a record which a mirror brought from another cluster is one like others. A
    record that the version before sent on has no proof: it counts as one that was published here. Where that comes
    twice, its response_id says so.
    """
    headers = dict(record.headers)
    text, proof = headers.get(ORIGIN_HEADER), headers.get(PROOF_HEADER)
    if text is None or proof is None or not secret:
        return None
    if not compare_digest(proof, proof_of(text, record.partition, record.key, record.value, secret)):
        return None
    named, _, numbers = text.decode(errors="replace").rpartition("@")
    partition, _, offset = numbers.partition(":")
    if named == home and _is_number(partition) and _is_number(offset):
        return Place(int(partition), int(offset))
    return None


def origin_headers(record: Record, home: str, secret: bytes, key: bytes, partition: int) -> Headers:
    """Return the headers that say where a record lies now, on its way to another partition under this key."""
    text = f"{home}@{record.partition}:{record.offset}".encode()
    return [(ORIGIN_HEADER, text), (PROOF_HEADER, proof_of(text, partition, key, record.value, secret))]


def proof_of(text: bytes, partition: int, key: bytes | None, value: bytes | None, secret: bytes) -> bytes:
    """Return the code that only who knows the secret can make, for this record and no other.

    It holds for one partition only: copied to another, the header would have records dropped there.
    """
    code = blake2b(key=secret, digest_size=_PROOF_BYTES)
    for part in (text, b"%d" % partition, key, value):
        code.update(b"-" if part is None else b"%d:" % len(part))
        code.update(part or b"")
    return code.digest()


def size_of(key: bytes, value: bytes | None, headers: Headers) -> int:
    """Return how large a record is, in bytes, with its headers; what frames them is a little more."""
    size = len(key) + len(value or b"")
    return size + sum(len(name.encode()) + len(text or b"") + _HEADER_FRAME for name, text in headers)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
