"""Alerts and incidents share a topic: which of them a record is."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.alert import Alert
from schemas.incident import Incident
from worker.notify.told import told_in

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

ALERT, INCIDENT = b"nps.alert.v1", b"nps.incident.v1"


@pytest.mark.parametrize("event_type", [INCIDENT, None, b"", b"nps.incident.v2", b"\xff"])
def test_an_incident_is_known_by_its_type_or_else_by_its_kind(
    make_incident: MakeIncident, event_type: bytes | None
) -> None:
    incident = make_incident()

    assert incident == told_in(incident.model_dump_json().encode(), event_type)


@pytest.mark.parametrize("event_type", [ALERT, None, b"", b"nps.alert.v2", b"\xff"])
def test_an_alert_is_known_by_its_type_or_else_by_its_kind(make_alert: MakeAlert, event_type: bytes | None) -> None:
    alert = make_alert()

    assert alert == told_in(alert.model_dump_json().encode(), event_type)


@pytest.mark.parametrize("kind", ["segment_drop", "no_responses"])
def test_each_kind_of_incident_is_known_without_a_type(make_incident: MakeIncident, kind: str) -> None:
    assert isinstance(told_in(make_incident(kind=kind).model_dump_json().encode()), Incident)


def test_a_kind_added_later_is_known_by_its_type(make_incident: MakeIncident) -> None:
    incident = make_incident(kind="too_good_to_be_true")

    assert incident == told_in(incident.model_dump_json().encode(), INCIDENT)


def test_the_type_counts_for_more_than_the_kind(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    for event, other in ((make_alert(), INCIDENT), (make_incident(), ALERT)):
        with pytest.raises(ValidationError):
            told_in(event.model_dump_json().encode(), other)


@pytest.mark.parametrize(
    "value",
    [
        *[b"", b"{", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"kind":' * 100_000, b'{"kind": 1}'],
        *[b'{"kind": "segment_drop"}', b'{"kind": "detractor"}', b'{"kind": "other"}'],
    ],
    ids=lambda value: repr(value[:20]),
)
@pytest.mark.parametrize("event_type", [ALERT, INCIDENT, None])
def test_what_is_neither_is_refused(value: bytes, event_type: bytes | None) -> None:
    with pytest.raises(ValidationError):
        told_in(value, event_type)
