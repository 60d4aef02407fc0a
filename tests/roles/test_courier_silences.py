"""The courier and silences: nothing goes out before they are known, and what they hold back waits for their end."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flow.records import Record
from notify.bundles import MINUTE, ONE
from notify.mailboxes import record_of
from notify.silencer import silence
from notify.test_case_notices import step
from roles.test_courier import LATER, Alerts, Office, at_work
from roles.test_courier_digests import begun

from schemas.alert import Alert, AlertAction, Severity
from worker.kafka import reading
from worker.kafka.rows import Head
from worker.notify import forwarded, mailbox
from worker.notify.digest import Members
from worker.notify.forwarded import Spread

MakeAlert = Callable[..., Alert]

HOUR = 3_600_000


def opened(office: Office, make_alert: MakeAlert, number: int = 1, **changes: Any) -> Record:
    alert = make_alert(alert_id=f"a-{number}", response_id=f"r-{number}", **({"severity": Severity.ERROR} | changes))
    return record_of(alert, f"e-{number}-{alert.revision}", f"c-{number}".encode(), timestamp=office.clock.now())


def hush(office: Office, hours: int = 1, version: int = 1, **matchers: Any) -> None:
    until = office.clock.now() + hours * HOUR
    office.silences.note(silence(version=version, until=until, **(matchers or {"segment": "fr"})))


async def test_nothing_is_sent_before_the_silences_are_known(make_alert: MakeAlert) -> None:
    office = Office()
    office.silences.caught_up.clear()
    await office.courier.start()
    office.plan(opened(office, make_alert))
    await office.settle()
    assert office.channel.tried == []
    office.silences.caught_up.set()
    await office.settle()
    assert office.channel.accepted == ["a-1"]
    await office.courier.stop()


async def test_warnings_say_that_nothing_is_sent_while_the_silences_are_not_known(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as office:
        office.silences.caught_up.clear()
        await office.settle()
        counts = []
        for milliseconds in (9_999, 1, 59_999, 1, 60_000):
            await office.pass_on(milliseconds)
            counts.append(len(caplog.messages))
        assert counts == [0, 1, 1, 2, 3]
        assert caplog.messages[0] == "no mails are sent: the silences (nps.silences) are not known yet"
        office.plan(opened(office, make_alert))
        office.silences.caught_up.set()
        await office.settle()
        assert office.channel.accepted == ["a-1"]
        await office.pass_on(60_000)
        assert len(caplog.messages) == 3


async def test_on_a_channel_without_digests_a_mail_waits_for_the_end_of_the_silence(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        hush(office)
        office.plan(opened(office, make_alert), opened(office, make_alert, 2, severity=Severity.CRITICAL))
        await office.settle()
        assert office.channel.accepted == ["a-2"]
        (line,) = [line for line in office.log if line["reason"] == "silenced"]
        assert (line["status"], line["silence_id"], line["digest_id"]) == ("deferred", "s-1", None)

        await office.pass_on(HOUR - 1)
        assert office.channel.accepted == ["a-2"]
        await office.pass_on(1)
        assert office.channel.accepted == ["a-2", "a-1"]
        assert len([line for line in office.log if line["reason"] == "silenced"]) == 1


async def test_an_end_hastens_what_waits_and_a_longer_silence_prolongs_it(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        hush(office)
        office.plan(opened(office, make_alert))
        await office.settle()
        hush(office, 30, version=2)
        await office.pass_on(29 * HOUR)
        assert office.channel.tried == []
        office.silences.end(office.clock.now())
        await office.settle()
        assert office.channel.accepted == ["a-1"]


@pytest.mark.parametrize("knows_late", [False, True], ids=["the silences first", "the rows first"])
async def test_an_end_that_came_while_nobody_owned_the_partition_lets_the_mail_go(
    knows_late: bool, make_alert: MakeAlert
) -> None:
    async with at_work() as before:
        hush(before, 30)
        before.plan(opened(before, make_alert))
        await before.settle()
        state = before.silences.known.all()[0].state
    async with at_work() as after:
        after.rows = before.rows
        after.channel.answer = lambda _: LATER
        after.silences.note(state)
        after.silences._observers.clear()  # the end is among what is read first, of which nobody is told
        if knows_late:
            after.silences.caught_up.clear()
            after.regain()
            await after.settle()
        after.silences.end(after.clock.now())
        if knows_late:
            after.silences.caught_up.set()
        else:
            await after.settle()
            after.regain()
        await after.settle()
        assert after.channel.tried == ["a-1"]  # once: a retry waits as usual
        after.channel.answer = lambda _: None
        await after.pass_on(HOUR)
        assert after.channel.accepted == ["a-1"]


async def test_an_end_that_came_unnoticed_also_counts_once_the_backlog_of_a_partition_is_planned(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "reader", Alerts(10, range(10)).reader)
    async with at_work() as office:
        hush(office, 30)
        office.plan(opened(office, make_alert))
        await office.settle()
        await office.courier.on_revoked()
        office.rows.head = Head(8)
        await office.courier.restate({0})
        office.silences.end(office.clock.now())
        office.regain()
        await office.settle()
        assert office.channel.tried == []
        office.rows.head = Head(9)
        office.courier.on_rows(0, {})
        await office.settle()
        assert office.channel.accepted == ["a-1"]


async def test_an_end_before_the_row_names_the_silence_lets_the_mail_go(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        hush(office, 30)
        async with office.table.lock(0):  # nothing can be written
            office.plan(opened(office, make_alert))
            await office.settle()
            office.silences.end(office.clock.now())
            await office.settle()
            assert office.channel.tried == []
        await office.settle()
        assert office.channel.accepted == ["a-1"]


async def test_a_silence_that_begins_later_also_holds_back_a_retry(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: LATER
        office.plan(opened(office, make_alert))
        await office.settle()
        office.channel.answer = lambda _: None
        hush(office)
        await office.pass_on(HOUR - 1)
        assert office.channel.accepted == []
        await office.pass_on(1)
        assert office.channel.accepted == ["a-1"]


async def test_a_mail_that_waits_is_tried_at_once_when_it_becomes_critical(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        hush(office)
        office.plan(opened(office, make_alert))
        await office.settle()
        urgent: dict[str, Any] = {"action": AlertAction.UPDATED, "reason": "score_changed", "revision": 1}
        office.plan(opened(office, make_alert, severity=Severity.CRITICAL, **urgent))
        await office.settle()
        assert office.channel.accepted == ["a-1"]


async def test_the_outbox_of_mails_marks_what_is_held_back_before_it_hands_it_over(make_alert: MakeAlert) -> None:
    async with at_work(more={"spread": Spread(9, len)}) as office:
        hush(office)
        office.plan(opened(office, make_alert))
        await office.settle()
        assert office.written == [1, 2]  # the mark; then the mailbox, and the pending notice that is erased
        ((partition, key, value),) = office.notices
        assert (partition, key) == (len("default"), forwarded.HELD_KEY)
        held = forwarded.read_held(Record(value))
        assert (held.key, held.mail.alert_id, held.silence_id) == (b"c-1", "a-1", "s-1")
        box = mailbox.decode(office.rows.rows[b"c-1"])
        assert [(mail.status, mail.forwarded, mail.silence) for mail in box.mails] == [("sent", True, "s-1")]
        await office.pass_on(2 * HOUR)
    assert office.channel.tried == []
    [line] = office.log  # the plan writes what becomes of it
    assert (line["status"], line["reason"], line["silence_id"]) == ("deferred", "handed_over", "s-1")


async def test_a_marked_mail_is_handed_over_after_a_crash_even_if_its_silence_is_over(make_alert: MakeAlert) -> None:
    async with at_work(more={"spread": ONE}) as office:
        hush(office)
        office.silences.end(office.clock.now())
        office.plan(opened(office, make_alert, 2))
        await office.settle()
        assert office.channel.accepted == ["a-2"]
        record = opened(office, make_alert)
        office.silences.caught_up.clear()
        office.courier._servers.pause()
        office.plan(record)
        box = mailbox.decode(office.rows.rows[b"c-1"])
        box.mails[0] = msgspec.structs.replace(box.mails[0], silence="s-1")
        office.rows.rows[b"c-1"] = mailbox.encode(box)
        office.regain()
        await office.settle()
        ((_, _, value),) = office.notices
        assert forwarded.read_held(Record(value)).until == office.clock.now()
    assert office.channel.accepted == ["a-2"]


@pytest.mark.parametrize("spread", [None, ONE], ids=["without plans", "with plans"])
async def test_a_silenced_reminder_is_not_sent_and_an_escalation_waits(
    spread: Spread | None, make_alert: MakeAlert
) -> None:
    async with at_work(more={"spread": spread}) as office:
        office.plan(opened(office, make_alert, severity=Severity.CRITICAL))
        await office.settle()
        severities = ["warning", "error", "critical"]
        hush(office, severities=severities)
        both = [
            step(alert_id="a-1", action="reminded", reason="due_soon"),
            step(alert_id="a-1", step=3, escalated_to=["default"], escalation_step=1),
        ]
        for number, one in enumerate(both):
            record = record_of(make_alert(), f"e-9-{number}", b"c-1", timestamp=office.clock.now())
            office.plan(
                record._replace(value=one.model_dump_json().encode(), headers=[("ce_id", f"e-9-{number}".encode())])
            )
        await office.settle()
        lines = [(line["status"], line["silence_id"]) for line in office.log if line["reason"] == "silenced"]
        assert sorted(lines) == [("cancelled", "s-1"), ("deferred", "s-1")]
        assert office.channel.accepted == ["a-1"]
        office.silences.end(office.clock.now())
        await office.settle()
        assert office.channel.accepted == ["a-1", "a-1"]
        assert office.notices == []


async def test_a_digest_is_sent_without_what_a_silence_holds_back() -> None:
    channel, place, parts = begun()
    members = Members()
    async with at_work(**parts, more={"members": members}) as office:
        hush(office, receivers=["desk"], segment="fr/lyon")
        place.members = members
        place.alert(7, segment="fr/paris")
        for number in range(5):
            place.alert(number, segment="fr/paris" if number < 3 else "fr/lyon")
        place.deliver()
        place.wait(5 * MINUTE)
        office.courier.on_rows(0, {})
        office.rows.rows = dict(place.plans)
        office.table.write = _noting(office, members)
        office.courier.on_rows(0, office.rows.rows)
        await office.settle()
    assert [sorted(one) for one in channel.lists] == [["a-1", "a-2"]]
    assert sorted(line["alert_id"] for line in office.log if line["reason"] == "silenced") == ["a-3", "a-4"]


def _noting(office: Office, members: Members) -> Callable[..., Any]:
    async def write(number: int, rows: Any, head: Any, held: Any) -> bool:
        members.note_rows(number, rows)
        return await office._write(number, rows, head, held)

    return write
