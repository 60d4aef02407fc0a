"""The plans of receivers made again from the notices and the delivery log: no mail twice, and nothing is forgotten."""

from flow.records import DAY
from notify.bundles import HOUR, MINUTE, Desk, desk, planner_of
from notify.test_silences import Hushed

from schemas.alert import Severity
from worker.notify import mailbox
from worker.notify.attempts import AttemptResult
from worker.rebuild.mails import Mails, PlannedMails
from worker.routing.bundling import Bundling


def again(place: Desk) -> PlannedMails:
    """Return the plans made again, by a worker that has lost all rows."""
    mails = PlannedMails(place.planner, len(place.notices), place.now - DAY, place.now)
    mails.learn(place.lines)
    mails.take(place.notices)
    assert mails.outputs == []
    assert mails.arrived == place.arrived
    return mails


def go_on(place: Desk) -> None:
    """Let a worker go on from the plans that were made again."""
    mails = again(place)
    place.plans = dict(mails.rows)
    place.members.clear()
    place.members.note_rows(0, place.plans)


def test_what_waits_for_a_digest_waits_again_and_what_was_sent_is_not_sent_again() -> None:
    place = Desk()
    for number in range(6):
        place.alert(number)
    place.alert(7, severity=Severity.CRITICAL)
    place.deliver()
    go_on(place)

    assert not place.deliver()
    place.wait(5 * MINUTE)
    assert [mail.about for mail in place.deliver()] == [["a-2", "a-3", "a-4", "a-5"]]
    go_on(place)
    place.wait(HOUR)
    assert not place.deliver()


def test_a_digest_that_waits_to_be_sent_has_the_same_id_again() -> None:
    place = Desk(desk(Bundling(mails_per_hour=2)))
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    [mail] = place.waiting(mailbox.digests_key("desk"))
    go_on(place)
    [sent] = place.deliver()
    assert (sent.message_id, sent.about) == (mail.delivery_id, ["a-1", "a-2", "a-3", "a-4"])


def test_an_outbox_made_again_still_knows_who_has_a_plan_for_an_alert() -> None:
    place = Desk()
    place.alert(1)
    place.deliver()
    mails = Mails(place.planner, 1, place.now - DAY, place.now)
    mails.learn([])
    mails.take(place.alerts)

    assert mails.rows == place.outbox
    assert mails.outputs == []


def test_an_outbox_made_again_forwards_only_what_it_had_not_planned() -> None:
    place = Desk()
    place.alert(1)
    place.alert(2)
    mails = Mails(place.planner, 1, place.now - DAY, place.now, place.spread)
    mails.take(place.alerts)
    assert [output.value for output in mails.outputs] == [place.notices[1].value]


def test_the_report_of_an_erasure_that_waits_in_a_plan_is_never_too_old_and_is_sent_once() -> None:
    planner = planner_of(desk(None, "webhook"), channel="webhook", reports_erasures=True)
    place = Hushed(planner=planner)
    place.erase("c-1")
    place.mark()  # the outbox hands it over
    key = mailbox.erasure_key(b"c-1")
    place.now += 9 * DAY
    mails = again(place)
    assert (mails.waiting, mails.suppressed) == (1, 0)

    [mail] = place.waiting(key)
    place.write_down(key, mail, AttemptResult(None, "desk", "desk", [], tried=mail))
    assert key not in place.plans
    mails = again(place)
    assert (mails.waiting, mails.settled, mails.rows) == (0, 1, {})


def test_an_outbox_made_again_leaves_the_report_of_an_erasure_to_the_plan() -> None:
    planner = planner_of(desk(None, "webhook"), channel="webhook", reports_erasures=True)
    place = Hushed(planner=planner)
    place.erase("c-1")
    place.mark()
    outbox = Mails(planner, 1, place.now - DAY, place.now, place.spread)
    outbox.learn(place.lines)  # without what the plan has written in another partition
    outbox.take(place.alerts)

    assert (outbox.rows, outbox.outputs) == ({}, [])


def test_an_outbox_made_again_leaves_what_a_silence_has_held_back_to_the_plan() -> None:
    place = Hushed(desk(None))
    place.silence()
    place.alert(1)
    before = len(place.lines)
    place.post()
    of_outbox = [record for record in place.lines[before:] if b"handed_over" in (record.value or b"")]
    outbox = Mails(place.planner, 1, place.now - DAY, place.now, place.spread)
    outbox.learn([*place.lines[:before], *of_outbox])  # without what the plan has written in another partition
    outbox.take(place.alerts)

    [mail] = mailbox.decode(outbox.rows[b"c-1"]).mails
    assert (mail.is_open, mail.forwarded) == (False, True)
    assert outbox.outputs == []
