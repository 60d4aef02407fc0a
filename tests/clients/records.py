"""What a client publishes: runs of records, each under settings of its own, and what must come of them."""

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from integration.sampling import Published, corrected, published, refused, response

#: A header's name is bytes to Kafka, and its value may be null.
Headers = list[tuple[bytes, bytes | None]]

_REFUSED, _REPEATED, _CORRECTED, _KEYLESS, _ERASED = 0.04, 0.12, 0.20, 0.24, 0.30
_CUSTOMERS = 40
#: Repeats and corrections are of one of so many latest responses of the run.
_RECENT = 20
#: Names that every client can write, as they are UTF-8.
_ODD_NAMES: list[tuple[bytes, bytes | None]] = [
    (b"", b"a name without letters"),
    ("numéro ☎".encode(), b"\xff\xfe"),
    (b"with\x00nul", b""),
    (b"n" * 300, b"a long name"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
]
_NULL_VALUE: tuple[bytes, bytes | None] = (b"null", None)
#: Names that are no UTF-8, which clients that take bytes for a name can write.
_BROKEN_NAMES: list[tuple[bytes, bytes | None]] = [(b"caf\xe9", b"latin-1"), (b"\xff\xfe\x00", None), (b"\xc3", b"cut")]
#: Times that a publisher says, in milliseconds: none, almost 1970, 2001, 2099. The broker's time is what counts.
_TIMES = (None, 1, 1_000_000_000_000, 4_070_908_800_000)


class Sent(NamedTuple):
    """A record as a client gets it. `expected`: what it is to the worker."""

    expected: Published
    headers: Headers
    timestamp: int | None

    def as_json(self) -> dict[str, Any]:
        """Return it as the clients' programs read it: every byte string in base64."""
        return {
            "key": _text(self.expected.key),
            "value": _text(self.expected.value),
            "headers": [[_text(name), _text(value)] for name, value in self.headers],
            "timestamp": self.timestamp,
        }


@dataclass(frozen=True)
class Run:
    """Records under the same settings.

    `partitioner`: "murmur2", or "default" for what the client does when it is not told. `transaction`: "commit" or
    "abort", or None if there is none. `ordered`: whether a customer's records stay in the order in which they are
    published, as they do unless the partitioner gives them to any partition.
    """

    name: str
    partitioner: str
    linger_ms: int
    batch_bytes: int
    transaction: str | None = None
    ordered: bool = True

    def as_json(self, records: list[Sent]) -> dict[str, Any]:
        """Return it as the clients' programs read it."""
        return {
            "partitioner": self.partitioner,
            "linger_ms": self.linger_ms,
            "batch_bytes": self.batch_bytes,
            "transaction": self.transaction,
            "records": [record.as_json() for record in records],
        }


#: In this order. The last run is without a transaction, so that no partition ends in a marker, which is no record.
RUNS = (
    Run("small", "murmur2", 0, 2_000),
    Run("default", "default", 100, 900_000),
    Run("committed", "murmur2", 5, 16_000, "commit"),
    Run("aborted", "murmur2", 5, 16_000, "abort"),
    Run("committed-default", "default", 50, 500_000, "commit"),
    Run("large", "murmur2", 200, 900_000),
)


def runs_for(*, transactions: bool, default_keeps_order: bool) -> list[Run]:
    """Return the runs that a client can do."""
    able = [run for run in RUNS if transactions or run.transaction is None]
    return [replace(run, ordered=run.partitioner == "murmur2" or default_keeps_order) for run in able]


def records_of(run: Run, size: int, seed: str, *, null_headers: bool = False, broken_names: bool = False) -> list[Sent]:
    """Return about `size` records of customers that no other run has: between runs there is no order to rely on.

    `null_headers`, `broken_names`: with headers whose values are null, and with such whose names are no UTF-8.
    """
    rng = random.Random(f"{seed}-{run.name}")
    names = [*_ODD_NAMES, *([_NULL_VALUE] if null_headers else []), *(_BROKEN_NAMES if broken_names else [])]
    found: list[Sent] = []
    for record in _expected(run, size, rng):
        headers: Headers = [(name.encode(), value) for name, value in record.headers]
        headers += rng.choices(names, k=rng.choice([0, 0, 1, 3]))
        found.append(Sent(record, headers, rng.choice(_TIMES)))
    return found


def _expected(run: Run, size: int, rng: random.Random) -> Iterator[Published]:
    recent: list[dict[str, Any]] = []
    first = [each.name for each in RUNS].index(run.name) * size
    for number in range(first, first + size):
        chance = rng.random()
        if chance < _REFUSED:
            yield refused(number, rng)
        elif recent and run.ordered and chance < _REPEATED:
            yield published(rng.choice(recent[-_RECENT:]), rng)
        elif recent and run.ordered and chance < _CORRECTED:
            place = rng.randrange(max(0, len(recent) - _RECENT), len(recent))
            recent[place] = corrected(recent[place], rng)
            yield published(recent[place], rng)
        elif chance < _KEYLESS:
            yield published(_answer(run, number, rng, "keyless"), rng)._replace(key=None)
        elif run.ordered and chance < _ERASED:
            # A promoter's answer: no mail about it can be under way when the customer is erased.
            event = _answer(run, number, rng, "gone") | {"score": 9}
            yield published(event, rng)
            yield Published(event["customer_id"].encode(), None, [], None)
        else:
            event = _answer(run, number, rng, "" if run.ordered else "once")
            recent.append(event)
            yield published(event, rng)


def _answer(run: Run, number: int, rng: random.Random, once: str) -> dict[str, Any]:
    """Return a response, of a customer who answers once if `once` is given."""
    event = response(number, rng, _CUSTOMERS)
    customer = f"{once}-{number}" if once else event["customer_id"]
    longer = {"comment": "Une très longue histoire. " * 400} if rng.random() < 0.1 else {}
    return {**event, "customer_id": f"{run.name}-{customer}", **longer}


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
