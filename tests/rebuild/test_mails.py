"""The outbox made again from alerts and the delivery log: no mail goes out twice, and none that waits is forgotten."""

import json

import pytest
from flow.carrying import Partition, numbered
from flow.records import DAY, NOW, Record, arrived, value
from notify.mailboxes import DEFAULT, EMAIL, line, planner

from schemas.alert import Severity
from schemas.delivery import DeliveryStatus
from schemas.incident import IncidentReason
from worker.detect.split import Split
from worker.detect.watch import OpenIncident
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.mailbox import Mail
from worker.notify.planning import Planner
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.rebuild.mails import TOO_OLD, Mails
from worker.rebuild.records import apply
from worker.routing.calendar import calendar_of
from worker.routing.flat import FlatRoute
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

KEY = b"c-1"
SEGMENT = b"\x01incident:fr"
LATER = NOW + 10 * DAY
PLANNER = planner(DEFAULT)


class Notify:
    """The notify role of one partition: its alerts, its rows, and the delivery log that it has written."""

    def __init__(self, planner: Planner = PLANNER) -> None:
        self.planner = planner
        self.alerts: list[Record] = []
        self.log: list[Output] = []
        self.rows: dict[bytes, bytes] = {}

    def take(self, *outputs: Output, at: int = NOW) -> None:
        """Plan what is on the alerts topic."""
        for record in arrived(outputs, events.ALERTS, len(self.alerts)):
            self.alerts.append(record._replace(timestamp=at))
            decided = planning.plan(self.alerts[-1:], self.planner, self.rows.get)
            apply(self.rows, decided.rows)
            self.log += [output for output in decided.outputs if output.topic == events.DELIVERIES]

    def mail(self, key: bytes = KEY, error: DeliveryError | None = None) -> Mail:
        """Try the last mail under a key; return it as it is then."""
        box = mailbox.decode(self.rows[key])
        mail = box.mails[-1]
        self.log.append(
            EMAIL.succeed(mail, NOW + 1) if error is None else EMAIL.fail(mail, error, NOW + 1, RetryPolicy())
        )
        pending_notice = mailbox.pending_notice_key(key, mail.delivery_id)
        apply(
            self.rows, {key: mailbox.encode(box)} if mail.is_open else {key: mailbox.encode(box), pending_notice: None}
        )
        return mail

    def again(self, planned_until: int | None = None, by: Planner = PLANNER, days: float = 20) -> Mails:
        """Return the outbox made again, at LATER."""
        until = len(self.alerts) if planned_until is None else planned_until
        mails = Mails(by, until, int(LATER - days * DAY), LATER)
        mails.learn(arrived(self.log, events.DELIVERIES))
        mails.take(self.alerts)
        return mails


def alerts(*values: bytes | None) -> list[Output]:
    """Return the alerts that a customer's responses raise."""
    records = numbered([Record(given, KEY) for given in values])
    return Partition().carry(records)


def drop(reason: IncidentReason) -> Output:
    split = Split((50.0, 30.0, 20.0), (10.0, 10.0, 20.0))
    return incident.drop(incident.Step("fr", OpenIncident(5, 3, Severity.ERROR), reason, NOW), split)


OPENED = drop(IncidentReason.NPS_FELL)
RESOLVED = drop(IncidentReason.RECOVERED)
BUSY = DeliveryError("smtp_450", retry=True)


def statuses(mails: Mails, key: bytes = KEY) -> list[DeliveryStatus]:
    return [mail.status for mail in mailbox.decode(mails.rows[key]).mails]


def test_a_mail_that_was_sent_is_settled_and_nothing_is_published() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    notify.mail()
    mails = notify.again()

    assert mails.rows == notify.rows
    assert (mails.settled, mails.waiting, mails.suppressed) == (1, 0, 0)
    assert mails.outputs == []


@pytest.mark.parametrize("error", [DeliveryError("smtp_550", retry=False), BUSY])
def test_a_mail_that_failed_or_was_deferred_is_where_it_was(error: DeliveryError) -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    mail = notify.mail(error=error)
    mails = notify.again()

    assert mailbox.decode(mails.rows[KEY]).mails == [mail]
    assert mails.rows.keys() == notify.rows.keys()
    assert mails.outputs == []


def test_a_mail_that_was_never_tried_waits_on_with_its_alert() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    mails = notify.again()

    assert mails.rows == notify.rows
    assert len(mails.rows) == 2
    assert (mails.settled, mails.waiting, mails.suppressed) == (0, 1, 0)
    assert mails.outputs == []


@pytest.mark.parametrize("error", [None, BUSY])
def test_a_mail_that_waits_and_is_too_old_is_cancelled_with_a_line_and_once(error: DeliveryError | None) -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    if error is not None:
        notify.mail(error=error)
    mails = notify.again(days=9)
    [cancelled] = mails.outputs

    assert (line(cancelled)["status"], line(cancelled)["reason"]) == ("cancelled", TOO_OLD)
    assert statuses(mails) == [DeliveryStatus.CANCELLED]
    assert mails.rows.keys() == {KEY}
    assert (mails.settled, mails.waiting, mails.suppressed) == (0, 0, 1)

    notify.log.append(cancelled)
    again = notify.again(days=20)
    assert again.rows.keys() == {KEY}
    assert statuses(again) == [DeliveryStatus.CANCELLED]
    assert again.outputs == []


def test_alerts_that_were_planned_without_a_mail_get_none_now_and_later_ones_are_planned_with_a_line() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    notify.mail()
    notify.take(*alerts(value(score=3, response_id="r-2")))
    renamed = planner(FlatRoute(name="desk", to=["desk@example.org"]), actions=("opened",))
    mails = notify.again(1, renamed)

    assert statuses(mails) == [DeliveryStatus.PENDING]
    assert [(line(output)["status"], line(output)["route"]) for output in mails.outputs] == [("pending", "desk")]
    assert notify.again(2, renamed).rows == {}
    assert notify.again(2, renamed).outputs == []


def test_a_mail_of_which_the_log_knows_more_than_the_offset_does_is_not_sent_twice() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    notify.mail()
    mails = notify.again(planned_until=0)  # the mail was sent, then a crash came before the offset was committed

    assert mails.rows == notify.rows
    assert mails.outputs == []


def test_the_end_of_an_incident_is_mailed_to_those_who_got_its_beginning_and_to_nobody_else() -> None:
    notify = Notify()
    notify.take(OPENED)
    notify.mail(SEGMENT)
    notify.take(RESOLVED)
    assert statuses(notify.again(), SEGMENT) == [DeliveryStatus.SENT, DeliveryStatus.PENDING]

    over = Notify()
    over.take(OPENED)
    over.take(RESOLVED)
    mails = over.again()
    assert statuses(mails, SEGMENT) == [DeliveryStatus.CANCELLED]
    assert mails.outputs == []


def test_a_mail_that_a_later_step_cancelled_gets_its_line_if_the_log_does_not_have_it() -> None:
    notify = Notify()
    notify.take(OPENED)
    notify.take(RESOLVED)
    notify.log = notify.log[:1]
    mails = notify.again()

    assert statuses(mails, SEGMENT) == [DeliveryStatus.CANCELLED]
    assert [line(output)["status"] for output in mails.outputs] == ["cancelled"]


def test_an_erased_customer_stays_erased() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2), None))
    mails = notify.again()

    assert mails.rows == notify.rows == {}
    assert mails.outputs == []


def test_what_is_no_alert_is_refused_if_it_was_not_before() -> None:
    notify = Notify()
    notify.alerts += numbered([Record(b"{}", KEY, topic="nps.alerts")] * 2)
    [refused] = notify.again(planned_until=1).outputs

    assert refused.topic == events.DEAD_LETTERS
    assert json.loads(refused.value or b"")["offset"] == 1


def test_a_line_that_came_twice_or_late_takes_nothing_back_and_others_lines_say_nothing() -> None:
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    notify.mail()
    notify.log.append(notify.log[0])
    notify.log += [Output(events.DELIVERIES, KEY, b"{}"), Output(events.DELIVERIES, KEY, None)]
    mails = notify.again()

    assert mails.rows == notify.rows
    assert mails.outputs == []


def test_a_step_that_an_earlier_mail_has_reported_plans_no_mail_when_it_is_repeated() -> None:
    notify = Notify()
    always = planner(DEFAULT, actions=("opened", "updated"))
    notify.take(*alerts(value(score=2), value(score=1, revision=1)))  # by a planner that mails no such update
    notify.mail()
    mails = notify.again(by=always)
    [mail] = mailbox.decode(mails.rows[KEY]).mails
    assert len(mail.merged) == 1

    repeated = planning.plan(notify.alerts[-1:], always, mails.rows.get)
    assert repeated.outputs == []


def test_a_step_that_came_too_late_to_be_merged_waits_on_although_the_log_says_that_it_was_merged() -> None:
    always = planner(DEFAULT, actions=("opened", "updated"))
    notify = Notify(always)
    notify.take(*alerts(value(score=2), value(score=1, revision=1)))
    [mail] = mailbox.decode(notify.rows[KEY]).mails
    composed_before = AttemptResult(None, mail.addressee, mail.route, known=[])
    written = write_down(
        {MailRef(0, KEY, mail.delivery_id): composed_before}, notify.rows.get, NOW, EMAIL, RetryPolicy()
    )
    notify.log += written.lines
    mails = notify.again(by=always)

    assert [line(one)["reason"] for one in notify.log] == ["planned", "merged", "accepted", "planned"]
    assert statuses(mails) == [DeliveryStatus.SENT, DeliveryStatus.PENDING]
    assert mails.outputs == []


@pytest.mark.parametrize("attempted", [False, True])
def test_a_mail_that_waits_for_the_end_of_quiet_hours_waits_on(*, attempted: bool) -> None:
    office = calendar_of(CalendarSettings(time_zone="UTC", hours=["mon-fri 09:00-17:00"]))  # NOW is at 22:13
    care = Receiver("care", {"email": ["care@example.org"]}, calendar=office)
    by_tree = Planner(
        "email", Routing(tree(RootRoute(receivers=["care"])), {"care": care}, {}), ["opened"], IntakePolicy()
    )
    notify = Notify(by_tree)
    notify.take(*alerts(value(score=5)))
    if attempted:
        notify.mail(error=BUSY)
    mails = notify.again(by=by_tree)

    assert mails.rows == notify.rows
    [mail] = mailbox.decode(mails.rows[KEY]).mails
    assert (mail.status, mail.quiet) == ("deferred", not attempted)
    assert mails.outputs == []


@pytest.mark.parametrize("later", [False, True])
def test_a_mail_that_a_silence_has_marked_is_still_marked_unless_it_was_tried_later(*, later: bool) -> None:
    """So it is handed over to the plan also if the silence is over by now, as the digest at its end may have it."""
    notify = Notify()
    notify.take(*alerts(value(score=2)))
    box = mailbox.decode(notify.rows[KEY])
    notify.log.append(EMAIL.silence(box.mails[0], "s-1", NOW + DAY, NOW))
    notify.rows[KEY] = mailbox.encode(box)
    if later:
        notify.mail(error=BUSY)
    mails = notify.again()

    assert mails.rows == notify.rows
    [mail] = mailbox.decode(mails.rows[KEY]).mails
    assert (mail.status, mail.silence) == ("deferred", "" if later else "s-1")
    assert mails.outputs == []
