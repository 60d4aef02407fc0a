"""Which mail goes out next, and how much has to be kept to know that."""

import pytest
from notify.mailboxes import pending

from worker.notify.mailbox import Mail
from worker.notify.schedule import MailRef, Schedule, Standing

KEY = b"c-1"


def due(mail: Mail) -> int:
    return mail.due


def at_once(mail: Mail) -> int:
    del mail
    return 0


def a_mail(number: int, **changes: int | str) -> Mail:
    return pending(**{"delivery_id": f"d-{number}", "planned": number, "due": 0, **changes})


def ref(number: int, key: bytes = KEY) -> MailRef:
    return MailRef(0, key, f"d-{number}")


def test_of_those_that_are_due_the_one_planned_first_goes_first() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(2), a_mail(1), a_mail(0, due=500)], due)

    assert [ref(1), ref(2), None] == [schedule.take(100) for _ in range(3)]
    assert schedule.next_at() == 500
    assert schedule.count(100) == 2
    assert schedule.take(500) == ref(0)


def test_a_mail_in_hand_is_not_taken_again_until_it_is_put_back() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1)], due)
    assert schedule.take(0) == ref(1)
    schedule.put(0, KEY, [a_mail(1, due=700)], due)

    assert schedule.next_at() is None
    schedule.put_back(ref(1))
    assert (schedule.take(0), schedule.take(700)) == (None, ref(1))


def test_what_is_not_open_any_more_is_passed_over() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1), a_mail(2)], due)
    schedule.put(0, KEY, [a_mail(2)], due)
    assert schedule.take(0) == ref(2)
    schedule.put(0, KEY, [], due)
    schedule.put_back(ref(2))

    assert schedule.take(0) is None
    assert not schedule


@pytest.mark.unmeasured
def test_a_row_that_is_written_for_each_of_its_mails_is_no_entry_for_each_of_the_others() -> None:
    schedule, mails, most = Schedule(), [a_mail(number) for number in range(2_000)], 0
    schedule.put(0, KEY, mails, at_once)
    while mails:
        taken = schedule.take(0)
        assert taken == ref(mails[0].planned)
        schedule.put(0, KEY, mails := mails[1:], at_once)
        schedule.put_back(taken)
        most = max(most, schedule.entries)

    assert most <= 2_000
    assert schedule.take(0) is None


def test_mails_that_are_deferred_again_and_again_leave_nothing_behind() -> None:
    schedule = Schedule()
    for time in range(50):
        schedule.put(0, KEY, [a_mail(number, due=time) for number in range(200)], due)

    assert schedule.entries <= 2_000
    assert len([taken for _ in range(300) if (taken := schedule.take(50)) is not None]) == 200


def test_the_time_of_a_mail_is_asked_for_once() -> None:
    schedule, asked = Schedule(), list[str]()

    def at(mail: Mail) -> int:
        asked.append(mail.delivery_id)
        return 100

    for _ in range(3):
        schedule.put(0, KEY, [a_mail(1)], at)

    assert asked == ["d-1"]


def test_in_an_outage_each_probe_is_another_mail() -> None:
    schedule, probed = Schedule(), []
    schedule.put(0, KEY, [a_mail(number) for number in range(3)], due)
    schedule.put(0, b"c-2", [a_mail(3, due=900)], due)
    for _ in range(4):
        taken = schedule.probe(0)
        assert taken is not None
        probed.append(taken)
        schedule.put_back(taken)

    assert [ref(0), ref(1), ref(2), ref(0)] == probed
    assert schedule.entries == 4


def test_and_of_another_route_if_there_is_one() -> None:
    schedule, probed = Schedule(), []
    schedule.put(0, KEY, [*(a_mail(number) for number in range(30)), a_mail(30, route="other")], due)
    for _ in range(3):
        taken = schedule.probe(0)
        assert taken is not None
        probed.append(taken)
        schedule.put_back(taken)

    assert [ref(0), ref(30), ref(1)] == probed


def test_a_probe_takes_no_mail_that_is_in_hand() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1)], due)

    assert (schedule.probe(0), schedule.probe(0)) == (ref(1), None)


def test_a_mail_can_be_hastened() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1, due=900)], due)
    schedule.hasten(ref(1), 5)
    schedule.put(0, KEY, [a_mail(1, due=900)], due)

    assert schedule.take(5) == ref(1)
    schedule.hasten(ref(2), 5)
    assert schedule.next_at() is None


def test_a_customers_flood_does_not_hold_the_others_up() -> None:
    schedule = Schedule()
    schedule.put(0, b"flood", [a_mail(number) for number in range(2_000)], due)
    before = [schedule.take(0) for _ in range(100)]
    schedule.put(0, b"other", [a_mail(5_000), a_mail(5_001)], due)
    after = [schedule.take(0) for _ in range(5)]

    assert before == [ref(number, b"flood") for number in range(100)]
    assert {ref(5_000, b"other"), ref(5_001, b"other")} < set(after)


def test_mails_of_a_customer_keep_their_order_and_none_waits_for_ever_behind_new_customers() -> None:
    schedule = Schedule()
    schedule.put(0, b"flood", [a_mail(number) for number in range(10)], due)
    taken: list[MailRef | None] = []
    for number in range(30):
        schedule.put(0, f"other-{number}".encode(), [a_mail(1_000 + number)], due)
        if number == 5:
            schedule.put(0, b"flood", [a_mail(number) for number in range(12)], due)
        taken += [schedule.take(0), schedule.take(0)]

    assert [found for found in taken if found and found.key == b"flood"] == [ref(n, b"flood") for n in range(12)]


def test_a_mail_that_is_forgotten_is_not_taken_and_the_others_of_its_row_stay() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1), a_mail(2)], due)
    schedule.forget(ref(1))
    schedule.forget(ref(3))

    assert not schedule.is_open(ref(1))
    assert schedule.is_open(ref(2))
    assert [ref(2), None] == [schedule.take(0) for _ in range(2)]
    schedule.forget(ref(2))
    assert not schedule


def test_mails_that_are_given_up_are_forgotten_but_those_in_hand_are_still_counted() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1), a_mail(2)], due)
    schedule.take(0)
    schedule.clear()

    assert not schedule
    assert (schedule.take(0), schedule.entries, schedule.count(0)) == (None, 0, 1)
    schedule.put_back(ref(1))
    assert (schedule.take(0), schedule.count(0)) == (None, 0)


def test_a_mail_that_waits_can_be_hastened_and_one_that_may_go_already_stays_as_it_is() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1, due=900), a_mail(2)], due)
    for number in (1, 2, 3):
        schedule.hasten(ref(number), 100)

    assert schedule.next_at() == 0
    assert [ref(1), ref(2), None] == [schedule.take(100) for _ in range(3)]


def test_a_mail_in_hand_that_is_hastened_goes_out_again_at_that_time() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1)], due)
    schedule.take(0)
    schedule.put(0, KEY, [a_mail(1, due=900)], due)
    schedule.hasten(ref(1), 100)

    assert schedule.take(100) is None
    schedule.put_back(ref(1))
    assert schedule.take(100) == ref(1)


def test_a_mail_in_hand_that_is_postponed_is_taken_at_that_time() -> None:
    schedule = Schedule()
    schedule.put(0, KEY, [a_mail(1), a_mail(2)], at_once)
    assert schedule.take(0) == ref(1)
    schedule.postpone(ref(1), 900)
    schedule.postpone(ref(2), 800)
    schedule.postpone(ref(3), 0)
    schedule.put_back(ref(1))

    assert (schedule.take(799), schedule.take(800), schedule.take(899), schedule.take(900)) == (
        None,
        ref(2),
        None,
        ref(1),
    )


def test_a_mail_is_unsent_from_its_planning_on_or_from_the_end_of_what_has_held_it_back() -> None:
    schedule = Schedule()
    nothing = schedule.standing(100)
    mails = [
        a_mail(10),
        a_mail(20, due=500),
        a_mail(1, due=90, quiet=True),
        a_mail(2, due=101, quiet=True),
        a_mail(3, due=900, silence="s-1"),
    ]
    schedule.put(0, KEY, mails, at_once)
    schedule.put(1, KEY, [a_mail(30)], at_once)

    assert nothing == Standing(0, 0, None)
    assert schedule.standing(100) == Standing(unsent=4, held=2, oldest=10)
    assert schedule.standing(1_000) == Standing(unsent=6, held=0, oldest=10)
    schedule.put(0, KEY, [a_mail(2, due=101, quiet=True)], at_once)
    schedule.put(1, KEY, [], at_once)
    assert schedule.standing(1_000) == Standing(unsent=1, held=0, oldest=101)
    schedule.put(0, KEY, [a_mail(2, due=1_500)], at_once)
    assert schedule.standing(1_000) == Standing(1, 0, 101), "it is tried again, and its quiet hours still do not count"
    schedule.clear()
    assert schedule.standing(1_000) == nothing
