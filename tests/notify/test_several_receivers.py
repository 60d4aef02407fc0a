"""Several receivers with different plans: what happens to a notice of one of them changes nothing for the others."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from notify.bundles import CAPPED, HOUR, Desk, desk
from notify.test_quiet_hours import MONDAY, OFFICE
from notify.test_receiver_planning import CRITICAL, EVENTS, RULES, Story

from worker.routing.bundling import Bundling

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
