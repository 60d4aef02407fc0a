"""A response that moves to another customer: who answered becomes known later, and a revision names somebody else.

Rows are kept by customer, so nobody knows who has a response. A revision above 0 that comes under a customer who does
not have it is therefore claimed: every partition of the responses topic gets a record that says who has it now, in
order with all others, and a customer who had it gives it up. A claim that comes twice finds nothing the second time.

Partitions are read at different speeds, so a claim may come late: to a customer who has a higher revision by then. That
customer answers it with a claim of their own, and who made the first one gives the response up. Claims that answer each
other rise in rank (`outranks`), so they come to an end, at the customer who has the highest revision.

A first revision, 0, claims nothing, as nearly all responses have no other. Only if the response was claimed before in
this partition, because a revision overtook it, it makes a claim of revision 0. Nobody gives anything up for that one;
who has a higher revision answers it.
"""

from collections.abc import Iterable, Mapping
from hmac import compare_digest
from typing import NamedTuple

import msgspec

from schemas.cloudevents import Headers
from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.ids import id_hash
from worker.flow.messages.chunks import chunks
from worker.flow.record import PROOF_HEADER, proof_of
from worker.flow.responses.customer import Contact, decode_contact

#: The header of a record that holds claims; its value names cluster and topic, as that of a rerouted record does.
CLAIMS_HEADER = "nps-claims"
#: What the proof is about, so that one of another header proves nothing here.
_PROVEN = b"claims of "


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """Who has a response now. Another tool's response with the same id is one to another survey."""

    survey_id: str
    customer_id: str
    revision: int

    def outranks(self, other: "Claim") -> bool:
        """Say whether the response is this customer's rather than the other's.

        Of equal revisions the greater customer id decides: so it does not matter which claim is read first. Two first
        revisions are two responses, which happen to have the same id.
        """
        if self.revision != other.revision:
            return self.revision > other.revision
        return self.revision > 0 and self.customer_id > other.customer_id


#: The claims of one batch by the id of their response.
Claims = Mapping[str, list[Claim]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, list[Claim]]).decode


def outputs(claims: Claims, partitions: int, home: str, secret: bytes) -> list[Output]:
    """Return the records of one batch: one to each partition, several if it gets that much."""
    if not claims or not secret:
        return []
    values = chunks(claims, lambda some, _last: _encode(some))
    return [
        Output(events.RESPONSES, None, value, _headers(value, partition, home, secret), partition=partition)
        for partition in range(partitions)
        for value in values
    ]


def claims_in(record: Record, home: str, secret: bytes) -> dict[str, list[Claim]] | None:
    """Return the claims that a record holds; None if it holds none, as all but the worker's own do."""
    headers = dict(record.headers)
    text, proof = headers.get(CLAIMS_HEADER), headers.get(PROOF_HEADER)
    if record.value is None or text != home.encode() or proof is None or not secret:
        return None
    if not compare_digest(proof, proof_of(_PROVEN + text, record.partition, None, record.value, secret)):
        return None
    try:
        return _decode(record.value)
    except msgspec.DecodeError:
        return None


def _headers(value: bytes, partition: int, home: str, secret: bytes) -> Headers:
    text = home.encode()
    return [(CLAIMS_HEADER, text), (PROOF_HEADER, proof_of(_PROVEN + text, partition, None, value, secret))]


class _Index(NamedTuple):
    """The customers' keys by their responses, and how many responses it may come to hold."""

    keys: dict[int, list[bytes]]
    most: int


#: How many responses may be added before the index is made again from the rows, where most of them may be gone.
_SPARE = 100_000
#: How many claimed responses of one partition are remembered for first revisions that come late.
_REMEMBERED = 100_000


class Holders:
    """Which customers of one partition may have a response, by its id.

    Made from the rows when it is first asked for, as most publishers never need it. It may name too many, not too few.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._index: _Index | None = None
        self._claimed: dict[int, int] = {}

    def of(self, response_id: str, opened: Iterable[tuple[bytes, Contact]]) -> list[bytes]:
        """Return the keys of customers; `opened`: rows that the batch in hand has changed already."""
        if self._index is None:
            self._index = _Index({}, 0)
            for key, row in self._rows.items():
                self._add_all(key, decode_contact(row))
            for key, contact in opened:
                self._add_all(key, contact)
            self._index = _Index(self._index.keys, 2 * len(self._index.keys) + _SPARE)
        return sorted(self._index.keys.get(id_hash(response_id), ()))

    @property
    def is_idle(self) -> bool:
        """Whether no response was ever asked for or claimed: then there is nothing to add to, and nothing to see."""
        return self._index is None and not self._claimed

    def add(self, response_id: str, key: bytes) -> None:
        """Note that a customer has a response."""
        if self._index is None:
            return
        if len(self._index.keys) >= self._index.most > 0:
            self._index = None
            return
        keys = self._index.keys.setdefault(id_hash(response_id), [])
        if key not in keys:
            keys.append(key)

    def note_claimed(self, response_id: str, offset: int) -> None:
        """Remember that a response is claimed by the record at an offset. The oldest of too many are forgotten.

        This is kept in memory only: to forget it changes no decision, as it only has a first revision make a claim.
        """
        self._claimed.setdefault(id_hash(response_id), offset)
        if len(self._claimed) > _REMEMBERED:
            del self._claimed[next(iter(self._claimed))]

    def was_claimed(self, response_id: str, offset: int) -> bool:
        """Say whether a response was claimed by a record that lies before an offset."""
        if not self._claimed:
            return False
        claimed_at = self._claimed.get(id_hash(response_id))
        return claimed_at is not None and claimed_at < offset

    def _add_all(self, key: bytes, contact: Contact) -> None:
        for answer in contact.answers:
            self.add(answer.response_id, key)
