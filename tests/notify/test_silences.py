"""What silences hold back: it comes in one digest at the end, and nothing is lost or sent twice, whatever happens."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from flow.records import NOW, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from notify.bundles import CAPPED, HOUR, MINUTE, Accepted, Desk, alert_of, desk, planner_of, withdrawn
from notify.silencer import Silencer, silence
from notify.test_case_news import news
from notify.test_case_notices import said

from schemas.alert import Alert, AlertAction, Severity
from schemas.delivery import DeliveryStatus
from schemas.incident import IncidentAction
from worker.errors import DeliveryError
from worker.flow.timestamps import from_ms
from worker.notify import digest, mailbox, receiver_plan
from worker.notify.attempts import AttemptResult, Fate, write_down
from worker.notify.forwarded import HELD_KEY, SILENCE_KEY, SilenceChange, change
from worker.notify.holding import Holding
from worker.notify.mailbox import Mail
from worker.notify.notice import Shown
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.notify.silenced import Waiting, waiting_in
from worker.rebuild.mails import Mails
from worker.rebuild.records import apply
from worker.routing.bundling import Bundling
from worker.routing.receiver import Receiver

LOST = DeliveryError("disconnected", retry=True, unsure=True)


class Hushed(Desk):
    """A desk with silences: its couriers ask them before each attempt, as the worker's do."""

    def __init__(self, *receivers: Receiver, **more: Any) -> None:
        super().__init__(*receivers, **more)
        self.silencer = Silencer()
        routing = self.planner.routing
        self.of_outbox = Holding(self.silencer.known, routing, spread=self.spread)
        self.of_plans = Holding(self.silencer.known, routing, has_plans=True)
        #: The silences that each digest names.
        self.named: list[dict[str, int]] = []
        #: Whether a worker dies before the row of a mail that it has handed over is written.
        self.dies = False

    # -- The outbox of the mails.

    def post(self) -> list[Accepted]:
        """Try every mail of the outbox that is due; return what was accepted."""
        before = len(self.inbox)
        for key in sorted(self.outbox):
            while mails := [mail for mail in self._open(key) if mail.due <= self.now]:
                for mail in mails:
                    if not self._post(key, mail):
                        return self.inbox[before:]
        return self.inbox[before:]

    def mark(self) -> None:
        """Try every mail of the outbox once, so that what a silence holds back is marked, and not handed over yet."""
        for key in sorted(self.outbox):
            for mail in self._open(key):
                self._post(key, mail)

    def _open(self, key: bytes) -> list[Mail]:
        row = self.outbox.get(key)
        box = [] if row is None or not mailbox.is_box(key) else mailbox.decode(row).mails
        return [mail for mail in box if mail.is_tried]

    def _post(self, key: bytes, mail: Mail) -> bool:
        notice = mailbox.notice(mail, key, self.outbox[mailbox.pending_notice_key(key, mail.delivery_id)])
        ref = MailRef(0, key, mail.delivery_id)
        result = AttemptResult(None, mail.addressee, mail.route, mail.merged, tried=mail)
        silenced = self.of_outbox.silenced(ref, mail, notice, self.now)
        if silenced is not None:
            result = result._replace(silence=silenced, tried=None)
        else:
            assert isinstance(notice, Shown)
            self.inbox.append(Accepted(self.now, mail.delivery_id, False, [notice.alert_id], [notice.action]))
        written = write_down({ref: result}, self.outbox.get, self.now, self.planner.deliveries, RetryPolicy())
        handed = [Record(one.value, one.key) for one in written.lines if one.topic == self.spread.topic]
        self.notice(*handed)
        if handed and self.dies:
            return False
        apply(self.outbox, written.rows)
        self._note(written.lines)
        return True

    # -- The plans.

    def _try(self, key: bytes, mail: Mail, error: DeliveryError | None, gone: str | None) -> None:
        ref = MailRef(0, key, mail.delivery_id)
        if mailbox.is_digest(key):
            found = digest.opened(mail.delivery_id, self.members.of(0, mail.delivery_id), self.plans.get)
            silenced = self.of_plans.silenced_members(mail, found, self.now)
            if silenced is None and error is None and found.items:
                self.named.append(dict(Counter(item.silence for item in found.items if item.silence)))
        else:
            pending_notice = self.plans[mailbox.pending_notice_key(key, mail.delivery_id)]
            silenced = self.of_plans.silenced(ref, mail, mailbox.notice(mail, key, pending_notice), self.now)
        if silenced is None:
            super()._try(key, mail, error, gone)
            return
        self.write_down(key, mail, AttemptResult(None, mail.addressee, mail.route, mail.merged, silence=silenced))

    def deliver(self, error: DeliveryError | None = None, gone: str | None = None) -> list[Accepted]:
        """Post the outbox, then try the mails of the plans until nothing of them is held back."""
        before = len(self.inbox)
        self.post()
        for _ in range(3):
            super().deliver(error, gone)
        return self.inbox[before:]

    # -- The silences.

    def silence(self, silence_id: str = "s-1", **changes: Any) -> None:
        before = self.silencer.known.find(silence_id)
        version = 1 if before is None else before.state.version + 1
        self.silencer.note(silence(silence_id, version, **changes))
        self.tell()

    def end(self, silence_id: str = "s-1") -> None:
        self.silencer.end(self.now, silence_id)
        self.tell()

    def tell(self) -> None:
        """Tell the plans what has changed."""
        for receiver, plan in self.all_plans().items():
            for silence_id, version in receiver_plan.silences_in(plan).items():
                known = self.silencer.known.find(silence_id)
                if known is not None and known.hold.version > version:
                    message = SilenceChange(receiver, silence_id, known.hold.version, known.hold.until)
                    self.notice(Record(change(message), SILENCE_KEY))


PLANS = pytest.mark.parametrize("bundling", [None, CAPPED], ids=["without a plan", "with a plan"])


@PLANS
def test_what_a_silence_holds_back_is_one_digest_at_its_end(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    for number in range(3):
        place.alert(number)
    place.alert(9, severity=Severity.CRITICAL)
    assert [mail.about for mail in place.deliver()] == [["a-9"]]
    assert ("deferred", "silenced") in place.lines_of("a-0")
    place.wait(HOUR - 1)
    assert place.deliver() == []

    place.wait(1)
    (mail,) = place.deliver()
    assert (mail.is_digest, sorted(mail.about)) == (True, ["a-0", "a-1", "a-2"])
    assert place.named == [{"s-1": 3}]
    assert place.lines_of("a-0")[-1] == ("sent", "in_digest")
    (held,) = [one for one in place.log if one["alert_id"] == "a-0" and one["reason"] == "silenced"]
    assert held["silence_id"] == "s-1"
    assert held["digest_id"] is not None
    assert not place.pending_notices()


@PLANS
def test_a_digest_of_a_single_notice_is_a_digest_all_the_same(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    place.alert(1)
    place.deliver()
    place.wait(HOUR)
    (mail,) = place.deliver()
    assert mail.is_digest
    assert place.named == [{"s-1": 1}]


@PLANS
def test_an_early_end_hastens_and_a_longer_silence_prolongs(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    place.alert(1)
    place.deliver()
    place.silence(until=NOW + 3 * HOUR)
    place.wait(2 * HOUR)
    assert place.deliver() == []
    place.end()
    place.wait(1)
    (mail,) = place.deliver()
    assert mail.about == ["a-1"]


@PLANS
def test_what_a_second_silence_holds_back_waits_for_its_end_too(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence("s-1", until=NOW + HOUR)
    place.alert(1)
    place.alert(2, segment="fr/paris")
    place.deliver()
    place.silence("s-2", until=NOW + 2 * HOUR, segment="fr/lyon")
    place.wait(HOUR)
    assert [mail.about for mail in place.deliver()] == [["a-2"]]
    place.wait(HOUR)
    assert [mail.about for mail in place.deliver()] == [["a-1"]]
    assert place.named == [{"s-1": 1}, {"s-2": 1}]


@PLANS
def test_a_withdrawal_during_a_silence_reaches_whoever_has_got_the_opening_and_nobody_else(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    known = place.alert(1)
    place.deliver()
    place.silence(until=NOW + HOUR)
    unknown = place.alert(2)
    place.deliver()
    for alert in (known, unknown):
        place.take(withdrawn(alert), f"w-{alert.alert_id}")
    (mail,) = place.deliver()
    assert (mail.about, mail.actions) == (["a-1"], ["withdrawn"])
    place.wait(HOUR)
    assert place.deliver() == []
    assert place.lines_of("a-2")[-2:] == [("cancelled", "withdrawn"), ("cancelled", "no_longer_news")]


@pytest.mark.parametrize("is_in_digest", [False, True])
def test_a_withdrawal_reaches_whoever_has_got_the_opening_also_after_a_comment_that_a_silence_holds_back(
    is_in_digest: bool,
) -> None:
    place = Hushed(desk(None))
    alert = place.alert(1)
    place.deliver()
    place.silence(until=NOW + HOUR)
    added = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Late."}
    place.take(alert.model_copy(update=added), "e-2")
    assert place.deliver() == []
    if is_in_digest:
        place.wait(HOUR)
        assert [mail.is_digest for mail in place.deliver()] == [True]
    place.take(withdrawn(alert), "w-1")
    (mail,) = place.deliver()
    assert (mail.about, mail.actions) == (["a-1"], ["withdrawn"])
    place.wait(HOUR)
    assert place.deliver() == []
    assert not place.pending_notices()


def test_a_withdrawal_reaches_who_got_the_opening_before_the_settings_had_caps() -> None:
    place = Hushed(desk(None))
    alert = place.alert(1)
    [opening] = place.deliver()
    place.planner = planner_of(desk(Bundling(group_wait=MINUTE)))
    added = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Late."}
    place.take(alert.model_copy(update=added), "e-2")
    place.take(withdrawn(alert), "w-1")
    found = place.deliver()
    place.wait(HOUR)

    assert (opening.actions, [one.actions for one in found]) == (["opened"], [["withdrawn"]])
    assert place.deliver() == []
    assert not place.pending_notices()


@PLANS
def test_the_end_of_an_incident_reaches_whoever_has_got_the_beginning(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.drop("fr")
    assert len(place.deliver()) == 1
    place.silence(severities=["warning", "error", "critical"], until=NOW + HOUR)
    place.drop("de")
    assert place.deliver() == []
    place.drop("fr", action=IncidentAction.RESOLVED)
    place.drop("de", action=IncidentAction.RESOLVED)
    assert [mail.about for mail in place.deliver()] == [["i-fr"]]


@PLANS
def test_a_resolved_case_and_an_erased_customer_leave_what_is_held_back(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    alerts = [place.alert(number) for number in range(3)]
    place.deliver()
    place.resolve(alerts[0])
    place.erase("c-1")
    place.wait(HOUR)
    assert [mail.about for mail in place.deliver()] == [["a-2"]]
    assert not [key for key in (*place.plans, *place.outbox) if b"c-1" in key and place.plans.get(key)]
    assert not place.pending_notices()


@PLANS
def test_a_notice_that_becomes_critical_is_not_held_back_any_more(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    alert = place.alert(1)
    place.deliver()
    urgent = {"action": AlertAction.UPDATED, "reason": "score_changed", "revision": 1, "severity": Severity.CRITICAL}
    place.take(alert.model_copy(update=urgent), "e-2")
    assert [mail.about for mail in place.deliver()] == [["a-1"]]


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("is_prolonged", [False, True])
def test_a_notice_that_becomes_critical_before_its_plan_has_it_is_sent_at_once_and_alone(
    others: int, is_prolonged: bool
) -> None:
    place = Hushed(desk(None))
    place.silence(until=NOW + HOUR)
    for number in range(others):
        place.alert(10 + number)
    place.deliver()
    alert = place.alert(1)
    place.mark()
    if is_prolonged:
        place.silencer.note(silence("s-1", 2, until=NOW + 2 * HOUR))
    urgent = {"action": AlertAction.UPDATED, "reason": "score_changed", "revision": 1, "severity": Severity.CRITICAL}
    place.take(alert.model_copy(update=urgent), "e-2")
    (mail,) = place.deliver()
    assert (mail.is_digest, mail.about) == (False, ["a-1"])

    # A rebuilt outbox does not send it once more, and the others wait for the end of the silence.
    mails = Mails(place.planner, len(place.alerts), 0, place.now, place.spread)
    mails.learn([line for line in place.lines if b'"status":"sent"' not in (line.value or b"")])
    mails.take(place.alerts)
    assert mails.waiting == 0
    place.tell()
    assert place.wakes() == [NOW + (2 if is_prolonged else 1) * HOUR] * bool(others)
    place.wait(2 * HOUR)
    assert [len(mail.about) for mail in place.deliver()] == [others] * bool(others)
    assert not place.pending_notices()


@PLANS
@pytest.mark.parametrize("action", ["acknowledged", "resolved"])
def test_what_people_do_during_a_silence_reaches_who_has_got_the_opening_and_nobody_else(
    bundling: Any, action: str
) -> None:
    rules = None if bundling is None else Bundling(mails_per_hour=20)
    place = Hushed(planner=msgspec.structs.replace(planner_of(desk(rules)), case_actions=(action,)))
    known = place.alert(1)
    place.deliver()
    place.silence(until=NOW + HOUR)
    unknown = place.alert(2)
    place.deliver()
    # What is new about the alert that was sent is held back, and ends with the resolution.
    added = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Late."}
    place.take(known.model_copy(update=added), "e-1-u")
    assert place.deliver() == []
    for alert in (known, unknown):
        about = {"alert_id": alert.alert_id, "customer_id": alert.customer_id, "alert_occurred_at": from_ms(NOW + HOUR)}
        place.say(said(news(action, **about), f"s-{alert.alert_id}")._replace(key=alert.customer_id.encode()))
    (told,) = place.deliver()
    place.wait(HOUR)

    assert (told.about, told.actions) == (["a-1"], [action])
    is_over = action == "resolved"
    assert [sorted(mail.about) for mail in place.deliver()] == ([] if is_over else [["a-1", "a-2"]])
    reason = "resolved" if is_over else "silenced"
    assert ("cancelled", reason) in place.lines_of("a-2")


@PLANS
def test_a_comment_during_a_silence_is_in_the_digest_and_no_mail_of_its_own(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    alert = place.alert(1)
    place.deliver()
    added = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Late."}
    place.take(alert.model_copy(update=added), "e-2")
    assert place.deliver() == []
    place.wait(HOUR)
    (mail,) = place.deliver()
    assert mail.about == ["a-1"]


def test_a_mail_that_some_have_got_or_may_have_got_is_not_held_back() -> None:
    place = Hushed(desk(None))
    place.silence()
    notice = alert_of(1)
    mail = Mail("d-1", "a-1", "desk", DeliveryStatus.DEFERRED, 1, NOW, NOW)
    ref = MailRef(0, b"c-1", "d-1")
    for changed in ({"left": ["desk@example.org"]}, {"unsure": True}):
        assert place.of_outbox.silenced(ref, msgspec.structs.replace(mail, **changed), notice, NOW) is None
    silenced = place.of_outbox.silenced(ref, mail, notice, NOW)
    assert silenced is not None
    assert silenced.fate is Fate.MARK


def test_what_leaves_a_digest_because_of_a_silence_is_one_digest_again() -> None:
    place = Hushed(desk(CAPPED))
    for number in range(6):
        place.alert(number, segment="fr/paris" if number == 5 else "fr/lyon")
    place.deliver()
    place.wait(5 * MINUTE)
    place.silence(segment="fr/lyon", until=place.now + HOUR)
    assert [mail.about for mail in place.deliver()] == [["a-5"]]
    place.wait(HOUR)
    assert [sorted(mail.about) for mail in place.deliver()] == [["a-2", "a-3", "a-4"]]
    assert place.named == [{}, {"s-1": 3}]


@PLANS
def test_it_can_be_counted_what_a_silence_holds_back(bundling: Any) -> None:
    place = Hushed(desk(bundling))
    place.silence(until=NOW + HOUR)
    place.alert(1)
    place.deliver()
    place.now += MINUTE
    place.alert(2)
    place.deliver()
    assert waiting_in(place.plans) == {"s-1": Waiting(2, NOW + MINUTE)}
    assert waiting_in(place.outbox) == {}
    place.end()
    place.wait(1)
    place.deliver()
    assert waiting_in(place.plans) == {}


def test_mails_that_are_held_back_are_not_counted_for_the_caps() -> None:
    place = Hushed(desk(CAPPED))
    place.silence(severities=["warning", "critical"], until=NOW + HOUR)
    for number in range(2):
        place.alert(number)
        place.alert(10 + number, severity=Severity.CRITICAL)
    place.deliver()
    (plan,) = place.all_plans().values()
    assert (plan.mails, plan.critical) == ([], [])


def test_the_log_says_that_the_cap_holds_a_digest_back_once_its_silence_is_over() -> None:
    place = Hushed(desk(Bundling(mails_per_hour=2)))
    place.silence(severities=["warning"], until=NOW + 30 * MINUTE)
    for number in (1, 2):
        place.alert(number)
        assert place.deliver() == []
    for number in (8, 9):
        place.alert(number, severity=Severity.ERROR)
    place.wait(5 * MINUTE)
    assert len(place.deliver()) == 2
    place.wait(25 * MINUTE - 1)
    assert place.lines_of("a-1")[-1] == ("deferred", "silenced")

    place.wait(1)
    assert place.deliver() == []
    for alert_id in ("a-1", "a-2"):
        last = [one for one in place.log if one["alert_id"] == alert_id][-1]
        assert (last["status"], last["reason"]) == ("deferred", "capped")
        assert datetime.fromisoformat(last["next_attempt_at"]) == from_ms(NOW + HOUR)
    said = len(place.lines_of("a-1"))
    place.wait(30 * MINUTE - 1)
    assert len(place.lines_of("a-1")) == said

    place.wait(1)
    (mail,) = place.deliver()
    assert (mail.is_digest, sorted(mail.about)) == (True, ["a-1", "a-2"])
    assert place.named == [{"s-1": 2}]


def test_a_digest_that_some_may_have_got_is_not_taken_apart() -> None:
    place = Hushed(desk(CAPPED))
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    place.deliver(LOST)
    place.silence()
    place.wait(HOUR)
    assert [mail.is_digest for mail in place.deliver()] == [True]


def test_a_crash_between_the_plan_and_the_outbox_sends_nothing_twice() -> None:
    place = Hushed(desk(None))
    place.silence(until=NOW + HOUR)
    alert = place.alert(1)
    place.dies = True
    place.post()
    place.dies = False
    # The silence is over before a worker looks at the mail again.
    place.end()
    place.now += 1
    place.tick()
    (mail,) = place.deliver()
    assert (mail.is_digest, mail.about) == (True, ["a-1"])
    place.take(withdrawn(alert), "w-1")
    assert [(one.about, one.actions) for one in place.deliver()] == [(["a-1"], ["withdrawn"])]


@pytest.mark.parametrize("happens", [lambda place, alert: place.resolve(alert), lambda place, _: place.erase("c-1")])
def test_what_ends_a_notice_reaches_a_plan_to_which_a_crash_had_handed_it_over(
    happens: Callable[[Hushed, Alert], None],
) -> None:
    place = Hushed(desk(None))
    place.silence(until=NOW + HOUR)
    alert = place.alert(1)
    place.dies = True
    place.post()
    place.dies = False
    happens(place, alert)
    place.wait(2 * HOUR)
    assert place.deliver() == []
    assert not place.pending_notices()


def test_what_is_no_message_about_a_silence_is_a_dead_letter() -> None:
    place = Hushed(desk(None))
    place.silence()
    place.alert(1)
    place.deliver()
    before = dict(place.plans)
    place.notice(Record(b"noise", HELD_KEY), Record(None, SILENCE_KEY), Record(b"\x93\x01", HELD_KEY))
    assert place.plans.keys() == before.keys()


def test_a_change_of_a_silence_that_is_older_or_concerns_nobody_changes_nothing() -> None:
    place = Hushed(desk(None))
    place.silence(until=NOW + HOUR)
    place.silence(until=NOW + 2 * HOUR)
    place.alert(1)
    place.deliver()
    for message in (SilenceChange("desk", "s-1", 1, NOW), SilenceChange("desk", "s-9", 9, NOW)):
        place.notice(Record(change(message), SILENCE_KEY))
    assert place.wakes() == [NOW + 2 * HOUR]


def test_rows_of_the_version_before_are_read() -> None:
    mail = Mail("d-1", "a-1", "desk", DeliveryStatus.PENDING, 0, NOW, 0)
    older = msgspec.msgpack.encode([[msgspec.to_builtins(mail)[:-2]]])
    (read,) = mailbox.decode(b"\x01" + older).mails
    assert read == mail
    gathered = msgspec.msgpack.encode([[], [], {"capped": ["digest", NOW]}, {}, {}, 0, NOW])
    assert receiver_plan.decode(gathered).gathered["capped"].version == 0


def test_a_rebuilt_outbox_does_not_send_what_the_plan_has() -> None:
    place = Hushed(desk(None))
    place.silence(until=NOW + HOUR)
    place.alert(1)
    place.deliver()
    mails = Mails(place.planner, len(place.alerts), 0, place.now, place.spread)
    mails.learn(place.lines)
    mails.take(place.alerts)
    (row,) = [row for key, row in mails.rows.items() if mailbox.is_box(key)]
    assert [(mail.status, mail.forwarded) for mail in mailbox.decode(row).mails] == [("sent", True)]
    assert mails.waiting == 0


EVENTS = st.one_of(
    st.tuples(st.just("alert"), st.integers(0, 4), st.sampled_from([*Severity])),
    st.tuples(st.just("silence"), st.sampled_from(["s-1", "s-2"]), st.integers(1, 4)),
    st.tuples(st.just("end"), st.sampled_from(["s-1", "s-2"])),
    st.tuples(st.just("withdraw"), st.integers(0, 4)),
    st.tuples(st.just("erase"), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("crash")),
)


class Story:
    """What may happen, one after the other."""

    def __init__(self, *, is_planned: bool) -> None:
        self.place = Hushed(desk(CAPPED if is_planned else None))
        self.opened: dict[str, Alert] = {}
        self.erased: set[str] = set()
        self._numbers: Counter[int] = Counter()

    def happens(self, what: str, *rest: Any) -> None:
        getattr(self, what)(*rest)
        check(self.place, self.opened, self.erased)

    def alert(self, number: int, severity: Severity) -> None:
        self._numbers[number] += 1
        number += 10 * self._numbers[number]
        self.opened[f"a-{number}"] = self.place.alert(number, severity=severity)

    def silence(self, silence_id: str, hours: int) -> None:
        if self._may_change(silence_id, otherwise=True):
            self.place.silence(silence_id, until=self.place.now + hours * HOUR, segment="fr")

    def end(self, silence_id: str) -> None:
        if self._may_change(silence_id, otherwise=False):
            self.place.end(silence_id)

    def _may_change(self, silence_id: str, *, otherwise: bool) -> bool:
        found = self.place.silencer.known.find(silence_id)
        return otherwise if found is None else found.state.ended_at is None

    def withdraw(self, number: int) -> None:
        for alert in [*self.opened.values()]:
            if alert.customer_id == f"c-{10 + number}":
                self.place.take(withdrawn(alert), f"w-{alert.alert_id}")

    def erase(self, number: int) -> None:
        self.place.erase(f"c-{10 + number}")
        self.erased.add(f"a-{10 + number}")

    def wait(self, minutes: int) -> None:
        self.place.wait(minutes * MINUTE)

    def deliver(self) -> None:
        self.place.deliver()

    def crash(self) -> None:
        self.place.dies = True
        self.place.post()
        self.place.dies = False


@given(is_planned=st.booleans(), happened=st.lists(EVENTS, max_size=30))
@settings(deadline=None)
def test_every_opening_is_sent_or_listed_once_or_held_or_refused_with_a_reason(
    is_planned: bool, happened: list[tuple[Any, ...]]
) -> None:
    story = Story(is_planned=is_planned)
    for event in happened:
        story.happens(*event)
    for _ in range(4):
        story.happens("deliver")
        story.happens("wait", 24 * 60)
    assert not story.place.pending_notices()
    assert not story.place.wakes()


def check(place: Hushed, opened: dict[str, Alert], erased: set[str]) -> None:
    """Check that each opening is in one place only."""
    told = Counter(
        alert_id
        for mail in place.inbox
        for alert_id, action in zip(mail.about, mail.actions, strict=True)
        if action == AlertAction.OPENED
    )
    open_mails = Counter(
        mail.alert_id
        for rows in (place.outbox, place.plans)
        for key, row in rows.items()
        if mailbox.is_box(key) and not mailbox.is_digest(key) and mailbox.has_open(row)
        for mail in mailbox.decode(row).mails
        if mail.is_open and mail.action == AlertAction.OPENED
    )
    # Between a crash and the next look at its mail, a notice is in the outbox, marked, and in the plan.
    marked = Counter(
        mail.alert_id
        for key, row in place.outbox.items()
        if mailbox.is_box(key) and mailbox.has_open(row)
        for mail in mailbox.decode(row).mails
        if mail.is_open and mail.silence
    )
    cancelled = {one["alert_id"] for one in place.log if one["status"] == "cancelled"}
    for alert_id in opened:
        places = told[alert_id] + open_mails[alert_id]
        assert told[alert_id] <= 1, alert_id
        assert places - marked[alert_id] <= 1, alert_id
        assert places or alert_id in cancelled | erased, alert_id


def test_what_is_written_about_a_held_mail_names_no_customer() -> None:
    place = Hushed(desk(None))
    place.silence()
    place.alert(1)
    place.deliver()
    assert "c-1" not in json.dumps(place.log)
