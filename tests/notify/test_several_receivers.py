"""Several receivers with different plans: what happens to a notice of one of them changes nothing for the others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from flow.records import NOW, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from notify.bundles import CAPPED, HOUR, Desk, desk
from notify.mailboxes import EMAIL, KEY, kept, mails, planned, record_of
from notify.mailboxes import settled as settled_mail
from notify.test_quiet_hours import MONDAY, OFFICE
from notify.test_receiver_planning import CRITICAL, EVENTS, RULES, Story

from schemas.alert import Alert
from worker.flow.batch import Decided
from worker.notify.mailbox import Mailbox, decode, encode
from worker.routing.bundling import Bundling
from worker.routing.flat import FlatRoute

MakeAlert = Callable[..., Alert]

#: What becomes of a notice, as the delivery log says it.
KNOWN = {"pending", "deferred", "sent", "failed", "cancelled"}


class Several(Story):
    """What happens to a receiver with quiet hours, and to two others."""

    def __init__(self, rules: Bundling) -> None:
        super().__init__(rules, quiet=False)
        receivers = [
            desk(rules, calendar=OFFICE, quiet_except=frozenset({CRITICAL})),
            replace(desk(CAPPED), name="lead"),
            replace(desk(Bundling(group_by=("segment",))), name="boss"),
        ]
        self.names = {one.name for one in receivers}
        self.place = Desk(*receivers)
        self.place.now = MONDAY - HOUR

    def _check_caps(self) -> None:
        """Check in its place that each opened alert is in one state for each receiver, and in digests of its own."""
        last = {one["delivery_id"]: one for one in self.place.log}
        for one in last.values():
            assert one["status"] in KNOWN
            assert one["reason"]
            if one["reason"] == "in_digest":
                assert last[one["digest_id"]]["receiver"] == one["receiver"]
        found = {(one["alert_id"], one["receiver"]) for one in last.values() if one["alert_id"] in self._customers}
        assert found == {(alert_id, name) for alert_id in self._customers for name in self.names}


@given(rules=st.sampled_from(RULES), happened=st.lists(EVENTS, max_size=40))
@settings(deadline=None)
def test_every_notice_is_in_one_state_for_each_receiver(rules: Bundling, happened: list[tuple[Any, ...]]) -> None:
    story = Several(rules)
    for event in happened:
        story.happens(*event)
        story.check()
    story.end()
    story.check()


def test_a_repeat_is_recognised_and_the_end_reaches_each_of_hundreds_of_receivers(make_alert: MakeAlert) -> None:
    """Each of them has its mail in the same mailbox, which keeps only some of what is settled."""
    routes = tuple(FlatRoute(name=f"r{n}", to=[f"r{n}@example.org"], then_continue=True) for n in range(200))
    opened, rows = record_of(make_alert(), "e-1"), dict[bytes, bytes]()

    def happens(record: Record) -> Decided:
        decided = planned(record, rows=rows, routes=routes, actions=("opened", "withdrawn"))
        rows.update(kept(decided))
        return decided

    happens(opened)
    for delivery_id in [mail.delivery_id for mail in decode(rows[KEY]).mails]:
        box = decode(rows[KEY])
        mail = box.find_open(delivery_id)
        assert mail is not None
        EMAIL.succeed(mail, NOW)
        rows[KEY] = encode(box)  # their results come one after the other

    assert happens(opened).outputs == []
    told = {mail.addressee for mail in mails(happens(record_of(make_alert(action="withdrawn"), "e-2"))) if mail.is_open}
    assert told == {route.name for route in routes}


@given(st.lists(st.sampled_from("abcdefghijklm"), max_size=300), st.data())
def test_a_mailbox_keeps_the_newest_64_of_all_and_the_newest_8_of_each_receiver(
    names: str, data: st.DataObject
) -> None:
    unlike = data.draw(st.sampled_from([1, 40]))  # few receivers, or many
    box = Mailbox(
        [msgspec.structs.replace(settled_mail(n), route=f"{name}{n % unlike}") for n, name in enumerate(names)]
    )
    every = [(mail.delivery_id, mail.addressee) for mail in box.mails]
    expected = [
        delivery_id
        for at, (delivery_id, name) in enumerate(every)
        if at >= len(every) - 64 or sum(later == name for _, later in every[at + 1 :]) < 8
    ]

    assert [mail.delivery_id for mail in decode(encode(box)).mails] == expected
