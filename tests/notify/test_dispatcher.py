"""The dispatcher: which mails are sent when, and what a failure means, without an event loop, a clock or a server."""

from notify.mailboxes import pending

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.dispatcher import Dispatcher, Limits, Moment, Slow, Verdict
from worker.notify.mailbox import Mailbox
from worker.notify.outage import Outages
from worker.notify.schedule import MailRef

SECOND = 1_000
MINUTE = 60 * SECOND
START = Moment(wall=0, steady=0)
LONGEST_WAIT = 30 * MINUTE
LIMITS = Limits(usual=2, most=3)
AWAY = DeliveryError("refused", retry=True, unavailable=True)
BUSY = DeliveryError("http_429", retry=True, unavailable=True, retry_after=5.0, limits_rate=True)
LATER = DeliveryError("later", retry=True)
NEVER = DeliveryError("never", retry=False)


def ref(number: int) -> MailRef:
    return MailRef(0, f"c-{number}".encode(), f"d-{number}")


def put(dispatcher: Dispatcher, *numbers: int, now: Moment = START, due: int = 0) -> None:
    """Let each of these mails be open, as the only one of its customer."""
    rows = {
        ref(number).key: mailbox.encode(Mailbox([pending(delivery_id=f"d-{number}", planned=number, due=due)]))
        for number in numbers
    }
    dispatcher.note_rows(0, dict(rows), now)


def settle(dispatcher: Dispatcher, number: int) -> None:
    """Let a mail be settled, and no longer in flight."""
    dispatcher.note_rows(0, {ref(number).key: None}, START)
    dispatcher.note_end(ref(number))


def with_mails(*numbers: int) -> Dispatcher:
    dispatcher = Dispatcher(LIMITS, LONGEST_WAIT)
    put(dispatcher, *numbers)
    return dispatcher


def in_outage(*numbers: int) -> Dispatcher:
    """Return a dispatcher whose first mail has found the server unreachable at time 0."""
    dispatcher = with_mails(numbers[0])
    assert dispatcher.take_due(0) == [ref(numbers[0])]
    dispatcher.judge(ref(numbers[0]), AWAY, 0)
    dispatcher.note_end(ref(numbers[0]))
    put(dispatcher, *numbers[1:])
    return dispatcher


def test_mails_are_sent_as_far_as_the_limit_allows() -> None:
    dispatcher = with_mails(1, 2, 3)

    assert dispatcher.take_due(0) == [ref(1), ref(2)]
    assert (dispatcher.pending(0), dispatcher.next_at(0), dispatcher.idle_until(0)) == (3, None, None)
    settle(dispatcher, 1)
    assert dispatcher.take_due(0) == [ref(3)]


def test_another_mail_may_be_sent_while_a_result_is_not_written_yet() -> None:
    dispatcher = with_mails(1, 2, 3)
    assert dispatcher.take_due(0) == [ref(1), ref(2)]

    dispatcher.note_attempt_end(ref(1))
    assert dispatcher.take_due(0) == [ref(3)]
    assert (dispatcher.pending(0), dispatcher.idle_until(0)) == (3, None)
    for number in (1, 2, 3):
        dispatcher.note_attempt_end(ref(number))
    assert (dispatcher.take_due(0), dispatcher.pending(0), dispatcher.idle_until(0)) == ([], 3, None)


def test_no_more_mails_than_twice_the_limit_are_without_a_result_in_their_row() -> None:
    dispatcher = with_mails(*range(1, 9))
    for taken in ([1, 2], [3, 4]):
        assert dispatcher.take_due(0) == [ref(number) for number in taken]
        for number in taken:
            dispatcher.note_attempt_end(ref(number))

    assert dispatcher.take_due(0) == []
    settle(dispatcher, 3)
    assert dispatcher.take_due(0) == [ref(5)]


def test_slow_mails_do_not_keep_results_from_being_awaited() -> None:
    dispatcher = with_mails(*range(1, 9))
    assert dispatcher.take_due(0) == [ref(1), ref(2)]
    dispatcher.note_answered(ref(1), 0)
    later = 31 * SECOND

    assert dispatcher.take_due(later) == [ref(3)]
    for number in (2, 3):
        dispatcher.note_attempt_end(ref(number))
    assert dispatcher.take_due(later) == [ref(4), ref(5)]


def test_a_mail_that_is_still_open_has_its_turn_again() -> None:
    dispatcher = with_mails(1)

    for _ in range(2):
        assert dispatcher.take_due(0) == [ref(1)]
        dispatcher.note_end(ref(1))
    settle(dispatcher, 1)
    assert (dispatcher.take_due(0), dispatcher.pending(0)) == ([], 0)


def test_a_deferred_mail_waits_as_long_as_its_row_says_by_the_wall_clock() -> None:
    dispatcher = Dispatcher(LIMITS, LONGEST_WAIT)
    put(dispatcher, 1, now=Moment(wall=7_000_000, steady=50), due=7_000_000 + MINUTE)

    assert dispatcher.take_due(50) == []
    assert dispatcher.next_at(50) == dispatcher.idle_until(50) == 50 + MINUTE
    assert dispatcher.take_due(50 + MINUTE) == [ref(1)]


def test_but_no_longer_than_the_longest_wait_however_the_wall_clock_has_jumped() -> None:
    dispatcher = Dispatcher(LIMITS, LONGEST_WAIT)
    put(dispatcher, 1, now=Moment(wall=0, steady=50), due=9_000_000_000)

    assert dispatcher.next_at(50) == 50 + LONGEST_WAIT


def test_a_mail_that_is_tried_again_has_its_turn_though_new_ones_keep_coming() -> None:
    dispatcher = Dispatcher(Limits(usual=1, most=1), LONGEST_WAIT)
    put(dispatcher, 1, due=10 * SECOND)
    put(dispatcher, *range(2, 20))

    taken = []
    for at in range(5, 15):
        taken += dispatcher.take_due(at * SECOND)
        settle(dispatcher, int(taken[-1].delivery_id.removeprefix("d-")))
        put(dispatcher, 100 + at, now=Moment(wall=at * SECOND, steady=at * SECOND))
    assert [each.delivery_id for each in taken] == [f"d-{n}" for n in (2, 3, 4, 5, 6, 1, 7, 8, 9, 10)]


def test_many_mails_of_one_customer_do_not_delay_one_of_another_that_comes_later() -> None:
    dispatcher = Dispatcher(LIMITS, LONGEST_WAIT)
    many = [pending(delivery_id=f"d-{number}", planned=number, due=0) for number in range(100)]
    dispatcher.note_rows(0, {b"c-0": mailbox.encode(Mailbox(many))}, START)
    put(dispatcher, 200, now=Moment(wall=1, steady=1))

    assert dispatcher.take_due(1) == [MailRef(0, b"c-0", "d-0"), ref(200)]


def test_nothing_is_sent_while_partitions_are_revoked() -> None:
    dispatcher = with_mails(1)
    dispatcher.pause()
    assert (dispatcher.take_due(0), dispatcher.next_at(0)) == ([], None)

    dispatcher.forget_all()
    put(dispatcher, 2)
    dispatcher.resume()
    assert dispatcher.take_due(0) == [ref(2)]


def test_a_server_that_is_away_is_left_alone_and_its_mails_are_not_to_blame() -> None:
    dispatcher = with_mails(1, 2)
    dispatcher.take_due(0)

    assert dispatcher.judge(ref(1), AWAY, 0) == Verdict(None, retry_after=SECOND)
    assert dispatcher.judge(ref(2), AWAY, 0) == Verdict(None), "what was under way is no news"
    for number in (1, 2):
        dispatcher.note_end(ref(number))
    assert (dispatcher.take_due(0), dispatcher.next_at(0)) == ([], SECOND)


def test_in_an_outage_one_mail_at_a_time_is_tried_each_time_another() -> None:
    dispatcher = in_outage(1, 2, 3)

    assert [dispatcher.take_due(SECOND), dispatcher.take_due(SECOND)] == [[ref(1)], []]
    assert dispatcher.judge(ref(1), AWAY, SECOND) == Verdict(None, retry_after=2 * SECOND)
    dispatcher.note_end(ref(1))
    assert dispatcher.take_due(3 * SECOND) == [ref(2)]


def test_an_outage_ends_as_soon_as_the_server_talks_about_a_mail() -> None:
    dispatcher = in_outage(1, 2, 3)
    dispatcher.take_due(SECOND)

    assert dispatcher.note_answered(ref(1), SECOND)
    assert dispatcher.take_due(SECOND) == [ref(2)]
    assert not dispatcher.note_accepted(ref(1), SECOND), "it has ended already"


def test_a_refusal_for_now_ends_an_outage_as_well_but_not_a_silence() -> None:
    unsure = DeliveryError("timeout", retry=True, unsure=True)
    dispatcher = in_outage(1, 2)
    dispatcher.take_due(SECOND)

    assert dispatcher.judge(ref(1), unsure, SECOND) == Verdict(unsure)
    assert dispatcher.judge(ref(1), LATER, SECOND) == Verdict(LATER, outage_ended=True)


def test_an_attempt_after_which_the_mail_may_be_accepted_is_written_even_if_the_server_cannot_be_used() -> None:
    dispatcher = with_mails(1)
    dispatcher.take_due(0)
    both = DeliveryError("refused", retry=True, unavailable=True, unsure=True)

    assert dispatcher.judge(ref(1), both, 0) == Verdict(both, retry_after=SECOND)


def test_a_refusal_in_doubt_does_not_say_for_sure_that_the_mail_is_not_accepted() -> None:
    dispatcher = with_mails(1)
    dispatcher.take_due(0)
    doubted = dispatcher.judge(ref(1), DeliveryError("never", retry=False, unsure=True), 0).error

    assert doubted is not None
    assert (doubted.retry, doubted.unsure) == (True, True)


def test_a_permanent_refusal_counts_once_another_mail_was_accepted() -> None:
    dispatcher = with_mails(1, 2)
    dispatcher.take_due(0)

    doubted = dispatcher.judge(ref(1), NEVER, 0).error
    assert doubted is not None
    assert (doubted.reason, doubted.retry, doubted.alarm) == ("never", True, True)
    put(dispatcher, 1, due=MINUTE)
    dispatcher.note_end(ref(1))
    assert dispatcher.take_due(0) == []

    dispatcher.note_accepted(ref(2), 0)
    assert dispatcher.take_due(0) == [ref(1)], "it is hastened"
    assert dispatcher.judge(ref(1), NEVER, 0) == Verdict(NEVER)


def test_a_server_that_refuses_every_mail_is_out_until_it_accepts_one() -> None:
    dispatcher = with_mails(1, 2, 3, 4)
    verdicts = []
    for number in (1, 2, 3):
        dispatcher.take_due(0)
        verdicts.append(dispatcher.judge(ref(number), NEVER, 0))
        dispatcher.note_end(ref(number))

    assert verdicts[-1] == Verdict(None, retry_after=SECOND, refuses_all=True)
    [probe] = dispatcher.take_due(SECOND)
    assert not dispatcher.note_answered(probe, SECOND), "it talks, but that says nothing here"
    assert dispatcher.note_accepted(probe, SECOND)


def test_mails_that_the_server_is_slow_to_accept_leave_room_for_others_but_not_without_end() -> None:
    dispatcher = with_mails(1, 2, 3, 4)
    for taken in dispatcher.take_due(0):
        dispatcher.note_answered(taken, 0)
    assert (dispatcher.take_due(0), dispatcher.next_at(0)) == ([], 30 * SECOND)

    assert dispatcher.take_due(30 * SECOND) == [ref(3)]
    dispatcher.note_answered(ref(3), 30 * SECOND)
    assert dispatcher.take_due(MINUTE) == []
    dispatcher.note_attempt_end(ref(1))
    settle(dispatcher, 1)
    assert dispatcher.take_due(MINUTE) == [ref(4)]


def test_there_is_one_warning_a_minute_about_slow_mails() -> None:
    dispatcher = with_mails(1, 2)
    for taken in dispatcher.take_due(0):
        dispatcher.note_answered(taken, 0)
    assert dispatcher.slow_to_warn_of(29 * SECOND) is None

    assert dispatcher.slow_to_warn_of(30 * SECOND) == Slow(2, 30 * SECOND)
    assert dispatcher.slow_to_warn_of(40 * SECOND) is None
    assert dispatcher.next_at(40 * SECOND) == 90 * SECOND
    dispatcher.note_attempt_end(ref(1))
    assert dispatcher.slow_to_warn_of(90 * SECOND) == Slow(1, 90 * SECOND)
    dispatcher.note_attempt_end(ref(2))
    assert (dispatcher.slow_to_warn_of(200 * SECOND), dispatcher.next_at(200 * SECOND)) == (None, None)


def test_in_an_outage_a_mail_that_hangs_from_before_it_keeps_no_probe_away() -> None:
    dispatcher = with_mails(1, 2)
    dispatcher.take_due(0)
    dispatcher.note_answered(ref(1), 0)
    dispatcher.judge(ref(2), AWAY, 0)
    dispatcher.note_end(ref(2))

    assert dispatcher.take_due(SECOND) == [ref(2)]


def test_a_row_that_is_erased_takes_its_mails_along() -> None:
    dispatcher = with_mails(1, 2)
    dispatcher.note_rows(0, {ref(1).key: None}, START)

    assert dispatcher.take_due(0) == [ref(2)]


def test_what_a_server_has_accepted_meanwhile_does_not_shorten_the_time_that_it_has_asked_for() -> None:
    dispatcher = Dispatcher(Limits(usual=4, most=6), LONGEST_WAIT)
    put(dispatcher, *range(1, 9))
    assert len(dispatcher.take_due(0)) == 4
    for number in (1, 2):
        dispatcher.judge(ref(number), BUSY, 0)
        dispatcher.note_attempt_end(ref(number))
        dispatcher.note_end(ref(number))
    for number in (3, 4):
        assert not dispatcher.note_answered(ref(number), 200)
        assert not dispatcher.note_accepted(ref(number), 200)
        dispatcher.note_attempt_end(ref(number))
        settle(dispatcher, number)

    assert [dispatcher.take_due(now) for now in (200, 5 * SECOND - 1)] == [[], []]
    assert dispatcher.next_at(200) == 5 * SECOND
    (probe,) = dispatcher.take_due(5 * SECOND)
    assert dispatcher.take_due(6 * SECOND) == []
    assert dispatcher.note_accepted(probe, 6 * SECOND)
    assert len(dispatcher.take_due(6 * SECOND)) == 3


def test_what_one_dispatcher_learns_of_a_server_holds_for_the_others_that_send_to_it() -> None:
    outages = Outages()
    first, second = (Dispatcher(LIMITS, LONGEST_WAIT, outages.of("crm")) for _ in range(2))
    put(first, 1)
    put(second, 2)
    first.take_due(0)
    first.judge(ref(1), BUSY, 0)

    assert second.take_due(SECOND) == []
    assert second.take_due(5 * SECOND) == [ref(2)]
