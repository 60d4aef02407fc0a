"""What upstream publishes while things go wrong: repeats, revisions, late comers, poison, and the wrong keys."""

import json
import random
from typing import Any

from integration.recount import Recount
from integration.sampling import Published, corrected, published, refused, response

from worker.flow.ids import make_id

_REPEATS, _REVISIONS, _POISON, _LATE = 0.10, 0.03, 0.02, 0.05
#: Repeats and revisions are of one of so many latest responses.
_RECENT = 40
#: How often a command is published under a wrong key.
_MISKEYED = 0.2
#: A late one comes after so many others, at most.
_LATEST = 30
#: Every so many customers, one is published under a wrong key, always.
_MISKEYED_EVERY = 20


class Feed:
    """Responses without end; the same ones for the same seed."""

    def __init__(self, seed: str, customers: int = 150) -> None:
        self._rng = random.Random(seed)
        self._customers = customers
        self._number = 0
        self._recent: list[dict[str, Any]] = []
        self._late: list[tuple[int, Published]] = []
        self._commands: list[tuple[bytes, bytes]] = []

    def take(self, count: int) -> list[Published]:
        """Return the next ones."""
        return [self._next() for _ in range(count)]

    def commands(self, count: int) -> list[tuple[bytes, bytes]]:
        """Return the next commands with their keys: about alerts of the latest responses, and sometimes about none."""
        return [self._command() for _ in range(count)]

    def _command(self) -> tuple[bytes, bytes]:
        rng = self._rng
        if self._commands and rng.random() < _REPEATS:
            return rng.choice(self._commands)
        event = rng.choice(self._recent[-_RECENT:])
        customer = event["customer_id"]
        body = {
            "command_id": f"k-{len(self._commands)}",
            "alert_id": make_id("detractor_alert", customer, event["response_id"]),
            "customer_id": customer,
            "action": rng.choice(["acknowledge", "assign", "note", "resolve", "resolve", "reopen"]),
            "actor": rng.choice(["ann", "bob"]),
            "assignee": "eve",
            "outcome": rng.choice(["solved", "called_back"]),
            "cause": rng.choice([None, "delivery", "weather"]),
            "note": "by phone",
        }
        key = b"shop-till-7" if rng.random() < _MISKEYED else customer.encode()
        command = key, json.dumps(body).encode()
        self._commands.append(command)
        return command

    def _next(self) -> Published:
        if self._late and self._late[0][0] <= self._number:
            return self._late.pop(0)[1]
        self._number += 1
        record = self._make()
        if self._rng.random() < _LATE:
            self._late.append((self._number + self._rng.randrange(1, _LATEST), record))
            return self._next()
        return record

    def _make(self) -> Published:
        rng, recent, chance = self._rng, self._recent, self._rng.random()
        if chance < _POISON:
            return refused(self._number, rng)
        if recent and chance < _POISON + _REPEATS:
            event = rng.choice(recent[-_RECENT:])
        elif recent and chance < _POISON + _REPEATS + _REVISIONS:
            place = rng.randrange(max(0, len(recent) - _RECENT), len(recent))
            event = recent[place] = corrected(recent[place], rng)
        else:
            event = response(self._number, rng, self._customers)
            recent.append(event)
        record = published(event, rng)
        if int(event["customer_id"][2:]) % _MISKEYED_EVERY == 0:
            record = record._replace(key=b"shop-till-7")
        return record


def recounted(records: list[Published]) -> Recount:
    """Return what must have come of these records."""
    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
        elif record.value is None and record.key is not None:
            recount.erase(record.key.decode())
    return recount
