"""Alerts and incidents share a topic: which of them a record is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flow.records import Record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notify.channels.email.mails import mail, subject
from notify.mailboxes import KEY, planned
from pydantic import ValidationError

from schemas.alert import Alert
from schemas.erasure import Erasure
from schemas.incident import Change, Incident, OtherIncident, ShareChange
from worker.notify import mailbox
from worker.notify.notice import notice_in

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

ALERT, INCIDENT = b"nps.alert.v1", b"nps.incident.v1"


@pytest.mark.parametrize("event_type", [INCIDENT, None, b"", b"nps.incident.v2", b"\xff"])
def test_an_incident_is_known_by_its_type_or_else_by_its_kind(
    make_incident: MakeIncident, event_type: bytes | None
) -> None:
    incident = make_incident()

    assert incident == notice_in(incident.model_dump_json().encode(), event_type)


@pytest.mark.parametrize("event_type", [ALERT, None, b"", b"nps.alert.v2", b"\xff"])
def test_an_alert_is_known_by_its_type_or_else_by_its_kind(make_alert: MakeAlert, event_type: bytes | None) -> None:
    alert = make_alert()

    assert alert == notice_in(alert.model_dump_json().encode(), event_type)


@pytest.mark.parametrize("kind", ["segment_drop", "no_responses"])
def test_each_kind_of_incident_is_known_without_a_type(make_incident: MakeIncident, kind: str) -> None:
    assert isinstance(notice_in(make_incident(kind=kind).model_dump_json().encode()), Incident)


def test_a_kind_added_later_is_known_by_its_type(make_incident: MakeIncident) -> None:
    incident = make_incident(kind="too_good_to_be_true")

    assert incident == notice_in(incident.model_dump_json().encode(), INCIDENT)


def test_the_type_counts_for_more_than_the_kind(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    for event, other in ((make_alert(), INCIDENT), (make_incident(), ALERT)):
        with pytest.raises(ValidationError):
            notice_in(event.model_dump_json().encode(), other)


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
        notice_in(value, event_type)


#: Without a time zone it is out of range; it is written by nobody, and was found by a fuzzer.
NO_TIMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"]


@pytest.mark.parametrize("time", NO_TIMES)
@pytest.mark.parametrize("field", ["occurred_at", "responded_at", "since", "last_answers"])
def test_a_time_that_no_mail_can_say_is_refused(
    make_alert: MakeAlert, make_incident: MakeIncident, field: str, time: str
) -> None:
    event = make_incident() if field == "since" else make_alert()
    body = json.loads(event.model_dump_json())
    if field == "last_answers":
        body[field][0]["responded_at"] = time
    else:
        body[field] = time
    with pytest.raises(ValidationError):
        notice_in(json.dumps(body).encode())


@pytest.mark.parametrize("time", NO_TIMES)
def test_a_mail_that_the_version_before_planned_for_such_a_time_is_composed_all_the_same(
    make_alert: MakeAlert, time: str
) -> None:
    alert = make_alert().model_dump_json().encode().replace(b"2026-08-01T12:05:30Z", time.encode())
    planned = Alert.model_validate_json(alert)

    assert planned.occurred_at.isoformat() == time.replace("Z", "+00:00")
    assert mail(planned)["Subject"]


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63), 10**30])
@pytest.mark.parametrize(("event", "path"), [("alert", "revision"), ("incident", "before.n"), ("incident", "after.n")])
def test_an_integer_that_fits_no_row_is_refused(
    make_alert: MakeAlert, make_incident: MakeIncident, event: str, path: str, number: int
) -> None:
    body = json.loads((make_alert() if event == "alert" else make_incident()).model_dump_json())
    outer, _, name = path.rpartition(".")
    (body[outer] if outer else body)[name] = number
    with pytest.raises(ValidationError, match="has a number that is too large"):
        notice_in(json.dumps(body).encode())


def test_an_alert_whose_revision_fits_no_row_becomes_a_dead_letter(make_alert: MakeAlert) -> None:
    alert = make_alert().model_copy(update={"revision": 2**64})
    decided = planned(Record(alert.model_dump_json().encode(), KEY, headers=[("ce_type", ALERT)]))

    assert [output.topic for output in decided.outputs] == ["dead-letters"]
    assert not decided.rows


def test_the_largest_revision_is_planned(make_alert: MakeAlert) -> None:
    alert = make_alert().model_copy(update={"revision": 2**63 - 1})
    decided = planned(Record(alert.model_dump_json().encode(), KEY, headers=[("ce_type", ALERT)]))

    assert [found.revision for found in mailbox.decode(decided.rows[KEY] or b"").mails] == [2**63 - 1]


@pytest.mark.parametrize("field", ["before.nps", "before.low", "after.nps", "change.points", "expected"])
@pytest.mark.parametrize("figure", [1e308, -1e308, 1.1e9])
def test_a_figure_that_fills_a_subject_is_refused(make_incident: MakeIncident, field: str, figure: float) -> None:
    body = json.loads(make_incident(expected=12.5).model_dump_json())
    outer, _, name = field.rpartition(".")
    (body[outer] if outer else body)[name] = figure
    with pytest.raises(ValidationError, match="has a number that is too large"):
        notice_in(json.dumps(body).encode())


_TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", " ", "=?utf-8?q?=0D=0AX: y?=", "a\r\nBcc: b", "\u202e", "{", "%s", "https://[", "x" * 2_000]),
)
_TIME = st.one_of(st.datetimes(timezones=st.timezones()).map(lambda when: when.isoformat()), st.sampled_from(NO_TIMES))
_FLOAT = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


def _like(value: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one return per kind reads best as a list
    """Return values of the kind of one in an event, as far from usual as its schema lets them be."""
    match value:
        case bool():
            return st.booleans()
        case int():
            return st.one_of(st.integers(0, 10), st.integers(-(10**30), 10**30))
        case float():
            return _FLOAT
        case str() if "T" in value and "-" in value and ":" in value:
            return _TIME
        case str() if value in ("warning", "error", "critical"):
            return st.sampled_from(["warning", "error", "critical"])
        case str():
            return _TEXT
        case list():
            return st.lists(_like(value[0]), max_size=3)
        case dict():
            return st.fixed_dictionaries({name: _like(inner) for name, inner in value.items()})
        case _:
            return st.none()


_WORDS = {
    "kind": st.sampled_from(["detractor", "segment_drop", "no_responses", "other"]),
    "action": st.sampled_from(["opened", "updated", "withdrawn", "resolved", "other"]),
    "reason": st.sampled_from(
        ["detractor", "no_longer_detractor", "nps_fell", "mix_changed", "wider", "recovered", "other"]
    ),
}


@settings(suppress_health_check=[*HealthCheck])
@given(st.data())
def test_whatever_is_let_through_can_be_planned_and_composed(
    make_alert: MakeAlert, make_incident: MakeIncident, data: st.DataObject
) -> None:
    part, moved = Change(points=-9.0, low=-12.0, high=-6.0), ShareChange(segment="fr/b", before=0.1, after=0.4)
    more = {"expected": 12.5, "first_segment": "fr/b", "also": ["uk"], "within": part, "mix": part, "moved": moved}
    more |= {"merged_into": OtherIncident(alert_id="a-2", segment="uk"), "merged_segments": ["de"]}
    incident = make_incident(**more, hidden_in="fr", fallen_below=["fr/c"], fell_further=True)
    event, event_type = data.draw(st.sampled_from([(make_alert(), ALERT), (incident, INCIDENT)]))
    usual = json.loads(event.model_dump_json())
    odd = data.draw(st.sets(st.sampled_from(sorted(usual)), min_size=1))
    body = usual | {name: data.draw(_WORDS[name] if name in _WORDS else _like(usual[name])) for name in sorted(odd)}
    value = json.dumps(body).encode()
    headers = [("ce_id", b"e-1"), ("ce_type", event_type)]
    decided = planned(
        Record(value, KEY, timestamp=data.draw(st.integers(-1, 2**63 - 1)), headers=headers),
        actions=(str(body["action"]),),
        updates=(str(body["reason"]),),
    )
    try:
        notice = notice_in(value, event_type)
    except ValidationError:
        assert [output.topic for output in decided.outputs] == ["dead-letters"]
        return
    key = mailbox.box_key(notice, KEY)
    [planned_mail] = mailbox.decode(decided.rows[key] or b"").mails
    pending_notice = decided.rows[mailbox.pending_notice_key(key, planned_mail.delivery_id)] or b""
    for language in ("en", "fr"):
        said = mailbox.notice(planned_mail, key, pending_notice)
        assert not isinstance(said, Erasure)
        composed = mail(said, language=language)
        assert 0 < len(subject(composed)) < 300
