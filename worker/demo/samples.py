"""Sample responses in French and English: invented people, and a few shops with their desks."""

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from worker.demo.levels import weights
from worker.kafka.publishing import lines
from worker.lineage import SEPARATOR

#: The file that `make demo ARGS=--once` publishes. Its 300 lines include duplicates, corrections and broken lines.
FILE = Path(__file__).parent / "samples.jsonl"

_SHOPS = {"fr": ["lyon", "paris", "nantes"], "uk": ["leeds", "bristol"]}
_DESKS = ["delivery", "checkout", "support"]
_NAMES = {
    "fr": ["Camille Garnier", "Nadia Lefort", "Hugo Marchal", "Inès Fontaine", "Lucas Perrot", "Zoé Vasseur"],
    "en": ["Alex Morgan", "Priya Nair", "Tom Hadley", "Grace Osei", "Ruth Calder", "Ben Whitlock"],
}
#: Names for single answers. No other sample has them, so that their publisher recognises the answer.
_OWN_NAMES = {
    "fr": ["Maëlle Tessier", "Bastien Rouvier", "Solène Guyot"],
    "en": ["Imogen Hale", "Callum Reyes", "Tessa Whitfield"],
}
_COMMENTS = {
    ("fr", "low", "delivery"): ["Livraison en retard de dix jours, personne ne répond.", "Colis arrivé abîmé."],
    ("fr", "low", "checkout"): ["Paiement refusé trois fois, puis débité deux fois.", "Trop d’étapes pour commander."],
    ("fr", "low", "support"): ["On m’a promis un rappel, j’attends toujours.", "Réponse copiée-collée."],
    ("fr", "mid", ""): ["Correct, sans plus.", "Produit bien mais un peu cher.", ""],
    ("fr", "high", ""): ["Rapide et soigné, merci !", "Une équipe à l’écoute.", ""],
    ("en", "low", "delivery"): ["Ten days late and nobody picks up the phone.", "The box arrived crushed."],
    ("en", "low", "checkout"): ["Charged twice for one order.", "The form lost my address again."],
    ("en", "low", "support"): ["Still waiting for the call you promised.", "A canned answer to a real question."],
    ("en", "mid", ""): ["Fine, nothing special.", "Good product, a bit pricey.", ""],
    ("en", "high", ""): ["Quick, friendly, spot on.", "Best service I have had in years.", ""],
}
#: The time of an answer. Some broken lines do not have it.
_ANSWERED = re.compile(rb'"responded_at": "(\d{4}-[^"]+[+-]\d\d:\d\d)"')
#: The time between the oldest and the newest of the shipped answers. It is shorter than alerts.max_age_days.
_SPAN = timedelta(days=13)

#: The score of the first one of endless samples: so low that its alert is critical.
_FIRST_SCORE = 1


def response(
    rng: random.Random, number: int, when: datetime, score: int | None = None, days_ago: float = 0
) -> dict[str, Any]:
    """Return one response; `when` is the time of the answer, with its offset.

    Without a score, it gets one that was usual at its desk so many days ago.
    """
    country = rng.choice(["fr", "fr", "fr", "uk"])
    desk = (country, rng.choice(_SHOPS[country]), rng.choice(_DESKS))
    language = "fr" if country == "fr" else "en"
    if score is None:
        score = rng.choices(range(11), weights(desk, days_ago))[0]
    comment = _comment(rng, language, score, desk[2])
    customer = rng.randrange(400)
    return {
        "response_id": f"r-{number:05d}",
        "revision": 0,
        "survey_id": "after-purchase",
        "customer_id": f"c-{customer:04d}",
        "score": score,
        "comment": comment or None,
        "language": language,
        "responded_at": when.isoformat(timespec="seconds"),
        "segment": list(desk),
        "customer": {
            "name": _NAMES[language][customer % 6],
            "email": f"customer-{customer:04d}@example.com",
            "phone": f"+33 1 99 00 {customer // 100:02d} {customer % 100:02d}" if language == "fr" else None,
            "tier": "vip" if customer % 9 == 0 else "standard",
            "owner": f"{desk[1]} team",
        },
        "consent": {"callback": customer % 7 != 0, "public_review": customer % 3 != 0, "marketing": False},
        "origin": {"system": "sample", "permalink": f"https://survey.example.com/answers/r-{number:05d}"},
        "test": False,
    }


def _comment(rng: random.Random, language: str, score: int, desk: str) -> str:
    mood = "low" if score <= 6 else "high" if score >= 9 else "mid"
    return rng.choice(_COMMENTS[language, mood, desk if mood == "low" else ""])


def one(rng: random.Random, score: int, when: datetime) -> bytes:
    """Return one answer with this score. Its customer is a new one, with a name that no other sample has."""
    answer = response(rng, rng.randrange(10**6, 10**9), when)
    language = answer["language"]
    changed = {
        "response_id": f"sample-{rng.randrange(10**12)}",
        "customer_id": f"sample-{rng.randrange(10**12)}",
        "score": score,
        "comment": _comment(rng, language, score, answer["segment"][2]) or None,
        "survey_id": "sample",
        "customer": answer["customer"] | {"name": rng.choice(_OWN_NAMES[language])},
    }
    return json.dumps({**answer, **changed}, ensure_ascii=False).encode()


def described(value: bytes) -> str:
    """Return the customer's name, the score and the segment of a sample answer, which its alert and mail will show."""
    answer = json.loads(value)
    return f"{answer['customer']['name']}, score {answer['score']}, {SEPARATOR.join(answer['segment'])}"


def shipped(now: datetime) -> list[bytes]:
    """Return the lines of FILE with new times: the newest answer is given now, and the others in the 13 days before.

    The times in the file are of 2025, and so old an answer would raise no alert.
    """
    values = lines(FILE)
    times = [datetime.fromisoformat(found[1].decode()) for value in values for found in _ANSWERED.finditer(value)]
    newest, span = max(times), max(times) - min(times)

    def dated(found: re.Match[bytes]) -> bytes:
        age = (newest - datetime.fromisoformat(found[1].decode())) / span * _SPAN
        return b'"responded_at": "%b"' % (now - age).isoformat(timespec="milliseconds").encode()

    return [_ANSWERED.sub(dated, value) for value in values]


def endless(rng: random.Random, start: int, now: Callable[[], datetime]) -> Iterator[bytes]:
    """Yield responses without end, each with the time `now()`. One in forty is broken or a repeat.

    The first one is of a very unhappy customer, so that soon there is a critical alert to work on.
    """
    number = start
    last = b""
    while True:
        number += 1
        chance = rng.random()
        if last and chance < 1 / 80:
            yield last
        elif last and chance < 1 / 40:
            yield b'{"response_id": "r-broken", "score": 11'
        else:
            made = response(rng, number, now(), None if last else _FIRST_SCORE)
            last = json.dumps(made, ensure_ascii=False).encode()
            yield last
