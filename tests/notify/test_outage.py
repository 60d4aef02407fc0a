"""An outage: who may be tried when, and what is news."""

from worker.notify.outage import Outage, Refusal, Refusals

SECOND = 1_000


def test_without_an_outage_all_hands_are_free() -> None:
    outage = Outage()

    assert outage.until is None
    assert outage.limit(4, now=0) == 4


def test_in_an_outage_one_mail_is_tried_when_the_wait_is_over() -> None:
    outage = Outage()
    outage.begins(now=0)

    assert SECOND == outage.until
    assert [0, 1] == [outage.limit(4, now) for now in (SECOND - 1, SECOND)]


def test_the_waits_double_up_to_half_a_minute() -> None:
    outage, now, waits = Outage(), 0, []
    for _ in range(7):
        outage.begins(now)
        assert outage.until is not None
        waits.append((outage.until - now) // SECOND)
        now = outage.until

    assert [1, 2, 4, 8, 16, 30, 30] == waits


def test_what_was_under_way_when_it_began_is_no_news() -> None:
    outage = Outage()

    assert [True, False, False] == [outage.begins(now) for now in (0, 1, SECOND - 1)]
    assert SECOND == outage.until


def test_it_ends_once_and_the_next_one_begins_anew() -> None:
    outage = Outage()
    assert not outage.ends(0, accepted=True)
    outage.begins(0)
    outage.begins(SECOND)

    assert [True, False] == [outage.ends(SECOND, accepted=False) for _ in range(2)]
    assert outage.limit(4, now=SECOND) == 4
    outage.begins(2 * SECOND)
    assert 3 * SECOND == outage.until


def test_a_wait_that_the_server_has_asked_for_is_not_ended_by_what_had_begun_before() -> None:
    outage = Outage()
    outage.begins(0, asked=True, at_least=5 * SECOND)
    outage.begins(SECOND, asked=True, at_least=5 * SECOND)

    assert [False, False] == [outage.ends(now, accepted=True) for now in (SECOND, 6 * SECOND - 1)]
    assert [0, 1] == [outage.limit(4, now) for now in (6 * SECOND - 1, 6 * SECOND)]
    assert outage.ends(6 * SECOND, accepted=True)


def test_a_server_that_asks_for_time_without_saying_how_much_gets_the_usual_wait() -> None:
    outage = Outage()
    outage.begins(0, asked=True)

    assert [False, True] == [outage.ends(now, accepted=True) for now in (SECOND - 1, SECOND)]


def test_a_server_that_refuses_every_mail_is_back_only_when_it_accepts_one() -> None:
    outage = Outage()
    outage.begins(0, refusing=True)

    assert [False, True] == [outage.ends(1, accepted=accepted) for accepted in (False, True)]


def test_a_refusal_for_good_is_in_doubt_until_another_mail_was_accepted() -> None:
    refusals = Refusals()

    assert refusals.refused("a", "smtp_550") is Refusal.IN_DOUBT
    assert refusals.refused("a", "smtp_550") is Refusal.IN_DOUBT
    assert refusals.accepted("b") == ["a"]
    assert refusals.accepted("c") == []
    assert refusals.refused("a", "smtp_550") is Refusal.FINAL
    assert refusals.refused("a", "smtp_550") is Refusal.IN_DOUBT


def test_the_same_refusal_of_three_mails_with_no_success_between_is_everybodys() -> None:
    refusals = Refusals()

    found = [refusals.refused(mail, "smtp_554") for mail in ("a", "b", "b", "c", "d")]
    assert [Refusal.IN_DOUBT] * 3 + [Refusal.OUTAGE] * 2 == found
    assert refusals.accepted("d") == ["a", "b", "c"]
    assert refusals.refused("e", "smtp_554") is Refusal.IN_DOUBT


def test_different_refusals_are_not_everybodys() -> None:
    refusals = Refusals()

    assert {Refusal.IN_DOUBT} == {refusals.refused(f"{n}", f"smtp_{550 + n}") for n in range(5)}


def test_a_mail_that_is_accepted_after_all_is_in_doubt_no_more() -> None:
    refusals = Refusals()
    refusals.refused("a", "smtp_550")

    assert refusals.accepted("a") == []
    assert refusals.refused("a", "smtp_550") is Refusal.IN_DOUBT
