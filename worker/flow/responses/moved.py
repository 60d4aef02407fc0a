"""A response that moves to another customer: it becomes known later who answered, and a revision names somebody else.

Rows are kept by customer, so a response alone does not say which customer has it. Therefore a customer who gets a
revision above 0, but does not have the response, claims it: every partition of the responses topic gets a record that
says who has the response now. This record is in order with all others, and a customer who had the response gives it up.
If a claim comes twice, the second one changes nothing.

Partitions are read at different speeds, so a claim may come late, to a customer who has a higher revision by then. That
customer answers with a claim of their own, and the customer of the first claim gives the response up. Each claim that
answers another has a higher rank (`outranks`). So the claims end at the customer who has the highest revision.

A first revision, which is 0, makes no claim, since nearly all responses have no other. There is one exception: if a
later revision has overtaken it and was claimed in this partition already, the first revision makes a claim of revision
0. Nobody gives anything up for this claim, and the customer who has a higher revision answers it.
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

#: The header of a record that has claims. Its value names cluster and topic, as the header of a rerouted record does.
CLAIMS_HEADER = "nps-claims"
#: The proof is about this text as well, so that the proof of another header is not valid here.
_PROVEN = b"claims of "


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """The statement that a customer has a response."""

    #: Two survey tools may use the same response id for different responses; they differ in the survey.
    survey_id: str
    customer_id: str
    revision: int

    def outranks(self, other: "Claim") -> bool:
        """Say whether this customer gets the response rather than the other one.

        If the revisions are equal, the greater customer id decides, so it does not matter which claim is read first.
        Neither gets it if both revisions are 0: these are two responses that happen to have the same id.
        """
        if self.revision != other.revision:
            return self.revision > other.revision
        return self.revision > 0 and self.customer_id > other.customer_id


#: The claims of one batch, by the id of the response.
Claims = Mapping[str, list[Claim]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, list[Claim]]).decode


def outputs(claims: Claims, partitions: int, home: str, secret: bytes) -> list[Output]:
    """Return the records with a batch's claims: one to each partition of the responses, or several if it is too large.

    `home`, `secret`: as in worker.flow.responses.road.Batch.
    """
    if not claims or not secret:
        return []
    values = chunks(claims, lambda some, _last: _encode(some))
    return [
        Output(events.RESPONSES, None, value, _headers(value, partition, home, secret), partition=partition)
        for partition in range(partitions)
        for value in values
    ]


def claims_in(record: Record, home: str, secret: bytes) -> dict[str, list[Claim]] | None:
    """Return the claims of a record; None if it has none, or no valid proof that the worker wrote them."""
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
    """The keys of customers, by the hashes of the responses that they have."""

    keys: dict[int, list[bytes]]
    #: The index is made again from the rows when it has this number of responses.
    limit: int


#: The number of responses that may be added to the index before it is made again from the rows. Many of those in the
#: index may not be in any row by then.
_SPARE = 100_000
#: The number of claimed responses of one partition that are remembered, for first revisions that come late.
_REMEMBERED = 100_000


class Holders:
    """Which customers of one partition may have a response, by the response's id.

    The index is made from the rows when it is first needed; with most publishers it never is. It may name customers who
    do not have the response, but it names all who have it.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._index: _Index | None = None
        self._claimed: dict[int, int] = {}

    def of(self, response_id: str, opened: Iterable[tuple[bytes, Contact]]) -> list[bytes]:
        """Return the keys of the customers who may have a response.

        `opened`: the rows that the batch which is being decided has read or changed.
        """
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
        """Whether there is no index and nothing was claimed; then `add` and `was_claimed` do nothing."""
        return self._index is None and not self._claimed

    def add(self, response_id: str, key: bytes) -> None:
        """Note that a customer has a response."""
        if self._index is None:
            return
        if len(self._index.keys) >= self._index.limit > 0:
            self._index = None
            return
        keys = self._index.keys.setdefault(id_hash(response_id), [])
        if key not in keys:
            keys.append(key)

    def note_claimed(self, response_id: str, offset: int) -> None:
        """Remember that the record at an offset claims a response. If there are too many, the oldest are forgotten.

        This is kept in memory only. It decides only whether a first revision makes a claim, so it may be forgotten.
        """
        self._claimed.setdefault(id_hash(response_id), offset)
        if len(self._claimed) > _REMEMBERED:
            del self._claimed[next(iter(self._claimed))]

    def was_claimed(self, response_id: str, offset: int) -> bool:
        """Say whether a record before an offset claimed a response."""
        if not self._claimed:
            return False
        claimed_at = self._claimed.get(id_hash(response_id))
        return claimed_at is not None and claimed_at < offset

    def _add_all(self, key: bytes, contact: Contact) -> None:
        for answer in contact.answers:
            self.add(answer.response_id, key)
