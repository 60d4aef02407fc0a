"""One complete example per event, with every field. The people are invented, the addresses and numbers reserved.

They tell one story: a customer in France is let down by a delivery, another one in Sweden is delighted. Some weeks
later that delivery desk lets many down.
"""

from typing import Any

_CAMILLE = {
    "name": "Camille Moreau",
    "email": "camille.moreau@example.com",
    "phone": "+33 1 99 00 41 27",
    "tier": "vip",
    "owner": "lyon-desk",
}
_CAMILLE_AGREED = {"callback": True, "public_review": False, "marketing": False}
_LATE = "Livré avec six jours de retard, et personne ne répond au téléphone."

RESPONSE: dict[str, Any] = {
    "response_id": "r-20461",
    "revision": 0,
    "survey_id": "after-delivery",
    "customer_id": "c-7f3a91",
    "score": 2,
    "comment": _LATE,
    "language": "fr",
    "responded_at": "2026-03-02T09:14:05+01:00",
    "segment": ["fr", "lyon", "delivery"],
    "customer": _CAMILLE,
    "consent": _CAMILLE_AGREED,
    "origin": {"system": "survey-tool", "permalink": "https://surveys.example.com/answers/r-20461"},
    "test": False,
}

ALERT: dict[str, Any] = {
    "alert_id": "b38b4d1c-0fe9-5bed-ab73-4b5f385a2f1f",
    "kind": "detractor",
    "action": "opened",
    "reason": "detractor",
    "severity": "critical",
    "summary": "Score 2 at fr/lyon/delivery",
    "occurred_at": "2026-03-02T08:14:06Z",
    "response_id": "r-20461",
    "revision": 0,
    "survey_id": "after-delivery",
    "score": 2,
    "responded_at": "2026-03-02T09:14:05+01:00",
    "comment": _LATE,
    "language": "fr",
    "segment": "fr/lyon/delivery",
    "touchpoint": "delivery",
    "customer_id": "c-7f3a91",
    "customer": _CAMILLE,
    "consent": _CAMILLE_AGREED,
    "last_answers": [{"score": 9, "responded_at": "2025-11-18T16:42:00Z", "segment": "fr/lyon/shop"}],
    "links": [{"href": "https://surveys.example.com/answers/r-20461", "text": "answer"}],
}

INCIDENT: dict[str, Any] = {
    "alert_id": "b4e8bb0b-310d-5533-9ba5-79ae36a1a99b",
    "kind": "segment_drop",
    "action": "opened",
    "reason": "nps_fell",
    "severity": "critical",
    "summary": "NPS fell from +38 to -21 at fr/lyon/delivery",
    "occurred_at": "2026-05-29T09:00:07Z",
    "segment": "fr/lyon/delivery",
    "touchpoint": "delivery",
    "since": "2026-05-19T06:00:00Z",
    "before": {
        "n": 268,
        "promoters": 148,
        "passives": 75,
        "detractors": 45,
        "nps": 38.4,
        "low": 29.0,
        "high": 47.0,
        "indicative": False,
    },
    "after": {
        "n": 33,
        "promoters": 7,
        "passives": 12,
        "detractors": 14,
        "nps": -21.2,
        "low": -44.5,
        "high": 5.6,
        "indicative": False,
    },
    "change": {"points": -59.6, "low": -84.1, "high": -30.8},
    "explains": ["fr/lyon"],
    "expected": None,
}

INVITATION: dict[str, Any] = {
    "invitation_id": "4971bd6e-551e-5b28-b147-90449a0172bd",
    "response_id": "r-20462",
    "revision": 0,
    "survey_id": "after-delivery",
    "customer_id": "c-2b8e04",
    "name": "Nora Lindqvist",
    "email": "nora.lindqvist@example.org",
    "language": "sv",
    "score": 10,
    "segment": "se/malmo/shop",
    "platform": "testimonial",
    "url": "https://example.com/tell-your-story",
    "tone": "promoter",
    "incentive_allowed": False,
    "invited_at": "2026-03-02T08:20:31Z",
    "quarantine_until": "2026-08-29T08:20:31Z",
}

DECISION: dict[str, Any] = {
    "decision_id": "f67d9595-8841-5e71-ad0f-7ad8aa7449e1",
    "outcome": "accepted",
    "customer_id": "c-7f3a91",
    "response_id": "r-20461",
    "revision": 0,
    "score": 2,
    "category": "detractor",
    "segment": "fr/lyon/delivery",
    "decided_at": "2026-03-02T08:14:06Z",
    "source_partition": 3,
    "source_offset": 10482,
    "rules": [
        {"rule": "detractor_alert", "verdict": "alert_opened", "reason": "detractor"},
        {"rule": "review_invitation", "verdict": "none", "reason": "not_promoter"},
    ],
}

SCORES: dict[str, Any] = {
    "segment": "fr/lyon/delivery",
    "as_of": "2026-03-02T08:14:05Z",
    "histogram": [9, 6, 11, 8, 10, 13, 17, 39, 57, 83, 88],
    "windows": {
        "all": {
            "n": 341,
            "promoters": 171,
            "passives": 96,
            "detractors": 74,
            "nps": 28.4,
            "low": 19.8,
            "high": 36.6,
            "indicative": False,
        },
        "last_100": {
            "n": 100,
            "promoters": 52,
            "passives": 28,
            "detractors": 20,
            "nps": 32.0,
            "low": 15.9,
            "high": 46.2,
            "indicative": False,
        },
        "24h": {
            "n": 4,
            "promoters": 1,
            "passives": 1,
            "detractors": 2,
            "nps": -25.0,
            "low": -72.7,
            "high": 44.2,
            "indicative": True,
        },
        "7d": {
            "n": 22,
            "promoters": 11,
            "passives": 6,
            "detractors": 5,
            "nps": 27.3,
            "low": -7.4,
            "high": 55.4,
            "indicative": True,
        },
        "30d": {
            "n": 90,
            "promoters": 44,
            "passives": 25,
            "detractors": 21,
            "nps": 25.6,
            "low": 8.3,
            "high": 41.2,
            "indicative": False,
        },
        "90d": {
            "n": 260,
            "promoters": 130,
            "passives": 73,
            "detractors": 57,
            "nps": 28.1,
            "low": 18.1,
            "high": 37.4,
            "indicative": False,
        },
        "365d": {
            "n": 1004,
            "promoters": 512,
            "passives": 281,
            "detractors": 211,
            "nps": 30.0,
            "low": 25.1,
            "high": 34.7,
            "indicative": False,
        },
    },
    "smoothed": {"nps": 26.9, "low": 16.5, "high": 36.9, "n_eff": 229.4, "half_life_days": 28},
    "trend": {"direction": "unclear", "change": -4.1, "low": -11.2, "high": 3.0},
}

DEAD_LETTER: dict[str, Any] = {
    "dead_letter_id": "b7b4d719-58ca-5a4b-9fac-8e2a730f3c48",
    "reason": "score_out_of_range",
    "detail": "score: expected a whole number from 0 to 10",
    "topic": "nps.responses",
    "partition": 1,
    "offset": 9917,
    "timestamp": "2026-03-02T08:15:44Z",
    "key": "Yy01MTIw",
    "payload": "eyJyZXNwb25zZV9pZCI6InItMjA0NjMiLCJjdXN0b21lcl9pZCI6ImMtNTEyMCIsInNjb3JlIjoxMX0=",
    "payload_bytes": 59,
    "truncated": False,
}

DELIVERY: dict[str, Any] = {
    "delivery_id": "e2f8b4d6-7a95-5c1e-a3b0-4d6c8e9f0a12",
    "alert_id": "b38b4d1c-0fe9-5bed-ab73-4b5f385a2f1f",
    "channel": "email",
    "route": "france-delivery",
    "status": "deferred",
    "attempt": 1,
    "reason": "smtp_450",
    "at": "2026-03-02T08:14:07Z",
    "next_attempt_at": "2026-03-02T08:19:07Z",
}
