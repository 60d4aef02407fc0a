"""Alerts and incidents as hypothesis makes them: the fields that differ from the usual ones."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from schemas.alert import AlertAction, AlertReason, EarlierAnswer, Link, Severity
from schemas.incident import Change, IncidentAction, IncidentReason
from schemas.response import Customer
from schemas.scores import WindowScore

#: What must not become part of a header or of a page.
HOSTILE = [
    "A\r\nBcc: thief@example.org",
    "A\vB\x85C\u2028D\u2029E\x00F",
    "=?utf-8?q?A=0D=0ABcc:_thief=40example.org?=",
    "=?utf-8?b?QQ0KQmNjOiB4QHk=?=",
    "=\u202e?utf-8?q?=0D=0ABcc:_x?=",
    "</title></h1><script>alert(1)</script><img src=x onerror=alert(1)>",
    "{{7*7}} {% raise %} {place} {before.__class__} {0} %s",
    "N" * 10_000,
    "é" * 10_000,
]

TEXT = st.text(max_size=200) | st.sampled_from(
    [*HOSTILE, "\r\nBcc: x@y", "=?utf-8?q?=0D=0A?=", "\u2028", "=?", "é" * 199]
)
MAYBE = st.none() | TEXT
ID = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
MOMENT = st.datetimes(
    timezones=st.just(UTC) | st.builds(lambda m: timezone(timedelta(minutes=m)), st.integers(-900, 900))
)
OCCURRED = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as asked for
ALERTS = st.fixed_dictionaries(
    {
        "alert_id": ID,
        "customer_id": ID,
        "survey_id": ID,
        "comment": MAYBE,
        "language": MAYBE,
        "segment": TEXT,
        "touchpoint": TEXT,
        "occurred_at": OCCURRED,
        "responded_at": MOMENT,
        "action": st.sampled_from(AlertAction),
        "reason": st.sampled_from(AlertReason) | TEXT,
        "severity": st.sampled_from(Severity),
        "customer": st.builds(Customer, name=MAYBE, email=MAYBE, phone=MAYBE, tier=MAYBE, owner=MAYBE),
        "last_answers": st.lists(
            st.builds(EarlierAnswer, score=st.integers(0, 10), responded_at=MOMENT, segment=TEXT), max_size=2
        ),
        "links": st.lists(st.builds(Link, href=TEXT | TEXT.map("https://e.org/{}".format), text=TEXT), max_size=2),
    }
)

NUMBER = st.floats() | st.integers(-(10**308), 10**308).map(float)
COUNT = st.integers() | st.just(10**4_000)
SCORE = st.none() | st.builds(
    WindowScore,
    n=COUNT,
    promoters=COUNT,
    passives=COUNT,
    detractors=COUNT,
    nps=st.none() | NUMBER,
    low=st.none() | NUMBER,
    high=st.none() | NUMBER,
    indicative=st.booleans(),
)
INCIDENTS = st.fixed_dictionaries(
    {
        "alert_id": ID,
        "kind": st.sampled_from(["segment_drop", "no_responses"]) | TEXT,
        "action": st.sampled_from(IncidentAction) | TEXT,
        "reason": st.sampled_from(IncidentReason) | TEXT,
        "severity": st.sampled_from(Severity),
        "segment": TEXT,
        "touchpoint": TEXT,
        "summary": TEXT,
        "occurred_at": OCCURRED,
        "since": MOMENT,
        "before": SCORE,
        "after": SCORE,
        "change": st.none() | st.builds(Change, points=NUMBER, low=NUMBER, high=NUMBER),
        "explains": st.lists(TEXT, max_size=10),
        "expected": st.none() | NUMBER,
    }
)
