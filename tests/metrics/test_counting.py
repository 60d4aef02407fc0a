"""What the worker publishes is counted by its own fields. The records are those that the roads make."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from flow.carrying import Partition, numbered
from flow.records import NOW, Record, happy, value
from notify.mailboxes import EMAIL, pending

from schemas import examples
from schemas.alert import Alert, AlertAction
from schemas.delivery import DeliveryStatus
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.metrics import catalogue
from worker.metrics.catalogue import METRICS, Kind, Metric
from worker.metrics.counting import Counting
from worker.metrics.figures import Figures, Series
from worker.notify.mailbox import Mail
from worker.notify.retry import RetryPolicy

LATER_MS = 250


class Counted:
    """What is counted of what is sent, a quarter of a second after the responses came."""

    def __init__(self) -> None:
        self.figures = Figures()
        for metric in METRICS:
            if metric.kind is not Kind.GAUGE:
                self.figures.begin(metric, *("email",) * len(metric.place))
        self.counting = Counting(self.figures, lambda topic: f"nps.{topic}", lambda: NOW + LATER_MS)

    def send(self, *outputs: Output) -> None:
        for output in outputs:
            self.counting.sent(f"nps.{output.topic}", [(output.key, output.value, output.headers, output.timestamp)])

    def of(self, metric: Metric) -> Series:
        self.counting.settle()
        return {labels: count for labels, count in self.figures.counters[metric.name].items() if count}

    def times(self, metric: Metric) -> tuple[int, float]:
        """Return the number and the sum of the times of a histogram with one series."""
        [histogram] = self.figures.histograms[metric.name].values()
        return histogram.cumulated()[-1], histogram.sum


@pytest.fixture
def counted() -> Counted:
    return Counted()


def carried(*records: Record) -> Sequence[Output]:
    return Partition().carry(numbered(records))


def alerts(*examples_of_steps: dict[str, Any]) -> list[Output]:
    return [Output(events.ALERTS, b"", json.dumps(example).encode()) for example in examples_of_steps]


def test_responses_are_counted_by_outcome_and_category_and_rules_by_what_they_say(counted: Counted) -> None:
    counted.send(
        *carried(
            Record(value(score=2)),
            Record(value(score=2)),
            Record(happy(response_id="r-2", customer_id="c-2"), key=b"c-2"),
            Record(value(score=7, response_id="r-3", test=True)),
            Record(b"{}"),
            Record(None, key=b"c-2"),
        )
    )

    assert counted.of(catalogue.RESPONSES) == {("accepted",): 2, ("duplicate",): 1, ("test",): 1, ("erased",): 1}
    assert counted.of(catalogue.ANSWERS) == {("detractor",): 1, ("promoter",): 1}
    assert counted.of(catalogue.RULE_DECISIONS) == {
        ("detractor_alert", "alert_opened", "detractor"): 1,
        ("detractor_alert", "none", "not_detractor"): 1,
        ("detractor_alert", "none", "test"): 1,
        ("review_invitation", "none", "not_promoter"): 1,
        ("review_invitation", "invited", "promoter"): 1,
        ("review_invitation", "none", "test"): 1,
        ("suspect_gaming", "none", "nobody_asked"): 3,
    }
    assert counted.of(catalogue.ALERTS) == {("critical", "opened"): 1}
    assert counted.of(catalogue.INVITATIONS) == {(): 1}, "the erasure of one is not an invitation"
    assert counted.of(catalogue.DEAD_LETTERS) == {("responses", "missing_field"): 1}


def test_steps_of_alerts_are_counted_by_severity_and_action_and_the_first_one_by_its_time(counted: Counted) -> None:
    counted.send(
        *carried(Record(value(score=2)), Record(value(score=5, revision=1)), Record(value(score=9, revision=2)))
    )

    assert counted.of(catalogue.ALERTS) == {
        ("critical", "opened"): 1,
        ("warning", "updated"): 1,
        ("warning", "withdrawn"): 1,
    }
    assert counted.times(catalogue.TO_ALERT) == (1, LATER_MS / 1_000)


def test_what_a_customer_wrote_is_not_taken_for_a_field(counted: Counted) -> None:
    text = '","action":"withdrawn","severity":"warning","kind":"case","outcome":"revised"'
    counted.send(*carried(Record(value(score=0, comment=text, survey_id=text))))

    assert counted.of(catalogue.ALERTS) == {("critical", "opened"): 1}
    assert counted.of(catalogue.CASE_STEPS) == {}
    assert counted.of(catalogue.RESPONSES) == {("accepted",): 1}


def test_incidents_and_steps_of_cases_are_not_counted_as_alerts(counted: Counted) -> None:
    incident, case = examples.INCIDENT, examples.CASE
    counted.send(*alerts(incident, case))

    assert counted.of(catalogue.ALERTS) == {}
    assert counted.of(catalogue.INCIDENTS) == {(incident["kind"], incident["severity"], incident["action"]): 1}
    assert counted.of(catalogue.CASE_STEPS) == {(case["severity"], case["action"]): 1}
    assert counted.times(catalogue.TO_ALERT) == (0, 0)


def test_a_dead_letter_of_a_message_between_workers_has_another_topic(counted: Counted) -> None:
    topics = ("nps.responses", "nps.alert-commands", "nps.silence-commands", "nps.tallies", "another.responses")
    for topic in topics:
        letter = {**examples.DEAD_LETTER, "topic": topic, "reason": "wrong_type"}
        counted.send(Output(events.DEAD_LETTERS, b"", json.dumps(letter).encode()))

    assert counted.of(catalogue.DEAD_LETTERS) == {
        ("responses", "wrong_type"): 1,
        ("alert-commands", "wrong_type"): 1,
        ("silence-commands", "wrong_type"): 1,
        ("other", "wrong_type"): 2,
    }


def test_deliveries_are_counted_by_status_and_class_of_reason(counted: Counted) -> None:
    policy = RetryPolicy()
    counted.send(
        EMAIL.line(pending(), "planned", NOW),
        EMAIL.fail(pending(), DeliveryError("smtp_451", retry=True), NOW, policy),
        EMAIL.fail(pending(), DeliveryError("smtp_550", retry=False), NOW, policy),
        EMAIL.fail(pending(attempts=1_000), DeliveryError("smtp_451", retry=True), NOW, policy),
        EMAIL.hold(pending(), NOW + 1, NOW),
        EMAIL.succeed(pending(), NOW),
    )

    assert counted.of(catalogue.DELIVERIES) == {
        ("email", "pending", "planned"): 1,
        ("email", "deferred", "smtp_4xx"): 1,
        ("email", "failed", "smtp_5xx"): 1,
        ("email", "failed", "gave_up"): 1,
        ("email", "deferred", "quiet_hours"): 1,
        ("email", "sent", "accepted"): 1,
    }


def test_decisions_that_differ_in_their_figures_only_are_not_kept_for_long(counted: Counted) -> None:
    for minutes in range(1_500):
        rule = {"rule": "suspect_gaming", "verdict": "marked", "reason": "asked_by_whom_it_judges"}
        decision = {**examples.DECISION, "rules": [{**rule, "figures": {"minutes_after_contact": minutes}}]}
        counted.send(Output(events.DECISIONS, b"", json.dumps(decision).encode()))
    assert len(counted.counting._decisions) == 500
    assert counted.of(catalogue.RULE_DECISIONS) == {("suspect_gaming", "marked", "asked_by_whom_it_judges"): 1_500}
    assert counted.counting._decisions == {}


def test_records_of_other_topics_are_not_read(counted: Counted) -> None:
    counted.counting.sent("nps.tallies", [(None, b"no JSON", [], None)])
    counted.counting.sent("nps.alerts", [(b"c-1", None, [], None)])
    assert all(not any(series.values()) for series in counted.figures.counters.values())


def opened(**changes: Any) -> Mail:
    return pending(**{"action": AlertAction.OPENED, "planned": NOW - 500, **changes})


ALERT = Alert.model_validate(
    {**examples.ALERT, "occurred_at": datetime.fromtimestamp(NOW / 1_000 - 1, UTC)}, strict=False
)


def test_a_notice_is_timed_from_its_response_until_a_server_has_accepted_it(counted: Counted) -> None:
    counted.counting.accepted("email", opened(attempts=3), ALERT)
    assert counted.times(catalogue.TO_DELIVERY) == (1, 1.25)


def test_a_notice_that_has_the_content_of_a_later_step_is_timed_from_its_own_planning_at_the_latest(
    counted: Counted,
) -> None:
    later = ALERT.model_copy(update={"occurred_at": datetime.fromtimestamp(NOW / 1_000 + 60, UTC)})
    counted.counting.accepted("email", opened(), later)
    assert counted.times(catalogue.TO_DELIVERY) == (1, 0.75)


@pytest.mark.parametrize(
    "mail",
    [
        opened(quiet=True, status=DeliveryStatus.DEFERRED),
        opened(silence="s-1"),
        opened(action=AlertAction.UPDATED),
        opened(action="escalated"),
    ],
)
def test_a_notice_that_something_has_held_back_or_that_is_no_first_one_is_not_timed(
    counted: Counted, mail: Mail
) -> None:
    counted.counting.accepted("email", mail, ALERT)
    assert counted.times(catalogue.TO_DELIVERY) == (0, 0)
