"""What is known of a record besides its value: its offset in the log, its headers, and where it came from."""

import re
from hashlib import blake2b
from hmac import compare_digest

from schemas.cloudevents import Headers
from worker.flow.batch import Place, Record

#: The header of a record that the worker has rerouted from a wrong partition: its origin, which is where it was first.
ORIGIN_HEADER = "nps-origin"
#: The header that proves the origin: without a proof, anybody could have records dropped as repeats. It is a header of
#: its own, so that the previous version can still read the origin.
PROOF_HEADER = "nps-origin-proof"
_PROOF_BYTES = 16
#: The header that names the source by which a response came (docs/sources.md).
SOURCE_HEADER = "nps-source"
#: A name of a source, as the settings allow it.
_SOURCE = re.compile(rb"[a-z0-9_]{1,63}")

#: A topic that was deleted and created again begins at offset 0. The core sees offsets that go on: this number is added
#: once for each time that the topic was created again. So no two records have the same offset, and the offset modulo
#: this number is the one that Kafka knows.
EPOCH = 10**13

#: The number of digits of the largest offset.
_LONGEST_NUMBER = 19
#: The number of bytes that the two lengths of a header take in a record, at most.
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


def source_in(record: Record) -> str | None:
    """Return the name of the source by which a response came; None if no header says it, or not as a name."""
    name = header(record, SOURCE_HEADER) if record.headers else None
    return name.decode() if name is not None and _SOURCE.fullmatch(name) else None


def source_headers(source: str) -> Headers:
    """Return the header that names the source by which a response came."""
    return [(SOURCE_HEADER, source.encode())]


def origin_of(record: Record, home: str, secret: bytes) -> Place | None:
    """Return where a record was before the worker rerouted it; None if it was not rerouted, or has no valid proof.

    `home` names cluster and topic, so that a record which a mirror has copied from another cluster counts as published
    here. So does a record that the previous version rerouted, since it has no proof: if it comes twice, it is found to
    be a duplicate by its response_id.
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
    """Return the headers for a record that is rerouted to `partition` under `key`: they say where it lies now."""
    text = f"{home}@{record.partition}:{record.offset}".encode()
    return [(ORIGIN_HEADER, text), (PROOF_HEADER, proof_of(text, partition, key, record.value, secret))]


def proof_of(text: bytes, partition: int, key: bytes | None, value: bytes | None, secret: bytes) -> bytes:
    """Return a code for this record alone, which nobody can make without the secret.

    The code is valid in one partition only: in a copy of the record elsewhere it proves nothing. Otherwise such copies
    could have genuine records dropped there.
    """
    code = blake2b(key=secret, digest_size=_PROOF_BYTES)
    for part in (text, b"%d" % partition, key, value):
        code.update(b"-" if part is None else b"%d:" % len(part))
        code.update(part or b"")
    return code.digest()


def size_of(key: bytes, value: bytes | None, headers: Headers) -> int:
    """Return the size of a record's key, value and headers, in bytes; the frame of the whole record adds a little."""
    size = len(key) + len(value or b"")
    return size + sum(len(name.encode()) + len(text or b"") + _HEADER_FRAME for name, text in headers)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
