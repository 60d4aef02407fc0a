"""Made-up answers in two parts: an older version takes the first one, and its successor the second one.

The parts belong together: the second corrects, repeats and erases what the first has told. It goes on with a desk whose
answers have turned bad, and it has the end of each mail that the mail server has not taken yet.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from integration.sampling import Published, workload

from worker.embedded.inbox import Mail, Step

#: How many records of a general kind there are, in both parts, and how many of them are in the first one.
_SIZE, _FIRST = 600, 400
#: Hours before the first part's end. In the last ones the answers to one desk are bad, and it has an incident.
_HOURS, _BAD_HOURS = 300, 60
#: Hours that the second part goes on with that.
_MORE_HOURS = 8
DESKS, BAD_DESK = ("pay", "send"), "send"
_GOOD_SCORES = (10, 8, 10, 3, 9, 8, 10, 10, 7, 5)
_BAD_SCORES = (3, 0, 8, 5, 6, 2, 10, 4, 1, 7)
_CORRECTED_SCORES = (9, 2, 7)

#: Customers whose mails the server does not take at first. It is asked again by the second version; by then one of them
#: has corrected the answer, and another one is erased.
WAITING, CORRECTED, ERASED = "Wanda Waiting", "Cora Waiting", "Erik Waiting"
_EARLIER = "Edda Erased"
#: Whom the two parts erase.
ERASED_CUSTOMERS = ("edda", "erik")


class Answers(NamedTuple):
    """`desks`: in portions that are taken one after the other, since hours are judged in their order."""

    desks: list[list[Published]]
    first: list[Published]
    second: list[Published]


def answers(now: datetime) -> Answers:
    """Return answers up to a time, in UTC: the first part is from before it, the second one from just before it."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    began = hour - timedelta(hours=_HOURS + _MORE_HOURS)
    desks = [_desks(began, number) for number in range(_HOURS + _MORE_HOURS)]
    general = workload(_SIZE, seed=15, since=now - timedelta(days=121))
    waiting = [_waiting(name, now, score=2) for name in (WAITING, CORRECTED, ERASED)]
    gone = _waiting(_EARLIER, now, score=4)
    return Answers(
        [[record for portion in desks[at : at + 20] for record in portion] for at in range(0, _HOURS, 20)],
        [gone, *waiting, *general[:_FIRST]],
        [
            *(record for portion in desks[_HOURS:] for record in portion),
            *general[_FIRST:],
            _waiting(CORRECTED, now, score=9, revision=1),
            _erasure(ERASED),
        ],
    )


def corrections(records: Sequence[Published], count: int) -> list[Published]:
    """Return a correction of each of the last `count` responses among records: to any kind of score, from any."""
    latest = {
        record.event["response_id"]: record
        for record in records
        if record.event is not None and record.event["customer_id"] not in ERASED_CUSTOMERS
    }
    chosen = list(latest.values())[-count:]
    return [_correction(record, _CORRECTED_SCORES[place % 3]) for place, record in enumerate(chosen)]


def _correction(record: Published, score: int) -> Published:
    assert record.event is not None
    event = {**record.event, "revision": record.event.get("revision", 0) + 10, "score": score}
    return Published(record.key, json.dumps(event).encode(), [], event)


def erasure_of_the_first_part() -> Published:
    """Return the erasure of a customer whose mail has gone out."""
    return _erasure(_EARLIER)


async def refuse_who_waits(step: Step, mail: Mail) -> str | None:
    """Answer as a mail server that does not take some mails now."""
    waits = step is Step.DATA and "Waiting" in str(mail.message["Subject"])
    return "451 4.3.0 later" if waits else None


def event_of(value: bytes) -> dict[str, Any]:
    """Return the response that a valid record's value holds."""
    event: dict[str, Any] = json.loads(value)
    data: dict[str, Any] = event.get("data", event)
    return data


def _desks(began: datetime, number: int) -> list[Published]:
    """Return the answers of an hour."""
    found = []
    for desk in DESKS:
        is_bad = desk == BAD_DESK and number >= _HOURS - _BAD_HOURS
        name = f"{desk}-{number}"
        event = {
            "response_id": name,
            "survey_id": "desks",
            "customer_id": name,
            "score": (_BAD_SCORES if is_bad else _GOOD_SCORES)[number % 10],
            "responded_at": (began + timedelta(hours=number)).isoformat(),
            "segment": ["de", desk],
        }
        found.append(_published(event))
    return found


def _waiting(name: str, now: datetime, **changes: Any) -> Published:
    event = {
        "response_id": f"r-{_customer(name)}",
        "survey_id": "s-1",
        "customer_id": _customer(name),
        "responded_at": (now - timedelta(hours=2)).astimezone(UTC).isoformat(),
        "segment": ["fr", "a", "x"],
        "customer": {"name": name, "email": f"{_customer(name)}@example.com"},
        "comment": "Nobody has called me back.",
        "language": "en",
    }
    return _published({**event, **changes})


def _published(event: dict[str, Any]) -> Published:
    return Published(event["customer_id"].encode(), json.dumps(event).encode(), [], event)


def _erasure(name: str) -> Published:
    return Published(_customer(name).encode(), None, [], None)


def _customer(name: str) -> str:
    return name.split(maxsplit=1)[0].lower()
