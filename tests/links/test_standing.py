"""What a link stands for after anything that can happen to its case."""

import msgspec
import pytest
from flow.cases.following import FORGOTTEN, Following, command, opened, record, resolution, step
from flow.records import DAY, HOUR, NOW
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert_command import CommandAction
from schemas.dead_letter import Reason
from worker.flow.cases.case import STEPS, Cases, decode_cases, encode_cases
from worker.flow.messages import case_log
from worker.links.commanding import Form, command_of
from worker.links.signing import ACTIONS, Link
from worker.links.standing import OF_REFUSAL, Standing, standing

ACKNOWLEDGE, RESOLVE = (Link(action, "a-1", NOW, "Lyon") for action in ACTIONS)
LATER = NOW + HOUR


def of(following: Following, link: Link, now: int = LATER) -> Standing:
    return standing(link, following.case(), now)


def test_a_link_of_an_open_case_can_be_used() -> None:
    following = opened()

    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.OFFERED}


def test_whoever_looks_after_a_case_can_still_resolve_it_and_so_can_others() -> None:
    following = opened()
    following.say(command(), LATER)

    assert of(following, ACKNOWLEDGE) is Standing.ACKNOWLEDGED
    assert of(following, RESOLVE) is Standing.OFFERED


def test_a_case_that_has_ended_offers_nothing_whatever_came_before() -> None:
    following = opened()
    following.say(resolution(), LATER)
    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.RESOLVED}

    following = opened()
    following.say(command(), LATER)
    following.take(record(step(1, action="withdrawn", at=LATER), LATER))
    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.WITHDRAWN}


def test_a_link_of_the_time_before_a_reopening_offers_nothing_and_one_of_the_reopening_does() -> None:
    following = opened()
    following.say(resolution(), LATER)
    following.take(record(step(1, action="updated", at=LATER + 1), LATER + 1))

    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.REOPENED}
    newer = [link._replace(at=LATER + 1) for link in (ACKNOWLEDGE, RESOLVE)]
    assert {of(following, link) for link in newer} == {Standing.OFFERED}


def test_a_reopening_by_a_person_ends_all_earlier_links() -> None:
    following = opened()
    following.say(resolution(), LATER)
    following.say(command(command_id="k-3", action="reopen"), LATER + 1)

    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.REOPENED}


def test_an_update_leaves_earlier_links_as_they_are() -> None:
    following = opened()
    following.take(record(step(1, action="updated", at=LATER), LATER))

    assert {of(following, link) for link in (ACKNOWLEDGE, RESOLVE)} == {Standing.OFFERED}


def test_a_link_of_a_reminder_is_good_until_the_case_is_reopened_again() -> None:
    """The case is reopened by a person, so no step of the alert has the time of its opening."""
    following = opened()
    following.say(resolution(), LATER)
    following.say(command(command_id="k-3", action="reopen"), LATER + 1)
    by_opening = {opening: of(following, ACKNOWLEDGE._replace(at=LATER + 2, opening=opening)) for opening in (1, 2, 3)}
    following.say(command(command_id="k-4"), LATER + 3)

    assert by_opening == {1: Standing.REOPENED, 2: Standing.OFFERED, 3: Standing.AHEAD}
    second = [link._replace(at=LATER + 2, opening=2) for link in (ACKNOWLEDGE, RESOLVE)]
    assert [of(following, link) for link in second] == [Standing.ACKNOWLEDGED, Standing.OFFERED]


@pytest.mark.parametrize("action", ["opened", "updated"])
def test_a_link_of_a_step_that_has_not_reached_the_case_waits_for_it(action: str) -> None:
    following, link = opened(), ACKNOWLEDGE._replace(at=LATER)
    following.say(resolution(), NOW + 1)
    before = of(following, link)
    following.take(record(step(1, action=action, at=LATER), LATER))

    assert (before, of(following, link)) == (Standing.AHEAD, Standing.OFFERED)


def test_a_link_of_a_reopening_is_good_even_if_the_worker_lagged_behind() -> None:
    """The person resolved the case after the customer's correction had arrived, and before it was decided."""
    following, link = opened(), ACKNOWLEDGE._replace(at=NOW + 1)
    following.say(resolution(), LATER)
    following.take(record(step(1, action="updated", at=NOW + 1), LATER + 1))

    assert (of(following, ACKNOWLEDGE), of(following, link)) == (Standing.REOPENED, Standing.OFFERED)


def test_a_link_of_a_step_that_was_decided_after_a_persons_reopening_is_good() -> None:
    following, link = opened(), ACKNOWLEDGE._replace(at=NOW + 1)
    following.say(resolution(), LATER)
    following.say(command(command_id="k-3", action="reopen"), LATER + 1)
    before = of(following, link)
    following.take(record(step(1, action="updated", at=NOW + 1), LATER + 2))

    assert (before, of(following, link), of(following, ACKNOWLEDGE)) == (
        *(Standing.AHEAD, Standing.OFFERED),
        Standing.REOPENED,
    )


def test_links_of_steps_of_the_same_moment_are_good() -> None:
    """All records of a produce batch have the same Kafka time."""
    following = opened()
    following.take(record(step(1, action="withdrawn", at=NOW), NOW))
    following.take(record(step(2, action="updated", at=NOW), NOW))

    assert of(following, ACKNOWLEDGE) is Standing.OFFERED


def test_a_row_of_an_older_version_is_read_and_its_links_go_by_the_time_of_the_opening() -> None:
    following = opened()
    following.say(resolution(), LATER)
    following.take(record(step(1, action="updated", at=LATER + 1), LATER + 1))
    case = following.case()
    assert case is not None
    row = msgspec.msgpack.decode(encode_cases(Cases([case])))
    assert [row[0][0].pop() for _ in range(3)] == ["", {}, []]  # the language, reminders and receivers are newer still
    assert row[0][0].pop() == LATER + 1
    [older] = decode_cases(msgspec.msgpack.encode(row)).cases

    assert older.links_from is None
    assert standing(ACKNOWLEDGE, older, LATER) is Standing.REOPENED
    assert standing(ACKNOWLEDGE._replace(at=LATER + 1), older, LATER) is Standing.OFFERED


def test_a_case_that_is_erased_or_forgotten_is_not_known_and_one_that_is_new_not_yet() -> None:
    following = opened()
    following.take(record(case_log.Erasure(1, 0)))

    assert of(following, ACKNOWLEDGE, NOW + HOUR - 1) is Standing.AHEAD
    assert of(following, ACKNOWLEDGE, NOW + HOUR) is Standing.UNKNOWN
    assert standing(ACKNOWLEDGE, None, FORGOTTEN) is Standing.UNKNOWN


def test_every_refusal_by_the_state_of_a_case_has_a_page_of_its_own() -> None:
    by_state = {step for steps in STEPS.values() for action in ACTIONS if isinstance(step := steps[action], Reason)}

    assert by_state | {Reason.CASE_REOPENED, Reason.ALERT_UNKNOWN} == OF_REFUSAL.keys()


EVENTS = ("acknowledge", "resolve", "reopen", "update", "withdraw", "open")


@given(
    happening=st.lists(st.sampled_from(EVENTS), max_size=8),
    sent=st.integers(0, 8),
    action=st.sampled_from(ACTIONS),
    lags=st.booleans(),
)
def test_what_is_offered_is_carried_out_and_what_is_not_would_be_refused(
    happening: list[str], sent: int, action: CommandAction, *, lags: bool
) -> None:
    """The link is of the last step of the alert among the first events.

    If the worker lags behind, responses are decided long after their time, between commands that are newer.
    """
    following, link, linked, reopened = opened(), Link(action, "a-1", NOW, "Lyon"), 0, 0
    for number, event in enumerate(happening, start=1):
        before = following.case()
        assert before is not None
        at = NOW + number * 1_000
        if event in {"update", "withdraw", "open"}:
            word = {"update": "updated", "withdraw": "withdrawn", "open": "opened"}[event]
            step_at = NOW + number if lags else at
            following.take(record(step(number, action=word, at=step_at), at))
            if number <= sent and event != "withdraw":
                link, linked = link._replace(at=step_at), number
        else:
            body = resolution() if event == "resolve" else command(action=event)
            following.say(body | {"command_id": f"k-{number}"}, at)
        after = following.case()
        assert after is not None
        reopened = number if after.opening > before.opening else reopened
    now = NOW + DAY
    case = following.case()
    assert case is not None
    stands, opening = standing(link, case, now), case.opening
    form = Form(outcome="solved", cause="price") if action is CommandAction.RESOLVE else Form()
    body = command_of(link, form, "c-1", case, now)
    answer = following.say(body, now)

    if stands is Standing.OFFERED:
        assert answer["outcome"] == "applied"
        again = following.say(body, now + 1)
        assert (again["outcome"], again["step"]) == ("applied", answer["step"]), "twice is the same as once"
        assert standing(link, following.case(), now) is not Standing.OFFERED
    elif stands is not Standing.REOPENED:
        assert OF_REFUSAL[answer["reason"]] is stands
    else:
        assert linked < reopened
        assert opening > 1
    if stands in {Standing.OFFERED, Standing.REOPENED}:
        assert (stands is Standing.REOPENED) == (linked < reopened)
