from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from schemas.alert import Alert, AlertAction, AlertReason, EarlierAnswer, Link, Severity
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.response import Consent, Customer
from schemas.scores import WindowScore

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]


def _alert(**changes: Any) -> Alert:
    paris = timezone(timedelta(hours=2))
    usual: dict[str, Any] = {
        "alert_id": "0b8d1a3e-1111-5222-8333-444455556666",
        "kind": "detractor",
        "action": AlertAction.OPENED,
        "reason": AlertReason.DETRACTOR,
        "severity": Severity.CRITICAL,
        "summary": "Detractor with score 2 in fr/shop-3/delivery",
        "occurred_at": datetime(2026, 8, 1, 12, 5, 30, tzinfo=UTC),
        "response_id": "r-1",
        "revision": 0,
        "survey_id": "autumn",
        "score": 2,
        "responded_at": datetime(2026, 8, 1, 14, 5, tzinfo=paris),
        "comment": "Trois semaines de retard.\nPersonne ne répond.",
        "language": "fr",
        "segment": "fr/shop-3/delivery",
        "touchpoint": "delivery",
        "customer_id": "c-42",
        "customer": Customer(
            name="Marie Dupont", phone="+33 6 12 34 56 78", email="marie@example.org", tier="vip", owner="Jean"
        ),
        "consent": Consent(callback=True),
        "last_answers": [
            EarlierAnswer(score=9, responded_at=datetime(2026, 1, 3, 9, 0, tzinfo=paris), segment="fr/shop-3")
        ],
        "links": [Link(href="https://survey.example/r?a=1&b=2", text="Answer")],
    }
    return Alert(**(usual | changes))


def _incident(**changes: Any) -> Incident:
    usual: dict[str, Any] = {
        "alert_id": "5f1c2b7a-1111-5222-8333-444455556666",
        "kind": IncidentKind.SEGMENT_DROP,
        "action": IncidentAction.OPENED,
        "reason": IncidentReason.NPS_FELL,
        "severity": Severity.CRITICAL,
        "summary": "NPS fell from +38 to -21 at fr/shop-3/delivery",
        "occurred_at": datetime(2026, 8, 1, 12, 0, 7, tzinfo=UTC),
        "segment": "fr/shop-3/delivery",
        "touchpoint": "delivery",
        "since": datetime(2026, 7, 24, 6, 0, tzinfo=UTC),
        "before": WindowScore(
            n=1268, promoters=700, passives=356, detractors=212, nps=38.5, low=34.2, high=42.6, indicative=False
        ),
        "after": WindowScore(
            n=33, promoters=7, passives=12, detractors=14, nps=-21.2, low=-44.5, high=5.6, indicative=False
        ),
        "change": Change(points=-59.7, low=-84.1, high=-30.8),
        "explains": ["fr/shop-3", "fr"],
    }
    return Incident(**(usual | changes))


@pytest.fixture(scope="session")
def make_incident() -> MakeIncident:
    """Return an incident like the usual one, but for the fields given."""
    return _incident


@pytest.fixture(scope="session")
def make_alert() -> MakeAlert:
    """Return an alert like the usual one, but for the fields given."""
    return _alert
