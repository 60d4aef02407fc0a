"""What a copy of the responses topic consists of, so that another installation comes to the same decisions.

The workers have put records of their own on the topic. A response with a wrong key, or in a wrong partition, was sent
on to its customer's partition, and decided there: by the time that it got there, and after what had arrived before. So
the record that was sent on is copied, as if it had been published so, and the first one is left out. If only the first
one is there, it is copied, and the new workers send it on. Claims are left out, since the new workers make them again.

A mirror gives other offsets to records. So the first record is recognised by its partition and its content. Of several
first records that are equal in both, such as repeated erasures, as many are left out as were sent on: the oldest ones,
since workers send on in the order of a partition.
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from schemas.cloudevents import Headers
from worker.flow.batch import Place, Record
from worker.flow.record import ORIGIN_HEADER, PROOF_HEADER, origin_of
from worker.flow.responses.moved import CLAIMS_HEADER, claims_in

_DIGEST_BYTES = 16


class Copied:
    """Says which records of a topic are copied. `secret`: the secret of the topic's workers; empty if it is not known.

    All records have to be learned before the first one is copied. Both times, the records of a partition have to come
    in the order of their offsets. About 100 bytes are kept for each one that was sent on.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # How many of the first records with a content are to be left out.
        self._sent_on: Counter[bytes] = Counter()
        self._learned, self._copied = _Arrivals(), _Arrivals()

    def learn(self, records: Iterable[Record]) -> None:
        """Take in records of the topic, each one once."""
        for record in records:
            if not record.headers or (origin := self._origin(record)) is None:
                continue
            if self._learned.is_first(origin, record):
                self._sent_on[_content(origin.partition, record)] += 1

    def headers(self, record: Record) -> Headers | None:
        """Return the headers with which a record is copied; None if it is left out. Each record is asked for once."""
        if not record.headers:
            return None if self._was_sent_on(record) else []
        if self._has_claims(record):
            return None
        origin = self._origin(record)
        if origin is None:
            return None if self._was_sent_on(record) else [*record.headers]
        if not self._copied.is_first(origin, record):
            return None
        return [header for header in record.headers if header[0] not in {ORIGIN_HEADER, PROOF_HEADER}]

    def _was_sent_on(self, record: Record) -> bool:
        """Say whether a worker has sent this one of the equal records on, and count it."""
        if not self._sent_on:
            return False
        content = _content(record.partition, record)
        left = self._sent_on[content]  # a Counter does not keep what it is only asked for
        if left > 1:
            self._sent_on[content] = left - 1
        elif left == 1:
            del self._sent_on[content]
        return left > 0

    def _origin(self, record: Record) -> Place | None:
        """Return where a record was before a worker sent it on, whatever the cluster and the topic were named there."""
        home, _, _ = _text(record, ORIGIN_HEADER).rpartition("@")
        return origin_of(record, home, self._secret)

    def _has_claims(self, record: Record) -> bool:
        return claims_in(record, _text(record, CLAIMS_HEADER), self._secret) is not None


class _Arrivals:
    """Tells a record that was sent on from one that was sent on again because of a crash."""

    def __init__(self) -> None:
        # The newest origin's offset, by the partition of the origin and the one that its records were sent on to.
        self._newest: dict[tuple[int, int], int] = {}

    def is_first(self, origin: Place, record: Record) -> bool:
        """Say whether a record is the first one that came of its origin."""
        ways = (origin.partition, record.partition)
        if origin.offset <= self._newest.get(ways, -1):
            return False
        self._newest[ways] = origin.offset
        return True


def _text(record: Record, name: str) -> str:
    return (dict(record.headers).get(name) or b"").decode(errors="replace")


def _content(partition: int, record: Record) -> bytes:
    """Return a digest of what a record says, and of the partition that it was published to.

    An erasure has no value, so its key says whom it erases. A response names its customer, and its key may be wrong.
    """
    code = blake2b(b"%d:" % partition, digest_size=_DIGEST_BYTES)
    code.update(b"-" + (record.key or b"") if record.value is None else b"+" + record.value)
    return code.digest()
