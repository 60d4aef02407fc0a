"""Generated input for the integration tests: valid and broken, direct and mis-keyed, in every accepted form."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Headers = list[tuple[str, bytes]]

#: An element that is part of comments, and never of a page.
CANARY = "nps-canary"

#: The first of the days that answers are given in, unless a test says otherwise.
_SINCE = datetime(2025, 6, 1, tzinfo=UTC)
_CUSTOMERS = 150
#: Milliseconds between one answer and the next, so that no customer's two answers are within one burst.
_APART = 1_009

SEGMENTS = [[country, shop, desk] for country in ("fr", "uk") for shop in ("a", "b", "c") for desk in ("x", "y")]


class Published(NamedTuple):
    """A record to publish; `event` is the response it holds, None if it must be refused for `reason`.

    Without a value it erases its key's customer.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers
    event: dict[str, Any] | None
    reason: str | None = None


def response(
    number: int, rng: random.Random, customers: int = _CUSTOMERS, since: datetime = _SINCE, **changes: Any
) -> dict[str, Any]:
    """Return a valid response, of the 120 days from `since`, with a time that no other of the first 3.6 million has."""
    customer = rng.randrange(customers)
    when = since + timedelta(hours=rng.randrange(24 * 120), milliseconds=number * _APART)
    event = {
        "response_id": f"r-{number}",
        "revision": 0,
        "survey_id": "s-1",
        "customer_id": f"c-{customer}",
        "score": rng.choices(range(11), [3, 2, 2, 3, 3, 4, 5, 9, 12, 14, 13])[0],
        "comment": rng.choice(
            [None, f"Livraison en retard <{CANARY}>!</{CANARY}>", "line one\nline two \u0000 end", "☎ +33"]
        ),
        "language": rng.choice(["fr", "fr-CA", "en", "de", None]),
        "responded_at": when.isoformat(),
        "segment": rng.choice([*SEGMENTS, ["fr"], []]),
        "customer": {"name": f"N {customer}", "email": f"c{customer}@example.com", "tier": rng.choice(["vip", None])},
        "consent": {"callback": True, "public_review": customer % 3 > 0},
        "origin": {"system": "test", "permalink": f"https://survey.example.com/{number}"},
        "unknown": {"field": [1, 2, 3]},
    }
    return {**event, **changes}


def corrected(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a higher revision: another score, sometimes another segment, sometimes found to be a trial answer."""
    changes: dict[str, Any] = {"revision": event["revision"] + rng.choice([1, 2]), "score": rng.randrange(11)}
    if rng.random() < 0.3:
        changes["segment"] = rng.choice(SEGMENTS)
    if rng.random() < 0.1:
        changes["test"] = True
    return {**event, **changes}


def published(event: dict[str, Any], rng: random.Random) -> Published:
    """Return a response in one of the accepted forms, sometimes under a wrong key."""
    key = event["customer_id"].encode()
    form = rng.random()
    if form < 0.8:
        return Published(key, json.dumps(event).encode(), [], event)
    if form < 0.9:
        headers = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/t"), ("ce_type", b"nps.response.v1")]
        return Published(key, json.dumps(event).encode(), [*headers, ("content-type", b"application/json")], event)
    wrapped = {"specversion": "1.0", "id": "1", "source": "/t", "type": "nps.response.v1", "data": event}
    content_type = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    return Published(key, json.dumps(wrapped).encode(), content_type if form < 0.95 else [], event)


def refused(number: int, rng: random.Random) -> Published:
    """Return a record that must become a dead letter."""
    good = response(number, rng)
    value, reason = rng.choice(
        [
            (b"not json", "not_json"),
            (b"", "not_json"),
            (b"[]", "not_an_object"),
            (b'{"response_id": "\xff"}', "invalid_utf8"),
            (json.dumps({**good, "score": 11}).encode(), "score_out_of_range"),
            (json.dumps({**good, "score": "9"}).encode(), "score_not_integer"),
            (json.dumps({**good, "customer_id": ""}).encode(), "id_empty"),
            (json.dumps({**good, "responded_at": "2025-06-01T10:00:00"}).encode(), "time_naive"),
        ]
    )
    return Published(rng.choice([None, b"c-1"]), value, [], None, reason)


def workload(size: int, seed: int, since: datetime = _SINCE, customers: int = _CUSTOMERS) -> list[Published]:
    """Return about `size` records: 10 % repeats, 5 % corrections, 3 % refused, 5 % of all customers mis-keyed.

    A customer's records go the same way, all mis-keyed or all direct: across ways there is no order to rely on.
    """
    rng = random.Random(seed)
    records: list[Published] = []
    recent: list[dict[str, Any]] = []
    for number in range(size):
        chance = rng.random()
        if recent and chance < 0.10:
            event = rng.choice(recent[-40:])
        elif recent and chance < 0.15:
            place = rng.randrange(max(0, len(recent) - 40), len(recent))
            event = recent[place] = corrected(recent[place], rng)
        elif chance < 0.18:
            records.append(refused(number, rng))
            continue
        else:
            event = response(number, rng, customers, since)
            recent.append(event)
        record = published(event, rng)
        if int(event["customer_id"][2:]) % 20 == 0:
            record = record._replace(key=b"shop-till-7")
        records.append(record)
    return records
