"""What is emitted is, byte for byte, what the model would write; and the model takes it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Severity
from schemas.base import Event
from schemas.decision import Category, Decision, RuleDecision
from schemas.emitted import emitted, to_json
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.scores import Scores, WindowScore

Times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds
    lambda when: when.replace(microsecond=when.microsecond // 1_000 * 1_000)
)
Points = st.one_of(st.none(), st.floats(-100, 100), st.integers(-100, 100).map(float))


def same(model: type[Event], values: dict[str, Any], inside: dict[str, Any] | None = None) -> None:
    """Expect that both ways write the same. `inside`: the fields that hold models, emitted."""
    written = to_json(emitted(model)(**(values | (inside or {}))))

    assert model(**values).model_dump_json().encode() == written
    assert model(**values) == model.model_validate_json(written)


@given(Times, st.text(min_size=1, max_size=20), st.integers(0, 10), st.sampled_from(Category))
def test_a_decision_is_written_as_its_model_is(when: datetime, text: str, score: int, category: Category) -> None:
    said = {"rule": text, "verdict": "none", "reason": text}
    values = {
        "decision_id": "d-1",
        "outcome": text,
        "customer_id": "c-1",
        "score": score,
        "category": category,
        "decided_at": when,
        "source_partition": 3,
        "source_offset": 2**40,
    }

    same(
        Decision,
        values | {"rules": [RuleDecision(**said, figures=None)]},
        {"rules": [emitted(RuleDecision)(**said, figures=None)]},
    )


@given(Times, Points, Points, Points)
def test_numbers_are_written_as_their_model_writes_them(
    when: datetime, nps: float | None, low: float | None, high: float | None
) -> None:
    window: dict[str, Any] = dict.fromkeys(("n", "promoters", "passives", "detractors"), 7)
    window |= {"nps": nps, "low": low, "high": high, "indicative": True}
    values = {"segment": "é/😀", "as_of": when, "histogram": [0] * 11}

    same(
        Scores,
        values | {"windows": {"all": WindowScore(**window)}},
        {"windows": {"all": emitted(WindowScore)(**window)}},
    )


@given(Times, Points, Points, st.sampled_from(Severity), st.floats(0, 1_000) | st.none())
def test_an_incident_is_written_as_its_model_is(
    when: datetime, low: float | None, high: float | None, severity: Severity, expected: float | None
) -> None:
    window: dict[str, Any] = dict.fromkeys(("n", "promoters", "passives", "detractors"), 7)
    window |= {"nps": low, "low": low, "high": high, "indicative": True}
    points = {"points": -59.6, "low": -84.1, "high": -30.8}
    values = {
        "alert_id": "i-1",
        "kind": IncidentKind.SEGMENT_DROP,
        "action": IncidentAction.OPENED,
        "reason": IncidentReason.NPS_FELL,
        "severity": severity,
        "summary": "é/😀",
        "occurred_at": when,
        "segment": "é/😀",
        "touchpoint": "😀",
        "since": when,
        "explains": ["é", ""],
        "expected": expected,
    }

    same(Incident, values)
    same(
        Incident,
        values | {"before": WindowScore(**window), "change": Change(**points)},
        {"before": emitted(WindowScore)(**window), "change": emitted(Change)(**points)},
    )


def test_a_field_that_must_be_given_must_be_given() -> None:
    with pytest.raises(TypeError, match="rule"):
        emitted(RuleDecision)(verdict="v", reason="r")  # type: ignore[call-arg]


def test_what_is_not_given_has_its_default() -> None:
    same(
        Decision,
        {
            "decision_id": "d",
            "outcome": "erased",
            "customer_id": "c",
            "decided_at": datetime(2026, 1, 1, tzinfo=UTC),
            "source_partition": 0,
            "source_offset": 0,
        },
    )
