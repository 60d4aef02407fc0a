"""The company of boards.py with what the pages about "Why?" show: answers, messages, silences and refused records."""

from base64 import b64encode
from itertools import count
from typing import Any

from board.records import dead_letter, decision, delivery
from flow.records import Record
from web.boards import LEAVES, NOW, board

from schemas.silence import Silence, SilenceMatch
from worker.board.board import Board
from worker.flow.ids import make_id
from worker.flow.timestamps import DAY, from_ms

MINUTE = 60_000
CUSTOMER, RESPONSE = "c-48120", "r-90417"
#: The case of the customer's alert.
ALERT_ID = make_id("detractor_alert", CUSTOMER, RESPONSE)
_REFUSED = '{"response_id": "r-90500", "survey_id": "after-call", "customer_id": "c-77", "score": 11}'


def rule(name: str, verdict: str, reason: str, **figures: float) -> dict[str, Any]:
    return {"rule": name, "verdict": verdict, "reason": reason, "figures": figures or None}


def why_board() -> Board:
    """Return the board."""
    found = board()
    for one in _decisions():
        found.answers.take(one)
    for one in _deliveries():
        found.deliveries.take(one)
    for one in _letters():
        found.dead_letters.take(one)
    for state in _silences():
        found.silences.take(state.silence_id.encode(), state.model_dump_json().encode())
    return found


def answered(number: int, minutes: int, **changes: Any) -> Record:
    leaf = list(LEAVES)[number % len(LEAVES)]
    usual: dict[str, Any] = {
        "customer_id": f"c-{number}", "response_id": f"r-{number}", "segment": leaf, "score": 10,
        "category": "promoter",
        "rules": [
            rule("detractor_alert", "none", "not_detractor"), rule("review_invitation", "none", "no_consent"),
            rule("suspect_gaming", "none", "nobody_asked"),
        ],
    }  # fmt: skip
    return decision(NOW - minutes * MINUTE, **(usual | changes))


def unhappy(alert: dict[str, Any]) -> dict[str, Any]:
    rules = [alert, rule("review_invitation", "none", "not_promoter"), rule("suspect_gaming", "none", "nobody_asked")]
    return {"score": 2, "category": "detractor", "rules": rules}


def _decisions() -> list[Record]:
    told = unhappy(rule("detractor_alert", "alert_opened", "detractor"))
    return [
        answered(0, 3),
        answered(4, 12, customer_id=CUSTOMER, response_id=RESPONSE, **told),
        answered(1, 25, **unhappy(rule("detractor_alert", "none", "too_old"))),
        answered(2, 40, outcome="duplicate", rules=[]),
        answered(3, 55, **unhappy(rule("detractor_alert", "none", "suspect_scanner")), outcome="suspect_scanner"),
        answered(6, 70, rules=[
            rule("detractor_alert", "none", "not_detractor"), rule("review_invitation", "invited", "promoter"),
            rule("suspect_gaming", "marked", "asked_by_whom_it_judges", minutes_after_contact=12.0),
        ]),
        answered(7, 90, outcome="erased", response_id=None, score=None, category=None, segment=None, rules=[]),
        *(answered(number, 100 + 7 * number) for number in range(8, 80)),
    ]  # fmt: skip


def _deliveries() -> list[Record]:
    at = count(NOW - 600 * MINUTE, 5 * MINUTE)
    lines: list[dict[str, Any]] = [
        {"delivery_id": "d-1", "alert_id": "i-2", "status": "pending", "attempt": 0, "reason": "planned"},
        {"delivery_id": "d-1", "alert_id": "i-2", "status": "deferred", "attempt": 1, "reason": "smtp_450",
         "next_attempt_at": "2026-12-01T02:20:00Z"},
        {"delivery_id": "d-1", "alert_id": "i-2", "status": "sent", "attempt": 2, "reason": "accepted"},
        {"delivery_id": "d-2", "alert_id": "a-1", "status": "failed", "attempt": 9, "reason": "gave_up_timeout",
         "channel": "chat", "receiver": "care"},
        {"delivery_id": "d-3", "alert_id": "a-3", "status": "deferred", "attempt": 0, "reason": "silenced",
         "silence_id": "lyon-strike", "next_attempt_at": "2026-12-03T08:00:00Z"},
        {"delivery_id": "d-4", "alert_id": "a-4", "status": "deferred", "attempt": 0, "reason": "capped",
         "digest_id": "digest-1"},
        {"delivery_id": "d-5", "alert_id": "a-5", "status": "deferred", "attempt": 0, "reason": "capped",
         "digest_id": "digest-1"},
        {"delivery_id": "digest-1", "alert_id": "digest-1", "status": "sent", "attempt": 1, "reason": "accepted"},
        {"delivery_id": "d-4", "alert_id": "a-4", "status": "sent", "reason": "in_digest", "digest_id": "digest-1"},
        {"delivery_id": "d-5", "alert_id": "a-5", "status": "sent", "reason": "in_digest", "digest_id": "digest-1"},
        {"delivery_id": "d-6", "alert_id": "a-6", "status": "deferred", "attempt": 0, "reason": "quiet_hours",
         "digest_id": "digest-2", "next_attempt_at": "2026-12-01T18:00:00Z"},
        {"delivery_id": "d-7", "alert_id": "a-7", "status": "nobody", "attempt": 0, "reason": "no_route",
         "receiver": "", "route": ""},
        {"delivery_id": "d-8", "alert_id": "a-8", "status": "cancelled", "attempt": 0, "reason": "acknowledged"},
    ]  # fmt: skip
    return [delivery(next(at), **({"next_attempt_at": None} | line)) for line in lines]


def _letters() -> list[Record]:
    payload = b64encode(_REFUSED.encode()).decode()
    return [
        dead_letter(NOW - 30 * MINUTE, dead_letter_id="l-1", payload=payload, payload_bytes=len(_REFUSED),
                    timestamp="2026-12-01T11:30:00Z", key=b64encode(b"c-77").decode()),
        dead_letter(NOW - 300 * MINUTE, dead_letter_id="l-2", reason="mapping_failed", topic="receive/shop",
                    partition=-1, offset=-1, key=None, detail="answers.0: is no number",
                    timestamp="2026-12-01T07:00:00Z"),
        dead_letter(NOW - 900 * MINUTE, dead_letter_id="l-3", reason="not_json", truncated=True,
                    payload_bytes=9_000_000, detail="line 3: expected a comma", timestamp="2026-11-30T21:00:00Z"),
        dead_letter(NOW - 950 * MINUTE, dead_letter_id="l-4", reason="no_key", payload=None, key=None,
                    timestamp="2026-11-30T20:10:00Z"),
    ]  # fmt: skip


def _silences() -> list[Silence]:
    def silence(silence_id: str, until: int, match: SilenceMatch, reason: str, **changes: Any) -> Silence:
        state = "ended" if changes else "added"
        times = {"until": from_ms(until), "created_at": from_ms(NOW - DAY), "changed_at": from_ms(NOW - DAY)}
        usual = {"silence_id": silence_id, "version": 1, "state": state, "match": match, "reason": reason}
        return Silence(**{**usual, **times, "created_by": "amelie.roux", "changed_by": "amelie.roux", **changes})

    return [
        silence("lyon-strike", NOW + 2 * DAY, SilenceMatch(segment="Retail/Lyon"), "Strike of the carriers in Lyon"),
        silence("all", NOW + DAY, SilenceMatch(kinds=["no_responses"], receivers=["care"]), "The survey tool moves"),
        silence("old", NOW - DAY, SilenceMatch(segment="Support"), "Moving house"),
        silence("ended", NOW + DAY, SilenceMatch(segment="Online"), "A mistake", ended_at=from_ms(NOW - 2 * MINUTE)),
    ]
