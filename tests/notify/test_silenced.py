"""Which notices a silence holds back: by its matchers, the receiver, and the time."""

from datetime import timedelta
from typing import Any

import pytest
from flow.records import NOW
from notify.bundles import HOUR, alert_of, desk, planner_of, withdrawn
from notify.conftest import _incident
from notify.silencer import DAY, Silencer, silence
from notify.test_mailbox_cases import step_of

from schemas.alert import Alert, Severity
from schemas.case import CaseAction, CaseStep
from schemas.erasure import Erasure
from schemas.incident import IncidentAction
from worker.flow.timestamps import from_ms
from worker.notify.silenced import KnownSilences, names_of
from worker.routing.flat import FlatRoute, flat_routing
from worker.routing.routing import Routing

ROUTING = planner_of(desk()).routing


def held(notice: Any, *, receiver: str = "desk", now: int = NOW, **matchers: Any) -> bool:
    silencer = Silencer()
    silencer.note(silence(**matchers))
    return silencer.known.holding(notice, receiver, ROUTING, now) is not None


def critical(**changes: Any) -> Alert:
    return alert_of(1, severity=Severity.CRITICAL, **changes)


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ({"segment": "fr"}, True),
        ({"segment": "/fr/lyon/"}, True),
        ({"segment": "fr/ly"}, False),
        ({"kinds": ["detractor"]}, True),
        ({"kinds": ["segment_drop"]}, False),
        ({"severities": ["warning"]}, True),
        ({"severities": ["error", "critical"]}, False),
        ({"tiers": ["VIP"]}, True),
        ({"tiers": ["gold"]}, False),
        ({"languages": ["fr"]}, True),
        ({"languages": ["de"]}, False),
        ({"surveys": ["autumn"]}, True),
        ({"surveys": ["spring"]}, False),
        ({"receivers": ["Desk"]}, True),
        ({"receivers": ["lyon"]}, False),
        ({"segment": "fr", "receivers": ["desk", "lyon"], "tiers": ["vip", "gold"]}, True),
        ({"segment": "fr", "tiers": ["gold"]}, False),
    ],
)
def test_each_matcher_has_to_fit(matchers: dict[str, Any], fits: bool) -> None:
    assert held(alert_of(1, severity=Severity.WARNING), **matchers) is fits


def test_a_critical_notice_is_only_held_back_if_the_silence_names_that_severity() -> None:
    assert not held(critical(), segment="fr")
    assert held(critical(), segment="fr", severities=["critical"])
    assert not held(alert_of(1), segment="fr", severities=["critical"])


def test_a_silence_is_over_at_its_time_or_when_somebody_ends_it() -> None:
    assert held(alert_of(1), now=NOW + DAY - 1)
    assert not held(alert_of(1), now=NOW + DAY)
    assert held(alert_of(1), now=NOW + HOUR - 1, ended_at=NOW + HOUR)
    assert not held(alert_of(1), now=NOW + HOUR, ended_at=NOW + HOUR)


def test_the_ends_of_alerts_and_incidents_and_erasures_are_never_held_back() -> None:
    every: dict[str, Any] = {"severities": ["warning", "error", "critical"]}
    assert not held(withdrawn(alert_of(1)), **every)
    assert not held(_incident(action=IncidentAction.RESOLVED), **every)
    assert held(_incident(), **every)
    assert not held(Erasure(customer_id="c-1", occurred_at=from_ms(NOW)), **every)


def test_a_reminder_is_held_back_like_its_alert_and_an_escalation_like_a_critical_one() -> None:
    alert = alert_of(1)
    given = step_of(alert, at=alert.occurred_at + timedelta(hours=1)).value
    step = CaseStep.model_validate_json(given or b"")
    reminded = step.model_copy(update={"action": CaseAction.REMINDED})
    escalated = step.model_copy(update={"action": CaseAction.ESCALATED})
    assert held(reminded, segment="fr/lyon")
    assert not held(escalated, segment="fr/lyon")
    assert held(escalated, segment="fr/lyon", severities=["critical"])
    assert not held(reminded, tiers=["vip"])


def test_of_several_silences_the_one_counts_that_is_over_last() -> None:
    silencer = Silencer()
    silencer.note(silence("s-1", until=NOW + HOUR))
    silencer.note(silence("s-2", until=NOW + 2 * HOUR))
    silencer.note(silence("s-3", until=NOW + 3 * HOUR, segment="de"))
    found = silencer.known.holding(alert_of(1), "desk", ROUTING, NOW)
    assert found is not None
    assert (found.silence_id, found.until) == ("s-2", NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("silenced", "held_from"),
    [
        (["fr/lyon"], ["lyon"]),
        (["fr/paris"], ["paris"]),
        (["fr"], ["lyon", "paris", "country", "removed"]),
        (["fr/lyon", "fr/paris"], ["lyon", "paris", "country", "removed"]),
        (["de"], []),
    ],
)
@pytest.mark.parametrize("field", ["also", "merged_segments"])
def test_an_incident_is_held_back_if_all_segments_are_silenced_for_which_its_receiver_is_routed(
    silenced: list[str], held_from: list[str], field: str
) -> None:
    silencer = Silencer()
    for number, segment in enumerate(silenced):
        silencer.note(silence(f"s-{number}", segment=segment, until=NOW + (number + 1) * HOUR))
    routes = [
        FlatRoute(name=name, segment=f"fr/{name}", to=[f"{name}@example.org"], then_continue=True)
        for name in ("lyon", "paris")
    ]
    routing = flat_routing([*routes, FlatRoute(name="country", to=["fr@example.org"])], "email")
    incident = _incident(segment="fr/lyon", severity=Severity.WARNING, **{field: ["fr/paris"]})
    names = ("lyon", "paris", "country", "removed")
    holds = {name: silencer.known.holding(incident, name, routing, NOW) for name in names}

    assert [name for name, hold in holds.items() if hold is not None] == held_from
    # It is looked at again when the first of its segments is not silenced any more.
    if holds["country"] is not None:
        assert holds["country"].until == NOW + HOUR


def test_an_older_version_changes_nothing_and_a_null_forgets() -> None:
    known = KnownSilences()
    new, old = silence(version=2, ended_at=NOW), silence(version=1)
    assert known.take(b"s-1", new.model_dump_json().encode()) == "s-1"
    assert known.take(b"s-1", old.model_dump_json().encode()) is None
    assert known.holding(alert_of(1), "desk", ROUTING, NOW + 1) is None
    assert known.take(b"s-1", None) == "s-1"
    assert known.take(b"s-1", None) is None
    assert len(known) == 0


def test_a_place_of_a_channel_stands_for_the_receivers_of_the_settings() -> None:
    routing = planner_of(desk()).routing
    assert set(names_of("desk", routing)) == {"desk"}
    placed = Routing(routing.root, routing.receivers, {}, places={"lyon": "room", "paris": "room", "nice": "other"})
    assert set(names_of("room", placed)) == {"room", "lyon", "paris"}
