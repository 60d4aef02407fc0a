"""The sample history: answers of the year before the demo, which count but open no alert and invite nobody.

Without it, every line on the page would be as long as the demo runs.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from worker.demo import samples

#: How many days the history has, and the average number of its answers a day.
DAYS, _A_DAY = 364, 20
#: Every draw is the same at each start, so that the page can be described. With this seed, the NPS of Leeds in the last
#: 30 days seems to be lower than before, which is chance.
_SEED = 4
#: How many customers have answered. The customers of the other samples are among them.
_CUSTOMERS = 2_500
#: One answer in so many has a comment.
_COMMENTED = 6
_DAY = timedelta(days=1)


def history(now: datetime) -> Iterator[bytes]:
    """Yield the answers as values of records, the oldest one first.

    The last one was given before the day of `now` in UTC began. So at all times of a day, the answers are the same.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rng = random.Random(_SEED)  # noqa: S311 - samples, no secret
    number = 0
    for days_ago in range(DAYS, 0, -1):
        # As many answers come in each part of a day as in others, from half as many to half as many again.
        for moment in sorted(rng.random() for _ in range(rng.randint(_A_DAY // 2, _A_DAY + _A_DAY // 2))):
            number += 1
            when = today - _DAY * (days_ago - moment)
            yield _answer(rng, number, when, days_ago)


def _answer(rng: random.Random, number: int, when: datetime, days_ago: int) -> bytes:
    made = samples.response(rng, number, when, days_ago=days_ago)
    changed = {
        "response_id": f"past-{number:05d}",
        "customer_id": f"c-{rng.randrange(_CUSTOMERS):04d}",
        "comment": made["comment"] if number % _COMMENTED == 0 else None,
        "history": True,
    }
    kept = ("revision", "survey_id", "score", "language", "responded_at", "segment")
    return json.dumps({**{name: made[name] for name in kept}, **changed}, ensure_ascii=False).encode()
