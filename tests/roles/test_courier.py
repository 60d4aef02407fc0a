"""The courier with a clock that stands still and a channel that does what a test says: no Kafka, no SMTP."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError
from chaos.clock import FakeClock
from flow.records import Record
from notify.mailboxes import record_of
from notify.silencer import Silencer

from schemas.alert import Alert
from schemas.erasure import Erasure
from worker.embedded.inbox import Inbox, Mail, Step
from worker.errors import DeliveryError, StateNotDurable
from worker.kafka import reading
from worker.kafka.rows import Head, PartitionState
from worker.notify import mailbox, planning
from worker.notify.channel import Channel
from worker.notify.channels.email.channel import Email
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.route import EmailRoute
from worker.notify.channels.email.smtp import SmtpSettings
from worker.notify.digest import Content, Digest
from worker.notify.planning import Planner
from worker.notify.receivers import Address
from worker.roles.courier import Courier, Upstream
from worker.routing.flat import flat_routing
from worker.settings import EmailSettings, Settings
from worker.streams.table import Usage

MakeAlert = Callable[..., Alert]

PARTITION = 0
LETTERHEAD = Letterhead("nps@example.org", "en")
AWAY = DeliveryError("refused", retry=True, unavailable=True)
LATER = DeliveryError("smtp_451", retry=True)
RELAY_DENIED = DeliveryError("smtp_554", retry=False, alarm=True)
NOBODY = DeliveryError("smtp_550", retry=False, alarm=True)
MINUTES = 60_000
#: A rest that ends only if something ends it, in seconds.
LONG = 1_000.0


class Double:
    """A channel that is no e-mail: it takes notices, and `answer` says what becomes of each, by its alert."""

    connections, most_connections = SmtpSettings().connections, SmtpSettings().most_connections
    wording = Email.wording

    def __init__(self) -> None:
        self.tried: list[str] = []
        #: The ids under which they were sent.
        self.ids: list[str] = []
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self.answer: Callable[[str], DeliveryError | None] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()
        #: The server of a route's notices; without an entry, the only one.
        self.servers: dict[str, str] = {}
        #: Mails whose content the server has got, and does not answer.
        self.hanging: set[str] = set()
        self.let_go = asyncio.Event()
        self.closed = False

    def server_of(self, route: str) -> str:
        return self.servers.get(route, "")

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> int | None:
        self.ids.append(delivery_id)
        assert not isinstance(notice, Erasure | Digest)
        alert = notice.alert_id
        self.tried.append(alert)
        if alert in self.hanging:
            begun()
            await self.let_go.wait()
        await self.gate.wait()
        if (error := self.answer(alert)) is not None:
            raise error
        self.sent.append((alert, tuple(address.targets)))
        return None

    async def aclose(self) -> None:
        self.closed = True

    @property
    def accepted(self) -> list[str]:
        return [alert for alert, _ in self.sent]


class Office:
    """A courier, and what is around it: one partition's rows in memory, the log, the group."""

    def __init__(
        self,
        channel: Channel | None = None,
        planner: Planner | None = None,
        upstream: Upstream | None = None,
        rest_seconds: float = 0.0,
        more: Mapping[str, Any] = MappingProxyType({}),
        **changes: Any,
    ) -> None:
        email = EmailSettings(sender="nps@example.org", to=["desk@example.org"], **changes)
        self.settings = Settings.model_construct(email=email)
        self.planner = planner or self.settings.planner("email")
        self.clock = FakeClock()
        self.silences = Silencer()
        self.channel = Double()
        self.wire: Channel = channel or self.channel
        self.rows = PartitionState()
        self.log: list[dict[str, Any]] = []
        #: The partitions, keys and values of the messages to the plans of receivers.
        self.notices: list[tuple[int, bytes, bytes]] = []
        #: How many rows each write has changed or erased.
        self.written: list[int] = []
        self.generation = self.confirmed = 1
        self.writes = self.writable = True
        self._lock = asyncio.Lock()
        app = SimpleNamespace(consumer_generation_id=self.generation)
        self.shell = shell = SimpleNamespace(
            settings=self.settings,
            app=app,
            consumer=SimpleNamespace(holds=lambda number: number == self.confirmed, heartbeat_age=lambda: 0.0),
            sender=SimpleNamespace(send=self._log_lines),
            topic_name=lambda topic: f"nps.{topic}",
        )
        self._app = app
        self.table = SimpleNamespace(
            state_of=lambda _: self.rows, lock=lambda _: self._lock, write=self._write, usage=Usage()
        )
        self.courier = Courier(
            cast(Any, shell),
            cast(Any, self.table),
            self.wire,
            self.clock,
            planner=self.planner,
            retry=email.retry,
            upstream=upstream,
            rest_seconds=rest_seconds,
            silences=self.silences,
            **more,
        )

    async def _log_lines(self, batches: Any) -> None:
        for topic, partition, records in batches:
            if topic == "nps.notices":
                self.notices += [(partition, key, value) for key, value, _, _ in records]
                continue
            assert topic == "nps.deliveries"
            self.log += [json.loads(value) for _, value, _, _ in records]

    async def _write(self, number: int, rows: Mapping[bytes, bytes | None], _head: Any, held: Any) -> bool:
        if not (self.writable and held()):
            return False
        self.written.append(len(rows))
        self._apply(rows)
        self.courier.on_rows(number, rows)
        return True

    def _apply(self, rows: Mapping[bytes, bytes | None]) -> None:
        for key, row in rows.items():
            if row is None:
                self.rows.rows.pop(key, None)
            else:
                self.rows.rows[key] = row

    def plan(self, *records: Record, routes: list[EmailRoute] | None = None, partition: int = PARTITION) -> None:
        """Have the steps of alerts planned, as the lane does."""
        planner = self.planner
        if routes is not None:
            planner = msgspec.structs.replace(planner, routing=flat_routing(routes, planner.channel))
        decided = planning.plan(records, planner, self.rows.rows.get)
        self._apply(decided.rows)
        self.courier.on_rows(partition, decided.rows)

    async def settle(self) -> None:
        """Let everything happen that can happen now."""
        for _ in range(200):
            await asyncio.sleep(0)

    async def pass_on(self, milliseconds: int) -> None:
        """Let time pass, and everything happen that is then due."""
        end = self.clock.now() + milliseconds
        while (until := self.courier._servers.next_at(self.clock.steady())) is not None and until <= end:
            self.clock.move_to(until)
            await self.settle()
        self.clock.move_to(end)
        await self.settle()

    def lose(self) -> None:
        """Lose the partition: another generation has begun."""
        self.confirmed += 1

    def regain(self) -> None:
        """Take the partition over again."""
        self._app.consumer_generation_id = self.confirmed
        self.courier.on_rows(PARTITION, self.rows.rows)
        self.courier.on_taken_over()

    def statuses(self, reason: str | None = None) -> list[str]:
        return [line["status"] for line in self.log if reason in {None, line["reason"]}]


@asynccontextmanager
async def at_work(**changes: Any) -> AsyncIterator[Office]:
    office = Office(**changes)
    await office.courier.start()
    try:
        yield office
    finally:
        office.channel.gate.set()
        office.channel.let_go.set()
        await office.courier.stop()
        assert office.channel.closed or office.wire is not office.channel
        assert office.courier._failure.error is None


def opened(make_alert: MakeAlert, number: int, key: bytes | None = None, **changes: Any) -> Record:
    alert = make_alert(**{"alert_id": f"a-{number}", "response_id": f"r-{number}", **changes})
    return record_of(alert, f"e-{number}", key or f"c-{number}".encode(), timestamp=1_000 + number)


async def test_what_is_planned_goes_out_and_is_written_down(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.plan(*(opened(make_alert, number) for number in range(20)))
        await office.settle()

        assert sorted(f"a-{number}" for number in range(20)) == sorted(office.channel.accepted)
        assert ["sent"] * 20 == office.statuses()
        assert office.courier.pending == 0
        assert office.courier.idle_until is None


async def test_every_attempt_is_traced_with_its_mail_and_notes_why_it_failed(make_alert: MakeAlert) -> None:
    begun: list[tuple[str, int, str]] = []
    noted: list[DeliveryError | None] = []

    @contextmanager
    def traced(server: str, mail: mailbox.Mail, content: Content) -> Iterator[Callable[[DeliveryError | None], None]]:
        assert isinstance(content, Alert)
        begun.append((server, mail.attempts, content.alert_id))
        yield noted.append
        assert len(noted) == len(begun)

    async with at_work(more={"traced": traced}) as office:
        answers = iter([LATER])
        office.channel.answer = lambda _: next(answers, None)
        office.plan(opened(make_alert, 0))
        await office.settle()
        await office.pass_on(10 * MINUTES)

        assert office.channel.accepted == ["a-0"]
    assert begun == [("", 0, "a-0"), ("", 1, "a-0")]
    assert noted == [LATER, None]


async def test_all_couriers_of_a_worker_stop_at_the_same_time(make_alert: MakeAlert) -> None:
    together: list[Courier] = []
    first, second = (Office(more={"together": together}) for _ in range(2))
    for office in (first, second):
        await office.courier.start()
        office.channel.hanging = {"a-0"}
        office.plan(opened(make_alert, 0))
        await office.settle()

    stopping = asyncio.create_task(first.courier.stop())
    await second.settle()
    second.plan(opened(make_alert, 1))
    await second.settle()
    assert (second.channel.tried, second.channel.closed) == (["a-0"], False)

    for office in (first, second):
        office.channel.let_go.set()
    await stopping
    assert [office.channel.closed for office in (first, second)] == [True, True]
    assert [office.statuses() for office in (first, second)] == [["sent"], ["sent"]]
    await second.courier.stop()


async def test_the_results_of_as_many_mails_as_there_are_connections_are_written_together(
    make_alert: MakeAlert,
) -> None:
    async with at_work(rest_seconds=LONG) as office:
        connections = office.channel.connections
        office.plan(*(opened(make_alert, number) for number in range(2 * connections - 1)))
        await office.settle()
        assert len(office.channel.accepted) == 2 * connections - 1
        assert office.statuses() == ["sent"] * connections
        assert office.written == [2 * connections]  # of each mail, the mailbox and the pending notice

        await office.courier.on_revoked()
        assert office.statuses() == ["sent"] * (2 * connections - 1)
        assert len(office.written) == 2


async def test_a_partition_whose_results_cannot_be_written_holds_up_no_other(make_alert: MakeAlert) -> None:
    locks = [asyncio.Lock(), asyncio.Lock()]
    async with at_work() as office:
        office.table.lock = lambda number: locks[number]
        async with locks[PARTITION]:
            office.plan(opened(make_alert, 0))
            office.plan(opened(make_alert, 1), partition=1)
            await office.settle()

            assert office.channel.accepted == ["a-0", "a-1"]
            assert [line["alert_id"] for line in office.log] == ["a-1"]
            assert office.courier.pending == 1
        await office.settle()

        assert office.courier.pending == 0


async def test_with_one_connection_no_result_waits_for_others(make_alert: MakeAlert) -> None:
    channel = Double()
    channel.connections = channel.most_connections = 1
    async with at_work(channel=channel, rest_seconds=LONG) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()

        assert office.statuses() == ["sent"]
    assert channel.closed


async def test_mails_are_sent_while_results_wait_but_no_more_than_a_crash_may_repeat(make_alert: MakeAlert) -> None:
    async with at_work(rest_seconds=LONG) as office:
        connections = office.channel.connections
        async with office.table.lock(PARTITION):  # nothing can be written
            office.plan(*(opened(make_alert, number) for number in range(5 * connections)))
            await office.settle()
            assert len(office.channel.accepted) == 2 * connections
            assert office.log == []
        await office.settle()

        assert len(office.channel.accepted) == 5 * connections
        assert office.written == [2 * connections] * 5


async def test_a_stop_writes_the_results_that_wait(make_alert: MakeAlert) -> None:
    async with at_work(rest_seconds=LONG) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        assert office.log == []
        await office.courier.stop()

        assert office.statuses() == ["sent"]


async def test_a_result_that_cannot_be_written_stops_the_worker(make_alert: MakeAlert) -> None:
    office = Office(rest_seconds=0.0)
    office.shell.sender.send = not_acknowledged
    await office.courier.start()
    office.plan(opened(make_alert, 0), opened(make_alert, 1))
    with pytest.raises(StateNotDurable):
        await office.courier.failure()
    await office.courier.stop()


async def not_acknowledged(_: Any) -> None:
    raise StateNotDurable("no acknowledgement")


async def test_one_mail_that_is_refused_for_now_holds_nobody_up(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda alert: LATER if alert == "a-0" else None
        office.plan(*(opened(make_alert, number) for number in range(31)))
        await office.settle()

        assert len(office.channel.accepted) == 30
        assert office.statuses("smtp_451") == ["deferred"]
        office.channel.answer = lambda _: None
        await office.pass_on(5 * MINUTES)
        assert office.channel.accepted[-1] == "a-0"


async def test_in_an_outage_another_mail_is_tried_each_time_and_one_success_ends_it(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(*(opened(make_alert, number) for number in range(31)))
        await office.settle()
        tried = len(office.channel.tried)
        await office.pass_on(61_000)

        probes = office.channel.tried[tried:]
        assert len(set(probes)) == len(probes) == 6
        assert office.log == []
        office.channel.answer = lambda _: None
        with caplog.at_level(logging.INFO):
            await office.pass_on(30_000)
        assert len(office.channel.accepted) == 31
        assert "the mail server can be used again" in caplog.text


async def test_a_mail_that_makes_the_server_turn_away_holds_nobody_up(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda alert: AWAY if alert == "a-0" else None
        office.plan(*(opened(make_alert, number) for number in range(31)))
        await office.pass_on(5_000)

        assert len(office.channel.accepted) == 30


async def test_a_server_that_refuses_every_mail_for_good_ends_none_of_them(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: RELAY_DENIED
        office.plan(*(opened(make_alert, number) for number in range(40)))
        await office.pass_on(60 * MINUTES)

        assert "failed" not in office.statuses()
        assert "smtp_554; the server refuses every mail (smtp.host" in caplog.text
        assert {logging.ERROR} == {record.levelno for record in caplog.records}
        office.channel.answer = lambda _: None
        await office.pass_on(30_000)
        assert sorted(office.channel.accepted) == sorted(f"a-{number}" for number in range(40))


async def test_a_lone_mail_that_is_refused_for_good_is_tried_again_until_the_server_accepts_another(
    make_alert: MakeAlert,
) -> None:
    async with at_work() as office:
        office.channel.answer = lambda alert: NOBODY if alert == "a-0" else None
        office.plan(opened(make_alert, 0))
        await office.pass_on(20 * MINUTES)
        assert office.statuses() == ["deferred"] * 3

        office.plan(opened(make_alert, 1))
        await office.settle()
        assert office.statuses()[3:] == ["sent", "failed"]


async def test_receivers_who_do_not_exist_cost_the_others_nothing(make_alert: MakeAlert) -> None:
    routes = [EmailRoute(name="gone", segment="gone", to=["gone@example.org"])]
    async with at_work(routes=routes) as office:
        office.channel.answer = lambda alert: NOBODY if int(alert[2:]) < 30 else None
        office.plan(*(opened(make_alert, number, segment="gone") for number in range(30)))
        await office.settle()
        office.plan(opened(make_alert, 30))
        await office.pass_on(30_000)
        assert office.channel.accepted == ["a-30"]

        for number in range(31, 40):
            office.plan(opened(make_alert, number))
            await office.pass_on(30_000)
        assert office.channel.accepted == [f"a-{number}" for number in range(30, 40)]
        assert office.statuses("smtp_550").count("failed") == 30


async def test_a_mail_that_hangs_does_not_stop_the_probes_of_an_outage(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.hanging = {"a-0"}
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.channel.answer = lambda _: AWAY
        office.plan(opened(make_alert, 1))
        await office.settle()
        assert office.channel.tried == ["a-0", "a-1"]

        office.channel.answer = lambda _: None
        office.plan(*(opened(make_alert, number) for number in range(2, 20)))
        await office.pass_on(2_000)
        assert sorted(office.channel.accepted) == sorted(f"a-{number}" for number in range(1, 20))


async def test_a_probe_that_hangs_after_mail_has_ended_the_outage(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(*(opened(make_alert, number) for number in range(20)))
        await office.settle()
        office.channel.answer = lambda _: None
        office.channel.hanging = {office.channel.tried[0], "a-0", "a-8"}
        await office.pass_on(2_000)

        assert len(office.channel.accepted) == 20 - len(office.channel.hanging)


async def test_in_an_outage_one_probe_at_a_time_is_under_way(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(*(opened(make_alert, number) for number in range(31)))
        await office.settle()
        tried = len(office.channel.tried)
        office.channel.gate.clear()
        await office.pass_on(20_000)

        assert len(office.channel.tried) == tried + 1


async def test_an_outage_goes_on_when_a_mail_that_was_begun_before_it_is_never_answered(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as office:
        office.channel.hanging = {"a-0"}
        never_answered = DeliveryError("timeout", retry=True, unsure=True)
        office.channel.answer = lambda alert: never_answered if alert == "a-0" else AWAY
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(opened(make_alert, 1))
        await office.settle()
        with caplog.at_level(logging.INFO):
            office.channel.let_go.set()
            await office.settle()

        assert office.statuses("timeout") == ["deferred"]
        assert "can be used again" not in caplog.text


async def test_mails_that_hang_leave_others_some_hands(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.hanging = {f"a-{number}" for number in range(8)}
        office.plan(*(opened(make_alert, number) for number in range(8)))
        await office.settle()
        office.plan(*(opened(make_alert, number) for number in range(8, 100)))
        await office.pass_on(29_000)
        assert office.channel.accepted == []

        await office.pass_on(1_000)
        assert len(office.channel.accepted) == 92


async def test_no_more_mails_hang_at_a_time_than_half_as_many_again(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.hanging = {f"a-{number}" for number in range(40)}
        office.plan(*(opened(make_alert, number) for number in range(40)))
        await office.pass_on(10 * MINUTES)

        assert len(office.channel.tried) == 12


async def test_mails_that_hang_are_said_once_a_minute(make_alert: MakeAlert, caplog: pytest.LogCaptureFixture) -> None:
    async with at_work() as office:
        office.channel.hanging = {f"a-{number}" for number in range(2)}
        office.plan(*(opened(make_alert, number) for number in range(2)))
        await office.pass_on(29_999)
        assert caplog.messages == []

        await office.pass_on(100_000)
        text = "mails wait for the mail server's answer: 2, the longest for {} s (smtp.accept_timeout_seconds)"
        assert caplog.messages == [text.format(30), text.format(90)]
        assert {logging.WARNING} == {record.levelno for record in caplog.records}


async def test_the_newest_content_goes_out(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(opened(make_alert, 0), opened(make_alert, 1))
        await office.settle()
        changes = {"alert_id": "a-0", "response_id": "r-0", "revision": 1}
        office.plan(record_of(make_alert(action="withdrawn", score=9, **changes), "e-9", b"c-0"))
        office.channel.answer = lambda _: None
        await office.pass_on(30_000)

        assert office.channel.accepted == ["a-1"]


async def test_a_comment_that_comes_while_its_alerts_mail_is_on_its_way_follows(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.gate.clear()
        office.plan(opened(make_alert, 0))
        await office.settle()
        later = make_alert(
            alert_id="a-0", response_id="r-0", revision=1, action="updated", reason="comment_added", comment="Late."
        )
        office.plan(record_of(later, "e-9", b"c-0"))
        office.channel.gate.set()
        await office.settle()

        assert office.channel.accepted == ["a-0", "a-0"]
        assert office.statuses() == ["sent", "pending", "sent"]


async def test_a_step_that_is_merged_after_a_crash_is_no_copy_of_what_was_accepted_before_it(
    make_alert: MakeAlert,
) -> None:
    async with at_work(rest_seconds=LONG) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        rows, first = dict(office.rows.rows), office.channel.ids
    later = make_alert(
        alert_id="a-0", response_id="r-0", revision=1, action="updated", reason="comment_added", comment="Late."
    )
    for _ in range(2):  # and what is sent again after another crash is a copy
        async with at_work() as office:
            office._apply(rows)
            office.plan(record_of(later, "e-9", b"c-0"))
            await office.settle()

            assert office.channel.ids == [office.planner.deliveries.id_of("e-9", "default")] != first
            assert office.statuses() == ["sent"]


async def test_mails_whose_route_was_renamed_go_by_todays_routes(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(routes=[EmailRoute(name="new", segment="fr", to=["new@example.org"])]) as office:
        office.plan(opened(make_alert, 0), routes=[EmailRoute(name="old", to=["old@example.org"])])
        await office.settle()

        assert office.channel.sent == [("a-0", ("new@example.org",))]
        assert [line["route"] for line in office.log] == ["new"]
        assert "waited for the receiver 'old', which the settings do not have any more: it goes to 'new'" in caplog.text


async def test_the_queue_grows_with_the_mails_of_a_customer_and_not_with_their_square(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(*(opened(make_alert, number, b"shared") for number in range(300)))
        await office.settle()
        office.channel.answer = lambda _: None
        most = 0
        while office.courier.pending:
            await office.pass_on(1_000)
            most = max(most, office.courier._servers.of("").schedule.entries)

        assert len(office.channel.accepted) == 300
        assert most <= 300


async def test_a_mail_that_was_accepted_is_not_sent_again_when_the_partition_comes_back(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.gate.clear()
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.lose()
        office.channel.gate.set()
        await office.settle()
        assert office.log == []

        office.regain()
        await office.settle()
        assert office.channel.accepted == ["a-0"]
        assert office.statuses() == ["sent"]
        assert not office.courier._accepted


async def test_nothing_is_sent_while_the_partitions_are_given_up(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        await office.courier.on_revoked()
        office.plan(opened(make_alert, 1))
        await office.settle()
        assert office.channel.accepted == ["a-0"]

        office.regain()
        await office.settle()
        assert office.channel.accepted == ["a-0", "a-1"]


class Alerts:
    """The topic of the alerts, as a worker that takes its one partition over finds it."""

    def __init__(self, end: int, records: Collection[int]) -> None:
        self.end = end
        self.offsets = records
        self.asked_for: list[Any] = []

    @asynccontextmanager
    async def reader(self, _: Any, *, committed_only: bool) -> AsyncIterator["Alerts"]:
        assert committed_only
        yield self

    async def ends(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        assert topic == "nps.alerts"
        return dict.fromkeys(partitions, self.end)

    async def read(self, _: str, spans: Mapping[int, tuple[int, int]]) -> AsyncIterator[list[Any]]:
        [(first, end)] = spans.values()
        self.asked_for.append((first, end))
        yield [SimpleNamespace(offset=offset) for offset in self.offsets if first <= offset < end]


async def test_after_an_outage_of_the_worker_nothing_goes_out_that_was_withdrawn_meanwhile(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "reader", Alerts(5_000, range(4_990)).reader)
    async with at_work() as office:
        await office.courier.restate({PARTITION})
        office.regain()
        office.rows.head = Head(1_999)
        office.plan(opened(make_alert, 0), opened(make_alert, 1), opened(make_alert, 2))
        await office.pass_on(60_000)
        assert office.channel.accepted == [], "3,000 alerts are not read yet"

        office.rows.head = Head(4_989)
        gone = make_alert(action="withdrawn", score=9, alert_id="a-1", response_id="r-1")
        office.plan(record_of(gone, "e-9", b"c-1"), opened(make_alert, 3))
        await office.settle()
        assert sorted(office.channel.accepted) == ["a-0", "a-2", "a-3"]
        office.plan(opened(make_alert, 4))
        await office.settle()
        assert "a-4" in office.channel.accepted


@pytest.mark.parametrize(
    ("end", "records", "asked_for"),
    [
        (10, range(10), []),  # everything was planned before
        (15, [], [(10, 15)]),  # only markers of transactions, or nothing, is left
        (500, [], [(400, 500), (10, 500)]),
    ],
)
async def test_a_partition_without_alerts_to_read_waits_for_nothing(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch, end: int, records: Collection[int], asked_for: list[Any]
) -> None:
    topic = Alerts(end, records)
    monkeypatch.setattr(reading, "reader", topic.reader)
    async with at_work() as office:
        office.rows.head = Head(9)
        await office.courier.restate({PARTITION})
        office.regain()
        office.plan(opened(make_alert, 0))
        await office.settle()

        assert office.channel.accepted == ["a-0"]
        assert topic.asked_for == asked_for


async def test_a_partition_that_went_elsewhere_before_it_was_read_is_not_waited_for_when_it_comes_back(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Alerts(5_000, range(5_000))
    monkeypatch.setattr(reading, "reader", topic.reader)
    async with at_work() as office:
        await office.courier.restate({PARTITION})
        await office.courier.on_revoked()
        topic.end, topic.offsets = 10, range(10)  # meanwhile the topic was created again, and all of it was read
        office.rows.head = Head(9)
        await office.courier.restate({PARTITION})
        office.regain()
        office.plan(opened(make_alert, 0))
        await office.settle()

        assert office.channel.accepted == ["a-0"]


class Ahead:
    """Whether the group has decided what the source of a table is made from."""

    def __init__(self) -> None:
        self.is_decided = False
        self.asked = 0

    def begin(self) -> Callable[[], Awaitable[bool]]:
        return self.passed

    async def passed(self) -> bool:
        self.asked += 1
        return self.is_decided


async def test_a_plan_waits_for_alerts_that_nobody_has_forwarded_yet(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, ahead = Alerts(10, range(10)), Ahead()
    monkeypatch.setattr(reading, "reader", topic.reader)
    async with at_work(upstream=ahead.begin) as office:
        office.rows.head = Head(9)
        await office.courier.restate({PARTITION})
        office.regain()
        office.plan(opened(make_alert, 0), opened(make_alert, 1))
        await office.pass_on(60_000)
        assert office.channel.accepted == [], "the alerts are not decided, so a withdrawal may still come"
        assert office.courier.pending == 1, "whoever waits for the worker to have nothing left to do goes on waiting"

        topic.end, topic.offsets, ahead.is_decided = 12, range(12), True
        await office.pass_on(1_000)
        assert office.channel.accepted == [], "the notices that have come of the alerts are not planned yet"

        office.rows.head = Head(11)
        office.plan(
            record_of(make_alert(action="withdrawn", score=9, alert_id="a-1", response_id="r-1"), "e-9", b"c-1")
        )
        await office.settle()
        assert office.channel.accepted == ["a-0"]

        office.plan(opened(make_alert, 2))
        await office.settle()
        assert office.channel.accepted == ["a-0", "a-2"]


async def test_a_plan_whose_notices_are_all_planned_waits_only_for_the_alerts(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = Ahead()
    monkeypatch.setattr(reading, "reader", Alerts(10, range(10)).reader)
    async with at_work(upstream=ahead.begin) as office:
        office.rows.head = Head(9)
        await office.courier.restate({PARTITION})
        office.regain()
        office.plan(opened(make_alert, 0))
        await office.settle()
        assert office.channel.accepted == []

        ahead.is_decided = True
        await office.pass_on(1_000)
        assert office.channel.accepted == ["a-0"]


async def test_nobody_asks_about_the_alerts_any_more_once_the_partitions_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = Ahead()
    monkeypatch.setattr(reading, "reader", Alerts(10, range(10)).reader)
    async with at_work(upstream=ahead.begin) as office:
        await office.courier.restate({PARTITION})
        office.regain()
        await office.settle()
        assert ahead.asked == 1
        await office.courier.on_revoked()
        await office.pass_on(60_000)
        assert ahead.asked == 1


async def test_kafka_that_does_not_say_the_ends_of_the_notices_is_asked_again(
    make_alert: MakeAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, ahead = Alerts(10, range(10)), Ahead()
    ahead.is_decided = True
    answers = iter([KafkaConnectionError()])

    async def ends(_: str, partitions: Collection[int]) -> dict[int, int]:
        if (error := next(answers, None)) is not None:
            raise error
        return dict.fromkeys(partitions, topic.end)

    monkeypatch.setattr(topic, "ends", ends)
    monkeypatch.setattr(reading, "reader", topic.reader)
    async with at_work(upstream=ahead.begin) as office:
        office.rows.head = Head(9)
        await office.courier.restate({PARTITION})
        office.regain()
        office.plan(opened(make_alert, 0))
        await office.settle()
        assert office.channel.accepted == []
        await office.pass_on(1_000)
        assert office.channel.accepted == ["a-0"]


async def test_the_mails_in_hand_are_finished_before_the_partitions_go(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.gate.clear()
        office.plan(opened(make_alert, 0))
        await office.settle()
        giving_up = asyncio.create_task(office.courier.on_revoked())
        await office.settle()
        assert not giving_up.done()
        office.channel.gate.set()
        await giving_up

        assert office.statuses() == ["sent"]


async def test_an_alert_without_its_content_has_failed(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.answer = lambda _: AWAY
        office.plan(opened(make_alert, 0))
        await office.settle()
        [pending_notice] = [key for key in office.rows.rows if b"\x00" in key]
        del office.rows.rows[pending_notice]
        await office.pass_on(2_000)

        assert office.statuses("letter_lost") == ["failed"]


async def test_a_mail_that_was_erased_while_it_was_on_its_way_stays_erased(make_alert: MakeAlert) -> None:
    async with at_work() as office:
        office.channel.gate.clear()
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(Record(None, b"c-0"))
        office.channel.gate.set()
        await office.settle()

        assert office.statuses() == ["sent"]
        assert not office.rows.rows
        assert office.courier.pending == 0


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        (Step.RCPT, "530 5.7.0 Authentication required"),
        (Step.RCPT, "421 4.3.2 Not to him"),
        (Step.DATA, "421 4.3.2 Not this one"),
        (Step.CONTENT, "530 5.7.0 Not this one"),
    ],
)
async def test_a_real_server_that_turns_one_mail_away_gets_the_other_thirty(
    make_alert: MakeAlert, inbox: Inbox, step: Step, answer: str
) -> None:
    async def behaviour(now: Step, mail: Mail) -> str | None:
        return answer if now is step and "vip@example.org" in mail.recipients else None

    inbox.behaviour = behaviour
    channel = Email(SmtpSettings(host=inbox.host, port=inbox.port, tls="none"), LETTERHEAD)
    async with at_work(
        channel=channel, routes=[EmailRoute(name="vip", segment="vip", to=["vip@example.org"])]
    ) as office:
        office.plan(
            opened(make_alert, 0, segment="vip"), *(opened(make_alert, number, segment="") for number in range(1, 31))
        )
        await asyncio.wait_for(inbox.wait_for(30), 30)
        while office.courier.pending:  # noqa: ASYNC110 - a socket's last answer raises no event here
            await asyncio.sleep(0.01)

        assert sorted(office.statuses()) == ["deferred"] + ["sent"] * 30
        assert {mail.recipients for mail in inbox.mails} == {("desk@example.org",)}


async def test_a_real_server_that_leaves_one_mail_unanswered_and_turns_another_away_gets_the_others(
    make_alert: MakeAlert, inbox: Inbox
) -> None:
    has_first, answer_first = asyncio.Event(), asyncio.Event()
    to_turn_away = ["421 4.3.2 Not now"]

    async def behaviour(now: Step, _mail: Mail) -> str | None:
        if now is Step.DATA and not has_first.is_set():
            has_first.set()
            await answer_first.wait()
        if now is Step.MAIL and has_first.is_set() and to_turn_away:
            return to_turn_away.pop()
        return None

    inbox.behaviour = behaviour
    channel = Email(SmtpSettings(host=inbox.host, port=inbox.port, tls="none", connections=2), LETTERHEAD)
    async with asyncio.timeout(30), at_work(channel=channel) as office:
        office.plan(opened(make_alert, 0))
        await has_first.wait()
        office.plan(opened(make_alert, 1))
        while office.courier._servers.of("").outage.until is None:  # noqa: ASYNC110 - a socket raises no event here
            await asyncio.sleep(0.01)
        office.plan(*(opened(make_alert, number) for number in range(2, 9)))
        office.clock.move_to(office.clock.now() + 2_000)
        await inbox.wait_for(8)
        answer_first.set()
        await inbox.wait_for(9)
