"""What is planned otherwise for a channel whose receivers have servers of their own."""

from collections.abc import Callable
from typing import Any

from flow.records import Record
from notify.mailboxes import KEY, kept, line, lines, pending, record_of

from schemas.alert import Alert
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.mailbox import Mailbox
from worker.notify.planning import Planner
from worker.routing.flat import FlatRoute, flat_routing

MakeAlert = Callable[..., Alert]
ROUTES = [FlatRoute(name=name, to=[name], then_continue=True) for name in ("crm", "bi")]


def planner(**changes: Any) -> Planner:
    usual = {"reports_erasures": True, "reports_refusals": False, "open_kept_each": 3}
    return Planner("webhook", flat_routing(ROUTES, "webhook"), ["opened"], IntakePolicy(), **(usual | changes))


def erasure(key: bytes = KEY, offset: int = 7) -> Record:
    return Record(None, key, offset=offset, topic="nps.alerts")


def test_a_record_that_is_refused_is_one_dead_letter_and_not_one_of_each_channel() -> None:
    odd = Record(b"{}", KEY, topic="nps.alerts")

    assert planning.plan([odd], planner(), lambda _: None).outputs == []
    [letter] = planning.plan([odd], planner(reports_refusals=True), lambda _: None).outputs
    assert letter.topic == "dead-letters"


def test_an_endpoint_for_which_too_much_waits_leaves_the_others_their_room(make_alert: MakeAlert) -> None:
    waiting = Mailbox([pending(delivery_id=f"p-{number}", route="crm", alert_id=f"p-{number}") for number in range(3)])
    rows = {KEY: mailbox.encode(waiting)}
    decided = planning.plan([record_of(make_alert())], planner(), rows.get)

    assert [(line(output)["route"], line(output)["reason"]) for output in decided.outputs] == [
        ("crm", "too_many_waiting"),
        ("bi", "planned"),
    ]


def test_a_repeated_erasure_is_another_event_and_a_replayed_one_the_same() -> None:
    first, again = (planning.plan([erasure()], planner(), lambda _: None) for _ in range(2))
    second = planning.plan([erasure(offset=8)], planner(), lambda _: None)

    assert first.rows == again.rows
    assert lines(first) == [("pending", "planned")] * 2
    ids = [{mail.delivery_id for mail in mailbox.decode(row).mails} for row in _boxes(first) + _boxes(second)]
    assert len(ids[0] | ids[1]) == 4


def test_what_no_customer_can_be_called_is_no_erasure() -> None:
    for key in (b"", b"\xff\xfe", b"a\x07b", b"x" * 201):
        assert kept(planning.plan([erasure(key)], planner(), lambda _: None)) == {}


def test_a_customer_who_answers_again_after_an_erasure_is_told_as_ever(make_alert: MakeAlert) -> None:
    decided = planning.plan([erasure(), record_of(make_alert())], planner(), lambda _: None)

    assert {key for key in kept(decided) if b"\x00" not in key} == {KEY, mailbox.erasure_key(KEY)}


def _boxes(decided: Any) -> list[bytes]:
    return [row for key, row in kept(decided).items() if b"\x00" not in key]
