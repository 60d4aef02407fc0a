"""A courier's rounds: what is taken up when, and what a failure means, without a loop, a clock or a server."""

from notify.mailboxes import pending

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.mailbox import Mailbox
from worker.notify.rounds import Hands, Moment, Rounds, Slow, Verdict
from worker.notify.schedule import Errand

SECOND = 1_000
MINUTE = 60 * SECOND
START = Moment(wall=0, steady=0)
LONGEST_WAIT = 30 * MINUTE
HANDS = Hands(usual=2, most=3)
AWAY = DeliveryError("refused", retry=True, unavailable=True)
LATER = DeliveryError("later", retry=True)
NEVER = DeliveryError("never", retry=False)


def errand(number: int) -> Errand:
    return Errand(0, f"c-{number}".encode(), f"d-{number}")


def put(rounds: Rounds, *numbers: int, now: Moment = START, due: int = 0) -> None:
    """Have each of these mails open, as the only one of its customer."""
    rows = {
        errand(number).key: mailbox.encode(Mailbox([pending(delivery_id=f"d-{number}", planned=number, due=due)]))
        for number in numbers
    }
    rounds.note_rows(0, dict(rows), now)


def settle(rounds: Rounds, number: int) -> None:
    """Have a mail settled, and no longer in hand."""
    rounds.note_rows(0, {errand(number).key: None}, START)
    rounds.note_end(errand(number))


def with_mails(*numbers: int) -> Rounds:
    rounds = Rounds(HANDS, LONGEST_WAIT)
    put(rounds, *numbers)
    return rounds


def in_outage(*numbers: int) -> Rounds:
    """Return rounds in which the first mail has found the server away at time 0."""
    rounds = with_mails(numbers[0])
    assert rounds.set_out(0) == [errand(numbers[0])]
    rounds.judge(errand(numbers[0]), AWAY, 0)
    rounds.note_end(errand(numbers[0]))
    put(rounds, *numbers[1:])
    return rounds


def test_mails_are_taken_up_as_far_as_hands_are_free() -> None:
    rounds = with_mails(1, 2, 3)

    assert rounds.set_out(0) == [errand(1), errand(2)]
    assert (rounds.pending(0), rounds.next_at(0), rounds.resting_until(0)) == (3, None, None)
    settle(rounds, 1)
    assert rounds.set_out(0) == [errand(3)]


def test_a_mail_that_is_still_open_has_its_turn_again() -> None:
    rounds = with_mails(1)

    for _ in range(2):
        assert rounds.set_out(0) == [errand(1)]
        rounds.note_end(errand(1))
    settle(rounds, 1)
    assert (rounds.set_out(0), rounds.pending(0)) == ([], 0)


def test_a_deferred_mail_waits_as_long_as_its_row_says_by_the_wall_clock() -> None:
    rounds = Rounds(HANDS, LONGEST_WAIT)
    put(rounds, 1, now=Moment(wall=7_000_000, steady=50), due=7_000_000 + MINUTE)

    assert rounds.set_out(50) == []
    assert rounds.next_at(50) == rounds.resting_until(50) == 50 + MINUTE
    assert rounds.set_out(50 + MINUTE) == [errand(1)]


def test_but_no_longer_than_the_longest_wait_however_the_wall_clock_has_jumped() -> None:
    rounds = Rounds(HANDS, LONGEST_WAIT)
    put(rounds, 1, now=Moment(wall=0, steady=50), due=9_000_000_000)

    assert rounds.next_at(50) == 50 + LONGEST_WAIT


def test_nothing_is_taken_up_while_partitions_are_given_up() -> None:
    rounds = with_mails(1)
    rounds.give_up()
    assert (rounds.set_out(0), rounds.next_at(0)) == ([], None)

    rounds.forget_all()
    put(rounds, 2)
    rounds.begin_again()
    assert rounds.set_out(0) == [errand(2)]


def test_a_server_that_is_away_is_left_alone_and_its_mails_are_not_to_blame() -> None:
    rounds = with_mails(1, 2)
    rounds.set_out(0)

    assert rounds.judge(errand(1), AWAY, 0) == Verdict(None, pause=SECOND)
    assert rounds.judge(errand(2), AWAY, 0) == Verdict(None), "what was under way is no news"
    for number in (1, 2):
        rounds.note_end(errand(number))
    assert (rounds.set_out(0), rounds.next_at(0)) == ([], SECOND)


def test_in_an_outage_one_mail_at_a_time_is_tried_each_time_another() -> None:
    rounds = in_outage(1, 2, 3)

    assert [rounds.set_out(SECOND), rounds.set_out(SECOND)] == [[errand(1)], []]
    assert rounds.judge(errand(1), AWAY, SECOND) == Verdict(None, pause=2 * SECOND)
    rounds.note_end(errand(1))
    assert rounds.set_out(3 * SECOND) == [errand(2)]


def test_an_outage_ends_as_soon_as_the_server_talks_about_a_mail() -> None:
    rounds = in_outage(1, 2, 3)
    rounds.set_out(SECOND)

    assert rounds.note_begun(errand(1), SECOND)
    assert rounds.set_out(SECOND) == [errand(2)]
    assert not rounds.note_accepted(errand(1), SECOND), "it has ended already"


def test_a_refusal_for_now_ends_an_outage_as_well_but_not_a_silence() -> None:
    unsure = DeliveryError("timeout", retry=True, unsure=True)
    rounds = in_outage(1, 2)
    rounds.set_out(SECOND)

    assert rounds.judge(errand(1), unsure, SECOND) == Verdict(unsure)
    assert rounds.judge(errand(1), LATER, SECOND) == Verdict(LATER, outage_ended=True)


def test_a_refusal_for_good_is_believed_once_another_mail_was_accepted() -> None:
    rounds = with_mails(1, 2)
    rounds.set_out(0)

    doubted = rounds.judge(errand(1), NEVER, 0).error
    assert doubted is not None
    assert (doubted.reason, doubted.retry, doubted.alarm) == ("never", True, True)
    put(rounds, 1, due=MINUTE)
    rounds.note_end(errand(1))
    assert rounds.set_out(0) == []

    rounds.note_accepted(errand(2), 0)
    assert rounds.set_out(0) == [errand(1)], "it is hastened"
    assert rounds.judge(errand(1), NEVER, 0) == Verdict(NEVER)


def test_a_server_that_refuses_every_mail_is_out_until_it_accepts_one() -> None:
    rounds = with_mails(1, 2, 3, 4)
    verdicts = []
    for number in (1, 2, 3):
        rounds.set_out(0)
        verdicts.append(rounds.judge(errand(number), NEVER, 0))
        rounds.note_end(errand(number))

    assert verdicts[-1] == Verdict(None, pause=SECOND, refuses_all=True)
    [probe] = rounds.set_out(SECOND)
    assert not rounds.note_begun(probe, SECOND), "it talks, but that says nothing here"
    assert rounds.note_accepted(probe, SECOND)


def test_mails_that_the_server_is_slow_to_accept_leave_hands_free_but_not_without_end() -> None:
    rounds = with_mails(1, 2, 3, 4)
    for taken in rounds.set_out(0):
        rounds.note_begun(taken, 0)
    assert (rounds.set_out(0), rounds.next_at(0)) == ([], 30 * SECOND)

    assert rounds.set_out(30 * SECOND) == [errand(3)]
    rounds.note_begun(errand(3), 30 * SECOND)
    assert rounds.set_out(MINUTE) == []
    rounds.note_answered(errand(1))
    settle(rounds, 1)
    assert rounds.set_out(MINUTE) == [errand(4)]


def test_slow_mails_are_told_of_once_a_minute() -> None:
    rounds = with_mails(1, 2)
    for taken in rounds.set_out(0):
        rounds.note_begun(taken, 0)
    assert rounds.slow_to_tell(29 * SECOND) is None

    assert rounds.slow_to_tell(30 * SECOND) == Slow(2, 30 * SECOND)
    assert rounds.slow_to_tell(40 * SECOND) is None
    assert rounds.next_at(40 * SECOND) == 90 * SECOND
    rounds.note_answered(errand(1))
    assert rounds.slow_to_tell(90 * SECOND) == Slow(1, 90 * SECOND)
    rounds.note_answered(errand(2))
    assert (rounds.slow_to_tell(200 * SECOND), rounds.next_at(200 * SECOND)) == (None, None)


def test_in_an_outage_a_mail_that_hangs_from_before_it_keeps_no_probe_away() -> None:
    rounds = with_mails(1, 2)
    rounds.set_out(0)
    rounds.note_begun(errand(1), 0)
    rounds.judge(errand(2), AWAY, 0)
    rounds.note_end(errand(2))

    assert rounds.set_out(SECOND) == [errand(2)]


def test_a_row_that_is_erased_takes_its_mails_along() -> None:
    rounds = with_mails(1, 2)
    rounds.note_rows(0, {errand(1).key: None}, START)

    assert rounds.set_out(0) == [errand(2)]
