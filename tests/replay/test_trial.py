"""Whom another configuration would have told what and when: with logs of alerts, and with logs of responses."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flow.records import Record, value
from hypothesis import example, given
from hypothesis import strategies as st
from notify.mailboxes import record_of
from notify.test_case_notices import reminder, said
from notify.test_mailbox_cases import step_of
from replay.scene import DAY, HOUR, LYON, MINUTE, MONDAY, OFFICE, SUPPORT, TO_LYON, by_tree, tried

from schemas.alert import Alert, AlertAction, AlertReason, Severity
from schemas.incident import Incident
from worker.flow.policy import AlertPolicy, BurstPolicy, IntakePolicy
from worker.flow.timestamps import from_ms
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.notice import Notice
from worker.replay.comparing import Change, Place
from worker.routing.receiver import ReceiverSettings
from worker.routing.routable import routable
from worker.settings import EmailSettings, Settings

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

NOBODY = Place("nobody", "no_route")


def opened(make_alert: MakeAlert, at: int, number: int = 1, **changes: Any) -> Record:
    usual = {
        "alert_id": f"a-{number}",
        "customer_id": f"c-{number}",
        "segment": "fr/lyon",
        "severity": Severity.WARNING,
    }
    alert = make_alert(**(usual | {"occurred_at": from_ms(at)} | changes))
    return stepped(alert, at)


def stepped(alert: Notice, at: int) -> Record:
    key = alert.customer_id.encode() if isinstance(alert, Alert) else b"fr"
    return record_of(alert, f"{alert.alert_id} {alert.action} {at}", key, at)


def withdrawn(make_alert: MakeAlert, at: int, number: int = 1) -> Record:
    how = {"action": AlertAction.WITHDRAWN, "reason": AlertReason.NO_LONGER_DETRACTOR, "revision": 1}
    return opened(make_alert, at, number, **how)


def response(at: int, number: int = 1, **changes: Any) -> Record:
    usual = {"response_id": f"r-{number}", "customer_id": f"c-{number}", "score": 5, "segment": ["fr", "lyon"]}
    given_at = from_ms(at - MINUTE).isoformat()
    key = f"c-{number}".encode()
    return Record(value(**(usual | {"responded_at": given_at} | changes)), key, number, timestamp=at)


def test_another_route_tells_another_receiver(make_alert: MakeAlert) -> None:
    log = [opened(make_alert, MONDAY, 1), opened(make_alert, MONDAY + HOUR, 2, segment="uk")]
    found = tried(log, by_tree(), by_tree(TO_LYON))

    assert found.counts == {SUPPORT: (2, 1), LYON: (0, 1)}
    assert found.changes == {SUPPORT: {Change.FEWER: 1}, LYON: {Change.MORE: 1}}
    [case] = found.cases
    assert (case.at, case.alert_id, case.kind, case.segment) == (MONDAY, "a-1", "detractor", "fr/lyon")
    assert found.trial.steps == [2, 2]


def test_quiet_hours_let_a_notice_come_later_and_a_withdrawal_meanwhile_cancels_it(make_alert: MakeAlert) -> None:
    evening, morning = MONDAY + 8 * HOUR, MONDAY + 21 * HOUR
    log = [
        opened(make_alert, evening, 1),
        opened(make_alert, evening, 2),
        opened(make_alert, evening, 3, severity=Severity.CRITICAL),
        withdrawn(make_alert, evening + HOUR, 2),
    ]
    found = tried(log, by_tree(TO_LYON), by_tree(TO_LYON, calendar=True))

    # The withdrawal is mailed to who has got the alert.
    assert found.counts == {LYON: (4, 2)}
    assert found.changes == {LYON: {Change.LATER: 1, Change.FEWER: 2}}
    [later, fewer] = [case.differences[0] for case in found.cases]
    assert later.would is not None
    assert (later.change, later.would.at) == (Change.LATER, morning)
    assert (fewer.change, fewer.why) == (Change.FEWER, "withdrawn")


def test_a_case_that_is_resolved_in_the_quiet_hours_is_a_reason(make_alert: MakeAlert) -> None:
    evening = MONDAY + 8 * HOUR
    alert = make_alert(severity=Severity.WARNING, segment="fr/lyon", occurred_at=from_ms(evening))
    resolved = step_of(alert, at=from_ms(evening))._replace(timestamp=evening + HOUR)
    found = tried(
        [stepped(alert, evening)._replace(key=b"c-42"), resolved], by_tree(TO_LYON), by_tree(TO_LYON, calendar=True)
    )

    # With the calendar, neither the alert nor its resolution is sent.
    assert found.changes == {LYON: {Change.FEWER: 2}}
    assert found.cases[0].differences[0].why == "resolved"
    assert found.trial.steps == [1, 1]


def test_a_reminder_that_would_wait_until_its_time_limit_has_passed_is_not_sent(make_alert: MakeAlert) -> None:
    evening = MONDAY + 8 * HOUR
    alert = make_alert(severity=Severity.WARNING, segment="fr/lyon", occurred_at=from_ms(MONDAY))
    reminded = said(reminder(alert_id=alert.alert_id, due_at=from_ms(evening + HOUR)), at=evening)
    log = [stepped(alert, MONDAY)._replace(key=b"c-42"), reminded]
    found = tried(log, by_tree(TO_LYON), by_tree(TO_LYON, calendar=True))

    assert found.counts == {LYON: (2, 1)}
    assert [one.why for one in found.cases[0].differences] == ["no_longer_news"]


def test_a_reminder_goes_to_those_who_were_told_with_each_configuration(make_alert: MakeAlert) -> None:
    alert = make_alert(severity=Severity.WARNING, segment="fr/lyon", occurred_at=from_ms(MONDAY))
    reminded = step_of(alert, "reminded", "open", at=from_ms(MONDAY))._replace(timestamp=MONDAY + HOUR)
    log = [stepped(alert, MONDAY)._replace(key=b"c-42"), reminded]
    moved, none = tried(log, by_tree(), by_tree(TO_LYON)), tried(log, by_tree(), by_tree({"receivers": []}))

    assert moved.counts == {SUPPORT: (2, 0), LYON: (0, 2)}
    assert none.counts == {SUPPORT: (2, 0), NOBODY: (0, 1), Place("nobody", "nobody_informed"): (0, 1)}


def test_what_the_current_configuration_was_told_before_is_no_news_for_the_new_one(make_alert: MakeAlert) -> None:
    """The new configuration takes the state over: the end goes to those who got the beginning, once."""
    both = EmailSettings(actions=["opened", "withdrawn"])
    log = [opened(make_alert, MONDAY), withdrawn(make_alert, MONDAY + DAY)]
    found = tried(log, by_tree(email=both), by_tree(TO_LYON, email=both), since=MONDAY + HOUR)

    assert found.counts == {SUPPORT: (1, 1)}
    assert found.cases == []
    assert found.trial.steps == [1, 1]


def test_a_notice_that_waits_when_the_new_configuration_begins_goes_to_whom_it_names(make_alert: MakeAlert) -> None:
    """As after a restart, a mail to a receiver that is gone goes to the one that the routes name now."""
    evening = MONDAY + 8 * HOUR
    new = by_tree(receivers={"care": ReceiverSettings(email=["care@example.org"])}, route=None, calendars={})
    new = new.model_copy(update={"route": by_tree({"receivers": ["care"]}).route})
    found = tried([opened(make_alert, evening)], by_tree(TO_LYON, calendar=True), new, since=evening + HOUR)

    assert found.counts == {LYON: (1, 0), Place("email", "care"): (0, 1)}


def test_a_waiting_notice_whose_addresses_are_gone_is_cancelled_with_the_reason(make_alert: MakeAlert) -> None:
    evening = MONDAY + 8 * HOUR
    chat = {"endpoints": {"room": {"url": "https://chat.example.org/x"}}}
    new = by_tree(TO_LYON, calendar=True)
    moved = {**new.receivers, "lyon": ReceiverSettings(chat="room", calendar="office")}
    found = tried(
        [opened(make_alert, evening)],
        new,
        new.model_copy(update={"receivers": moved, "chat": type(new.chat).model_validate(chat)}),
        since=evening + HOUR,
    )

    assert found.counts == {LYON: (1, 0)}
    assert found.cases[0].differences[0].why == "receivers_removed"


def test_a_notice_is_held_again_if_the_new_hours_begin_later(make_alert: MakeAlert) -> None:
    evening, noon = MONDAY + 8 * HOUR, MONDAY + DAY
    late = {"office": OFFICE.model_copy(update={"hours": ["mon-fri 12:00-17:00"]})}
    current = by_tree(TO_LYON, calendar=True)
    new = current.model_copy(update={"calendars": late})
    found = tried([opened(make_alert, evening)], current, new, since=evening + HOUR)

    [[difference]] = [case.differences for case in found.cases]
    assert difference.would is not None
    assert (difference.change, difference.would.at) == (Change.LATER, noon)


def test_what_waits_at_the_end_is_said_with_its_time(make_alert: MakeAlert) -> None:
    evening = MONDAY + 8 * HOUR
    found = tried(
        [opened(make_alert, evening)], by_tree(TO_LYON), by_tree(TO_LYON, calendar=True), until=evening + HOUR
    )

    [[difference]] = [case.differences for case in found.cases]
    assert difference.was is not None
    assert difference.would is not None
    assert (difference.was.waits, difference.would.waits) == (False, True)
    assert found.comparison.waiting == [0, 1]


def test_nobody_is_counted_like_a_receiver(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    only_lyon = {"receivers": [], "routes": TO_LYON["routes"]}
    log = [opened(make_alert, MONDAY, segment="uk"), stepped(make_incident(segment="fr"), MONDAY + HOUR)]
    found = tried(log, by_tree(), by_tree(only_lyon))

    assert found.counts == {SUPPORT: (2, 0), NOBODY: (0, 2)}
    assert {case.kind for case in found.cases} == {"detractor", "segment_drop"}


def test_updates_of_an_incident_that_are_no_longer_asked_for_are_counted_as_left_out(
    make_incident: MakeIncident,
) -> None:
    update = {"action": "updated", "reason": "wider", "segment": "fr", "first_segment": "fr/lyon"}
    steps = [make_incident(segment="fr/lyon"), make_incident(**update)]
    log = [stepped(step, MONDAY + number * DAY)._replace(key=b"incident:fr/lyon") for number, step in enumerate(steps)]
    found = tried(log, by_tree(), by_tree(email=EmailSettings(actions=["opened", "withdrawn", "resolved"])))

    assert found.counts == {SUPPORT: (2, 1)}
    [case] = found.cases
    assert case.alert_id == steps[0].alert_id


def test_a_receiver_with_another_name_and_the_same_addresses_is_the_same(make_alert: MakeAlert) -> None:
    flat = Settings.model_construct(email=EmailSettings(to=["Support@example.org"]))
    found = tried([opened(make_alert, MONDAY)], flat, by_tree())

    assert found.counts == {SUPPORT: (1, 1)}
    assert found.cases == []


def test_a_channel_that_only_one_configuration_has_and_the_erasure_of_a_customer(make_alert: MakeAlert) -> None:
    crm = {
        "endpoints": {"crm": {"url": "https://crm.example.org", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"]}}
    }
    flat = Settings.model_construct(email=EmailSettings(to=["support@example.org"]))
    new = flat.model_copy(update={"webhook": WebhookSettings.model_validate(crm)})
    log = [
        opened(make_alert, MONDAY),
        Record(None, b"c-1", 1, timestamp=MONDAY + HOUR, topic="nps.alerts"),
        Record(None, b"c-2", 2, timestamp=MONDAY + HOUR, topic="nps.alerts"),
    ]
    found = tried(log, flat, new)

    assert found.counts == {Place("email", "default"): (1, 1), Place("webhook", "crm"): (0, 3)}
    assert Counter(case.kind for case in found.cases) == {"detractor": 1, "erasure": 2}
    assert found.trial.steps == [1, 1]


def test_a_record_that_is_nothing_becomes_a_dead_letter_with_both(make_alert: MakeAlert) -> None:
    bad = Record(b"{", b"c-9", 0, timestamp=MONDAY, topic="nps.alerts")
    found = tried([bad, bad._replace(timestamp=MONDAY + DAY)], by_tree(), by_tree(TO_LYON), since=MONDAY + HOUR)

    assert found.trial.dead_letters == ({"wrong_type": 1}, {"wrong_type": 1})


def test_other_rules_open_other_alerts_and_the_reason_is_said() -> None:
    strict = by_tree(alerts=AlertPolicy(max_age_days=1))
    old = response(MONDAY, responded_at=from_ms(MONDAY - 3 * DAY).isoformat())
    fewer = tried([old], by_tree(), strict)
    more = tried([old], strict, by_tree())

    assert fewer.changes == {SUPPORT: {Change.FEWER: 1}}
    assert more.changes == {SUPPORT: {Change.MORE: 1}}
    assert [case.differences[0].why for found in (fewer, more) for case in found.cases] == ["too_old", "too_old"]
    assert (fewer.trial.steps, more.trial.steps) == ([1, 0], [0, 1])


def test_another_tier_changes_the_severity_and_so_perhaps_the_time() -> None:
    gold = {"customer": {"tier": "gold"}, "score": 3}
    log = [response(MONDAY, 1, **gold), response(MONDAY + 8 * HOUR, 2, **gold)]
    tiers = AlertPolicy(priority_tiers=["gold"])
    found = tried(log, by_tree(TO_LYON, calendar=True), by_tree(TO_LYON, calendar=True, alerts=tiers))

    assert found.changes == {LYON: {Change.SEVERITY: 1, Change.EARLIER: 1}}


def test_responses_that_only_one_configuration_refuses_are_counted_and_are_a_reason() -> None:
    ahead = response(MONDAY, responded_at=from_ms(MONDAY + 30 * HOUR).isoformat())
    found = tried([ahead], by_tree(intake=IntakePolicy(max_ahead_hours=48)), by_tree())

    assert found.changes == {SUPPORT: {Change.FEWER: 1}}
    assert found.cases[0].differences[0].why == "time_future"
    assert found.trial.dead_letters == ({}, {"time_future": 1})


def test_a_correction_is_decided_on_the_customers_history_before_the_comparison() -> None:
    log = [response(MONDAY, 1, score=9), response(MONDAY + DAY, 1, score=2, revision=1)._replace(offset=2)]
    found = tried(
        [*log, log[0]._replace(offset=3, timestamp=MONDAY + 2 * DAY)], by_tree(), by_tree(TO_LYON), since=MONDAY + HOUR
    )

    assert found.counts == {SUPPORT: (1, 0), LYON: (0, 1)}


def test_the_erasure_of_a_customer_ends_what_waits() -> None:
    evening = MONDAY + 8 * HOUR
    log = [response(evening), Record(None, b"c-1", 2, timestamp=evening + HOUR)]
    found = tried(log, by_tree(TO_LYON), by_tree(TO_LYON, calendar=True))

    assert found.changes == {LYON: {Change.FEWER: 1}}


@pytest.mark.parametrize("since", [MONDAY + 30 * DAY, MONDAY + 900 * DAY])
def test_a_log_without_records_since_then_has_no_differences(make_alert: MakeAlert, since: int) -> None:
    found = tried([opened(make_alert, MONDAY)], by_tree(), by_tree(TO_LYON), since=since)

    assert (found.counts, found.cases, found.trial.steps) == ({}, [], [0, 0])


# -- With any log.

SEGMENTS = ("", "fr", "fr/lyon", "fr/lyon/delivery", "uk")
SEVERITIES = tuple(Severity)
OF_CASE = ("resolved", "reminded", "acknowledged")
#: Steps of alerts: minutes since the last one, which alert, and what happens to it.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 40 * 60),
        st.integers(0, 4),
        st.sampled_from(["opened", "updated", "withdrawn", "resolved", "reminded", "acknowledged", "erased", "bad"]),
        st.sampled_from(SEGMENTS),
        st.sampled_from(SEVERITIES),
    ),
    max_size=25,
)
ROUTES = st.lists(
    st.fixed_dictionaries(
        {
            "segment": st.sampled_from(SEGMENTS),
            "receivers": st.sampled_from([[], ["support"], ["lyon"], ["support", "lyon"]]),
            "min_severity": st.sampled_from(SEVERITIES),
            "then_continue": st.booleans(),
        }
    ),
    max_size=3,
)


@st.composite
def configurations(draw: st.DrawFn) -> Settings:
    routes = [{"name": str(number), **route} for number, route in enumerate(draw(ROUTES))]
    root = {"receivers": draw(st.sampled_from([[], ["support"], ["lyon"]])), "routes": routes}
    actions = draw(st.sampled_from([["opened"], ["opened", "resolved"], ["opened", "updated", "withdrawn"]]))
    return by_tree(root, calendar=draw(st.booleans()), email=EmailSettings(actions=actions))


def log_of(steps: list[tuple[int, int, str, str, Severity]], make_alert: MakeAlert) -> list[Record]:
    log: list[Record] = []
    now = MONDAY
    for number, (minutes, alert, what, segment, severity) in enumerate(steps):
        now += minutes * MINUTE
        key = f"c-{alert}".encode()
        if what == "erased":
            log.append(Record(None, key, number, timestamp=now, topic="nps.alerts"))
        elif what == "bad":
            log.append(Record(b"{", key, number, timestamp=now, topic="nps.alerts"))
        else:
            usual = {"segment": segment, "severity": severity, "revision": number, "occurred_at": from_ms(now)}
            if what in OF_CASE:
                body = make_alert(alert_id=f"a-{alert}", customer_id=f"c-{alert}")
                step = step_of(body, what, what, at=from_ms(now), ce_id=f"s-{number}".encode())
                record = step._replace(timestamp=now, key=key)
            else:
                record = opened(make_alert, now, alert, **usual, action=AlertAction(what))
            log.append(record._replace(offset=number))
    return log


@given(steps=STEPS, configuration=configurations(), since=st.integers(0, 10 * 24))
def test_the_same_configuration_makes_no_difference(
    make_alert: MakeAlert, steps: list[Any], configuration: Settings, since: int
) -> None:
    log = log_of(steps, make_alert)
    found = tried(log, configuration, configuration, since=MONDAY + since * HOUR)

    assert found.cases == []
    assert all(was == would for was, would in found.counts.values())
    was, would = found.trial.dead_letters
    assert was == would


@given(steps=STEPS, one=configurations(), other=configurations())
def test_exchanged_configurations_have_exchanged_differences(
    make_alert: MakeAlert, steps: list[Any], one: Settings, other: Settings
) -> None:
    log = log_of(steps, make_alert)
    there, back = tried(log, one, other), tried(log, other, one)

    assert {place: count[::-1] for place, count in back.counts.items()} == there.counts
    opposite = {
        Change.MORE: Change.FEWER,
        Change.FEWER: Change.MORE,
        Change.EARLIER: Change.LATER,
        Change.LATER: Change.EARLIER,
        Change.SEVERITY: Change.SEVERITY,
    }
    assert {
        place: {opposite[change]: number for change, number in changes.items()}
        for place, changes in back.changes.items()
    } == there.changes
    assert {case.alert_id for case in there.cases} == {case.alert_id for case in back.cases}


@given(steps=STEPS, one=configurations(), other=configurations())
def test_the_figures_are_those_of_a_recount(
    make_alert: MakeAlert, steps: list[Any], one: Settings, other: Settings
) -> None:
    """Each alert is opened once here, so the routes and the hours alone say who is told, and when."""
    times = {alert: (minutes, segment, severity) for minutes, alert, _, segment, severity in steps}
    log: list[Record] = []
    told: tuple[dict[tuple[Place, int], int], dict[tuple[Place, int], int]] = ({}, {})
    for number, (minutes, segment, severity) in times.items():
        at = MONDAY + minutes * MINUTE
        log.append(opened(make_alert, at, number, segment=segment, severity=severity))
        event = routable(Alert.model_validate_json(log[-1].value or b""))
        for side, settings in zip(told, (one, other), strict=True):
            for receiver, _ in settings.routing.decide(event).reached:
                side[Place("email", receiver.name), number] = receiver.held_until(severity, at) or at
    found = tried(sorted(log, key=lambda record: record.timestamp), one, other)

    was, would = told
    for place in (SUPPORT, LYON):
        of_place = {key for key in was.keys() | would.keys() if key[0] == place}
        both = [(would[key], was[key]) for key in of_place if key in was and key in would]
        expected = {
            Change.MORE: sum(key not in was for key in of_place),
            Change.FEWER: sum(key not in would for key in of_place),
            Change.EARLIER: sum(new < old for new, old in both),
            Change.LATER: sum(new > old for new, old in both),
        }
        assert found.changes.get(place, {}) == {change: number for change, number in expected.items() if number}
        counts = tuple(sum(key in side for key in of_place) for side in told)
        assert found.counts.get(place, (0, 0)) == counts
    assert found.changes.keys() <= {SUPPORT, LYON, NOBODY, Place("nobody", "no_receivers")}


@given(
    answers=st.lists(
        st.tuples(st.integers(0, 30 * 60), st.integers(0, 3), st.integers(0, 10), st.integers(0, 40)), max_size=15
    ),
    days=st.floats(0.5, 40),
    tiers=st.sampled_from([["vip"], ["gold"], []]),
)
@example(answers=[(0, 0, 0, 0), (0, 0, 0, 0)], days=1.0, tiers=["vip"])
def test_responses_that_both_decide_alike_make_no_difference_and_others_only_by_what_was_changed(
    answers: list[tuple[int, int, int, int]], days: float, tiers: list[str]
) -> None:
    log: list[Record] = []
    now = MONDAY
    for offset, (minutes, customer, score, age) in enumerate(answers):
        now += minutes * MINUTE
        given_at = (datetime.fromtimestamp(now / 1_000, UTC) - timedelta(days=age)).isoformat()
        how = {"score": score, "responded_at": given_at, "response_id": f"r-{offset}", "customer": {"tier": "gold"}}
        log.append(response(now, customer, **how)._replace(offset=offset))
    # Answers of one customer at the same moment are no double clicks here: each counts.
    bursts = BurstPolicy(scanner_seconds=0, double_click_seconds=0)
    current = by_tree(bursts=bursts)
    new = by_tree(bursts=bursts, alerts=AlertPolicy(max_age_days=days, priority_tiers=tiers))

    assert tried(log, new, new).cases == []
    unhappy = [age for _, _, score, age in answers if score <= 6]
    counts = tried(log, current, new).counts.get(SUPPORT, (0, 0))
    assert counts == (sum(age <= 14 for age in unhappy), sum(age <= days for age in unhappy))
