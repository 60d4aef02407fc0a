"""What the tests of the road begin with: answers, the records they come in, and what a rule gets to see of them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from worker.flow.batch import Output
from worker.flow.policy import InvitationPolicy, Platform, Policy
from worker.flow.responses.content import content_of
from worker.flow.responses.customer import Answer, Contact
from worker.flow.responses.facts import Facts
from worker.flow.responses.intake import validate
from worker.lineage import segment_path
from worker.nps.histogram import classify

#: 2023-11-14T22:13:20Z, in ms.
NOW = 1_700_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
TOPIC = "nps.responses"
#: What the worker calls this cluster's responses topic in its own header.
HERE = f"cluster-1/{TOPIC}"
#: The defaults, but that there is somewhere to invite customers to.
POLICY = Policy(invitations=InvitationPolicy(platform=Platform(url="https://example.com/tell")))
#: What it proves by that the header is its own.
SECRET = bytes(range(32))


class Record(NamedTuple):
    """A Kafka record."""

    value: bytes | None = None
    key: bytes | None = b"c-1"
    offset: int = 0
    partition: int = 0
    timestamp: int = NOW
    headers: Sequence[tuple[str, bytes | None]] = ()
    topic: str = TOPIC


def answer(**changes: Any) -> dict[str, Any]:
    """Return a response as JSON has it: a promoter's, but for the fields given."""
    usual: dict[str, Any] = {
        "response_id": "r-1",
        "survey_id": "autumn",
        "customer_id": "c-1",
        "score": 9,
        "responded_at": "2023-11-14T22:00:00Z",
        "segment": ["fr", "shop-3"],
    }
    return usual | changes


def value(**changes: Any) -> bytes:
    """Return a response's record value."""
    return json.dumps(answer(**changes)).encode()


def happy(**changes: Any) -> bytes:
    """Return the response of a promoter who may be invited."""
    return value(**({"customer": {"email": "a@example.org"}, "consent": {"public_review": True}} | changes))


def earlier(**changes: Any) -> Answer:
    """Return what a row keeps of an earlier revision or answer."""
    usual: dict[str, Any] = {
        "response_id": "r-1",
        "revision": 0,
        "score": 9,
        "segment": "fr/shop-3",
        "at": NOW - HOUR,
        "counted": True,
        "arrived_at": NOW - HOUR,
    }
    return Answer(**(usual | changes))


def facts(
    given: bytes, *, previous: Answer | None = None, contact: Contact | None = None, policy: Policy | None = None
) -> Facts:
    """Return what a rule sees of a response that arrives NOW."""
    policy = policy or POLICY
    response, at = validate(Record(given), policy.intake)
    return Facts(
        response=response,
        segment=segment_path(response.segment),
        category=classify(response.score),
        at=at,
        previous=previous,
        contact=contact or Contact(answers=[] if previous is None else [previous]),
        now=NOW,
        policy=policy,
        content=content_of(response, at),
    )


def of(topic: str, outputs: Iterable[Output]) -> list[Any]:
    """Return the events that go to a topic, read; None for a null value."""
    return [None if o.value is None else json.loads(o.value) for o in outputs if o.topic == topic]


def arrived(outputs: Iterable[Output], topic: str, first: int = 0, partition: int = 0) -> list[Record]:
    """Return a topic's outputs as the records that a partition's reader gets, offsets counted from `first`."""
    found = [output for output in outputs if output.topic == topic]
    return [
        Record(o.value, o.key, first + n, partition, o.timestamp or NOW, o.headers, f"nps.{topic}")
        for n, o in enumerate(found)
    ]
