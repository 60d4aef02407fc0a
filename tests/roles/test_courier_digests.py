"""The courier and digests: one mail for many notices, all of which have its result, whatever happens in between."""

from collections.abc import Callable
from typing import Any

from notify.bundles import MINUTE, Desk, planner_of
from roles.test_courier import LATER, LONG, Double, Office, at_work

from schemas.erasure import Erasure
from worker.notify.digest import Content, Digest
from worker.notify.receivers import Address
from worker.routing.receiver import Receiver


class Lists(Double):
    """A channel that keeps what it gets: the ids of the alerts of each mail."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: list[list[str]] = []
        #: How many notices of a digest it shows; None if all.
        self.shows: int | None = None

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> int | None:
        assert address.targets
        assert not isinstance(notice, Erasure)
        begun()
        if (error := self.answer(delivery_id)) is not None:
            raise error
        notices = [item.notice for item in notice.items] if isinstance(notice, Digest) else [notice]
        self.lists.append([one.alert_id for one in notices])
        return self.shows if isinstance(notice, Digest) else None


def with_a_digest(office: Office, place: Desk) -> None:
    """Let a digest of three notices wait."""
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    office.courier._members = place.members
    office.rows.rows = dict(place.plans)
    office.courier.on_rows(0, office.rows.rows)


def begun(**changes: Any) -> tuple[Lists, Desk, dict[str, Any]]:
    channel, place = Lists(), Desk()
    return channel, place, {"channel": channel, "planner": place.planner, **changes}


async def test_a_digest_is_sent_once_and_its_members_are_settled_with_it() -> None:
    channel, place, parts = begun()
    async with at_work(**parts) as office:
        with_a_digest(office, place)
        await office.settle()
        place.members.note_rows(0, office.rows.rows)
    assert channel.lists == [["a-2", "a-3", "a-4"]]
    assert [line["reason"] for line in office.log] == ["accepted", "in_digest", "in_digest", "in_digest"]
    assert len(office.written) == 1
    assert not [key for key in office.rows.rows if b"\x00" in key]
    assert not place.members._in_row


async def test_what_the_channel_does_not_show_is_only_counted() -> None:
    channel, place, parts = begun()
    channel.shows = 2
    async with at_work(**parts) as office:
        with_a_digest(office, place)
        await office.settle()
    assert [line["reason"] for line in office.log] == ["accepted", "in_digest", "in_digest", "counted_in_digest"]
    assert [line["status"] for line in office.log] == ["sent"] * 4


async def test_a_refused_digest_waits_as_a_whole() -> None:
    channel, place, parts = begun()
    channel.answer = lambda _: LATER
    async with at_work(**parts) as office:
        with_a_digest(office, place)
        await office.settle()
        assert [line["reason"] for line in office.log] == ["smtp_451"]
        channel.answer = lambda _: None
        await office.pass_on(10 * MINUTE)
    assert channel.lists == [["a-2", "a-3", "a-4"]]


async def test_an_accepted_digest_whose_partition_was_lost_settles_its_members_afterwards() -> None:
    channel, place, parts = begun(rest_seconds=LONG)
    async with at_work(**parts) as office:
        with_a_digest(office, place)
        await office.settle()
        office.lose()
        await office.courier.on_revoked()
        assert office.log == []
        office.regain()
        await office.settle()
        office.courier._rounds.begin()
        await office.settle()
    assert channel.lists == [["a-2", "a-3", "a-4"]]
    assert [line["reason"] for line in office.log] == ["accepted", "in_digest", "in_digest", "in_digest"]


async def test_a_digest_of_a_removed_receiver_is_released() -> None:
    channel, place, _ = begun()
    other = planner_of(Receiver("other", {"email": ["other@example.org"]}))
    async with at_work(channel=channel, planner=other) as office:
        with_a_digest(office, place)
        await office.settle()
    assert [line["reason"] for line in office.log][:4] == ["route_removed", "released", "released", "released"]
    assert sorted(channel.lists) == [["a-2"], ["a-3"], ["a-4"]]


async def test_a_digest_of_nothing_is_cancelled() -> None:
    channel, place, parts = begun()
    async with at_work(**parts) as office:
        with_a_digest(office, place)
        place.members.clear()
        await office.settle()
    assert channel.lists == []
    assert [line["reason"] for line in office.log] == ["nothing_left"]
