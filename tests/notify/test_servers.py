"""The servers of a channel: an outage of one holds back none of the others, and no mail is sent twice on its way."""

from notify.mailboxes import pending
from notify.test_dispatcher import AWAY, LATER, LIMITS, LONGEST_WAIT, SECOND, START

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.dispatcher import Moment
from worker.notify.mailbox import Mailbox
from worker.notify.schedule import MailRef, Standing
from worker.notify.servers import Servers

KEY = b"c-1"
BUSY = DeliveryError("http_429", retry=True, unavailable=True, retry_after=7.0)


def ref(name: str, number: int = 0) -> MailRef:
    return MailRef(0, KEY, f"{name}-{number}")


def put(servers: Servers, *names: str, numbers: int = 1, now: Moment = START) -> None:
    """Let a customer have these open mails: some for each of these routes."""
    mails = [
        pending(delivery_id=f"{name}-{number}", route=name, planned=number, due=0)
        for number in range(numbers)
        for name in names
    ]
    servers.note_rows(0, {KEY: mailbox.encode(Mailbox(mails))}, now)


def each_its_own(*names: str, numbers: int = 1) -> Servers:
    """Return the servers of a channel in which each route has a server, which is called after it."""
    servers = Servers(LIMITS, LONGEST_WAIT, lambda route: route)
    put(servers, *names, numbers=numbers)
    return servers


def test_each_server_has_connections_of_its_own() -> None:
    servers = each_its_own("a", "b", numbers=3)

    assert set(servers.take_due(0)) == {ref("a"), ref("a", 1), ref("b"), ref("b", 1)}
    assert servers.pending(0) == 6
    assert servers.idle_until(0) is None


def test_a_server_that_is_away_holds_back_its_own_mails_only() -> None:
    servers = each_its_own("a", "b")
    assert set(servers.take_due(0)) == {ref("a"), ref("b")}
    assert servers.judge(ref("a"), AWAY, 0).retry_after == SECOND
    servers.note_end(ref("a"))
    assert not servers.note_accepted(ref("b"), 0), "it had no outage that could end"
    servers.note_end(ref("b"))

    put(servers, "a", "b", numbers=2)
    assert set(servers.take_due(0)) == {ref("b"), ref("b", 1)}
    assert servers.next_at(0) == SECOND
    assert servers.take_due(SECOND) == [ref("a")]
    assert servers.note_answered(ref("a"), SECOND), "the outage has ended"


def test_a_server_is_left_alone_for_as_long_as_it_asks_for() -> None:
    servers = each_its_own("a", "b", numbers=2)
    servers.take_due(0)
    servers.judge(ref("a"), BUSY, 0)
    for one in (ref("a"), ref("a", 1), ref("b"), ref("b", 1)):
        servers.note_attempt_end(one)
        servers.note_end(one)

    put(servers, "a", numbers=2)
    assert servers.take_due(7 * SECOND - 1) == []
    assert len(servers.take_due(7 * SECOND)) == 1


def test_a_later_answer_can_ask_for_more_time_but_not_for_less() -> None:
    servers = each_its_own("a", numbers=2)
    servers.take_due(0)
    servers.judge(ref("a"), BUSY, 0)
    longer = DeliveryError("http_429", retry=True, unavailable=True, retry_after=60.0)
    assert servers.judge(ref("a", 1), longer, SECOND).retry_after is None
    assert servers.of("a").outage.until == 61 * SECOND
    servers.judge(ref("a", 1), BUSY, 2 * SECOND)
    assert servers.of("a").outage.until == 61 * SECOND


def test_a_mail_whose_route_was_removed_is_never_in_flight_twice() -> None:
    present = {"b"}
    servers = Servers(LIMITS, LONGEST_WAIT, lambda route: route if route in present else "")
    put(servers, "gone")
    [taken] = servers.take_due(0)
    assert servers.name_of(taken) == ""

    # Its result, with the route that it goes to now, is written before its attempt is over.
    mail = pending(delivery_id="gone-0", route="b", due=0)
    servers.note_rows(0, {KEY: mailbox.encode(Mailbox([mail]))}, START)
    assert servers.take_due(0) == []
    assert servers.next_at(0) is None, "it is not asked for again and again"
    assert servers.judge(taken, LATER, 0).error is LATER
    servers.note_end(taken)

    assert servers.take_due(0) == [taken]
    assert servers.name_of(taken) == "b"


def test_after_a_rebalance_nothing_is_left_and_new_servers_wait_too() -> None:
    servers = each_its_own("a")
    servers.pause()
    servers.forget_all()
    assert not servers.is_open(ref("a"))

    put(servers, "a", "b")
    assert servers.take_due(0) == []
    assert servers.next_at(0) is None
    servers.resume()
    assert set(servers.take_due(0)) == {ref("a"), ref("b")}


def test_rows_that_are_erased_take_their_mails_along_from_every_server() -> None:
    servers = each_its_own("a", "b")
    assert servers.is_open(ref("a"))
    servers.note_rows(0, {KEY: None}, START)

    assert not servers.is_open(ref("a"))
    assert servers.take_due(0) == []
    assert servers.idle_until(0) is None


def test_a_mail_that_is_gone_is_forgotten_by_its_server() -> None:
    servers = each_its_own("a")
    [taken] = servers.take_due(0)
    servers.forget(taken)
    servers.note_end(taken)

    assert not servers.is_open(taken)
    assert servers.take_due(0) == []


def test_a_warning_about_slow_mails_names_their_server() -> None:
    servers = each_its_own("a", "b")
    servers.take_due(0)
    servers.note_answered(ref("b"), 0)

    [(name, slow)] = servers.slow_to_warn_of(40 * SECOND)
    assert (name, slow.mails) == ("b", 1)


def test_what_is_unsent_is_counted_over_all_servers_and_outages_have_their_names() -> None:
    servers = each_its_own("a", "b")
    assert (servers.standing(START.wall), servers.in_outage()) == (Standing(2, 0, 0), [])
    servers.take_due(0)
    servers.judge(ref("b"), AWAY, 0)
    assert (servers.standing(START.wall), servers.in_outage()) == (Standing(2, 0, 0), ["b"])
    servers.forget_all()
    assert servers.standing(START.wall) == Standing(0, 0, None)
