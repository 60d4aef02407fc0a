"""The recount of silences finds each thing that may go wrong with them, in logs that are written by hand."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from chaos.notified import Receivers, Step, Target, id_for
from chaos.received_mails import SaidSilence
from chaos.silenced import Came, Published, Recounted, Silence, recount, wrong_states
from msgspec import msgpack

DESK, CRM = Target("email", "desk"), Target("webhook", "e0")
RECEIVERS = Receivers(
    of_alert=lambda _: [DESK, CRM],
    addresses={"desk": "desk@example.com"},
    on={"desk": [DESK], "crm": [CRM]},
)
DIGESTS = {DESK: "11111111-1111-5111-8111-111111111111", CRM: "22222222-2222-5222-8222-222222222222"}
STRIKE = Silence(
    "strike",
    "fr",
    90_000,
    known_at=1_000,
    settled_at=2_000,
    over_at=3_000,
    end_known_at=4_000,
    version=2,
    is_ended=True,
)
#: Before the silence, during it, and after its end; and when something comes.
EARLIER, DURING, AFTERWARDS = 500, 1_500, 4_500
QUIET, SOON = 2_500, 3_500


def opened(number: int, at: int = DURING, segment: str = "fr/a") -> Published:
    body = {"kind": "detractor", "action": "opened", "reason": "detractor", "customer_id": f"c-{number}"}
    return Published(Step(f"e-{number}", {**body, "alert_id": f"a-{number}", "segment": segment}), at)


def line(step: Published, target: Target, status: str, reason: str, **more: str) -> dict[str, Any]:
    found = {"delivery_id": id_for(step.step, target), "status": status, "reason": reason}
    return {**found, "digest_id": None, "silence_id": None, **more}


def held(step: Published, target: Target = DESK, silence_id: str = "strike") -> dict[str, Any]:
    return line(step, target, "deferred", "silenced", silence_id=silence_id)


def alone(step: Published, at: int, target: Target = DESK) -> Came:
    return Came(target, id_for(step.step, target), at, step.step.body["alert_id"])


def digest(
    at: int,
    *alert_ids: str,
    target: Target = DESK,
    silence: SaidSilence | None = None,
    said: Mapping[str, str] | None = None,
) -> Came:
    silence = silence or SaidSilence("strike", "ann", STRIKE.reason)
    marked = dict.fromkeys(alert_ids, "strike") if said is None else said
    return Came(target, DIGESTS[target], at, DIGESTS[target], alert_ids, (silence,), marked)


FIRST = opened(1)
LOG = [
    held(FIRST),
    held(FIRST, CRM),
    *(line(FIRST, target, "sent", "in_digest", digest_id=DIGESTS[target]) for target in (DESK, CRM)),
]
CAME = [digest(SOON, "a-1"), digest(SOON, "a-1", target=CRM)]


def found(
    published: Iterable[Published] = (FIRST,),
    log: Iterable[Mapping[str, Any]] = LOG,
    came: Iterable[Came] = CAME,
    erased: Iterable[str] = (),
) -> Recounted:
    return recount(published, log, [*came], [STRIKE], RECEIVERS, [*erased])


def test_what_is_held_back_and_comes_after_the_end_is_all_right() -> None:
    recounted = found()

    assert (recounted.wrong, recounted.in_flight.total(), recounted.again, recounted.held) == ([], 0, set(), 2)


@pytest.mark.parametrize(
    "came",
    [
        [alone(FIRST, QUIET), CAME[1]],
        [digest(QUIET, "a-1"), CAME[1]],
        [CAME[0], alone(FIRST, QUIET, CRM)],
        [CAME[0], digest(QUIET, "a-1", target=CRM)],
    ],
)
def test_what_comes_while_the_silence_is_known_is_found(came: list[Came]) -> None:
    assert [one for one in found(came=came).wrong if one.startswith("I10 opened of a-1 for ")]


def test_what_was_published_before_may_be_on_its_way_and_is_counted() -> None:
    early = opened(1, EARLIER)
    recounted = found([early], LOG[2:], [alone(early, QUIET), alone(early, QUIET, CRM)])

    assert recounted.wrong == []
    assert recounted.in_flight == {"email": 1, "webhook": 1}
    assert recounted.again == set()


def test_what_was_on_its_way_and_was_held_back_all_the_same_comes_again() -> None:
    early = opened(1, EARLIER)

    assert found([early], came=[alone(early, QUIET), *CAME]).again == {("desk", "a-1")}
    # The line of the delivery log was written, and the row was not.
    assert found([early], came=[alone(early, QUIET, CRM), *CAME]).again == {("e0", "a-1")}
    logged = found([early], [line(early, DESK, "sent", "accepted"), *LOG], [alone(early, QUIET), *CAME])
    assert (logged.wrong, logged.again) == ([], {("desk", "a-1")})
    assert found([early], came=[*CAME, alone(early, SOON)]).again == set()


def test_an_alert_of_another_segment_or_one_that_was_moved_there_is_not_held_back() -> None:
    moved = Published(Step("u-1", {**FIRST.step.body, "action": "updated", "segment": "uk/a"}), DURING)

    assert found([opened(1, segment="uk/a")], [], [alone(FIRST, QUIET)]).wrong == []
    assert found([FIRST, moved], [], [alone(FIRST, QUIET)]).wrong == []
    assert found([opened(1, segment="fr2")], [], []).wrong == []


def test_an_end_is_not_held_back_and_neither_is_what_people_do() -> None:
    end = Published(Step("w-1", {**FIRST.step.body, "action": "withdrawn"}), DURING)
    done = Published(Step("d-1", {**FIRST.step.body, "kind": "case", "action": "resolved"}), DURING)
    asked = Published(Step("r-1", {**FIRST.step.body, "kind": "case", "action": "escalated"}), DURING)

    for step in (end, done):
        assert found([FIRST, step], came=[*CAME, alone(step, QUIET)]).wrong == []
    assert found([FIRST, asked], came=[*CAME, alone(asked, QUIET)]).wrong == [
        "I10 escalated of a-1 for desk came while strike held it back"
    ]


def test_what_was_not_held_back_is_found_unless_it_came_late_or_was_refused() -> None:
    refused = [line(FIRST, target, "cancelled", "withdrawn") for target in (DESK, CRM)]

    assert found(log=LOG[1:]).wrong == ["I10 strike has not held back a-1 for desk on email"]
    assert found([opened(1, 2_500)], LOG[2:]).wrong == []
    assert found(log=refused, came=[]).wrong == []
    assert found(log=[], came=[], erased=["c-1"]).wrong == []


def test_a_silence_that_is_over_holds_nothing_back() -> None:
    late = opened(2, AFTERWARDS)

    assert found([FIRST, late], [*LOG, held(late)]).wrong == [
        "I10 strike was over and has held back a-2 for desk on email"
    ]


def test_a_digest_says_which_silence_held_a_notice_back_and_who_wanted_it() -> None:
    of_bob = SaidSilence("strike", "bob", "So.")
    for place, target in enumerate((DESK, CRM)):
        for wrong, what in (
            (
                digest(SOON, "a-1", target=target, said={}),
                "is listed, and its digest does not say which silence held it back",
            ),
            (digest(SOON, "a-1", target=target, silence=of_bob), "its digest does not say who wanted strike, and why"),
        ):
            came = [wrong if at == place else one for at, one in enumerate(CAME)]
            (said,) = found(came=came).wrong
            assert (target.receiver in said, said.endswith(what)) == (True, True)


def test_what_was_held_back_does_not_come_as_a_mail_of_its_own() -> None:
    log = [*LOG[:2], line(FIRST, DESK, "sent", "accepted"), LOG[3]]

    assert found(log=log, came=[alone(FIRST, SOON), CAME[1]]).wrong == [
        "I10 a-1 for desk was held back, and came by itself"
    ]
    # A worker ended before the row said so, and the silence was over when the next one tried again.
    late = opened(1, 2_500)
    log = [held(late), line(late, DESK, "sent", "accepted"), line(late, CRM, "sent", "accepted")]
    assert found([late], log, [alone(late, SOON), alone(late, SOON, CRM)]).wrong == []
    log[1] = line(late, DESK, "sent", "in_digest", digest_id=DIGESTS[DESK])
    assert found([late], log, [digest(SOON, "a-1", said={}), alone(late, SOON, CRM)]).wrong == []


ROW = [2, [], 0, "", "ann", 0, "ann", 0, 3_000]


def state(version: int, action: str, **more: Any) -> tuple[str, bytes]:
    return "strike", json.dumps({"version": version, "state": action, **more}).encode()


def answer(command_id: str, version: int, outcome: str = "applied") -> dict[str, Any]:
    return {"command_id": command_id, "outcome": outcome, "version": version}


STATES = [state(1, "added"), state(2, "ended"), state(2, "ended")]
ANSWERS = [answer("k-1", 1), answer("k-2", 2), answer("k-1", 1)]


def states_found(
    states: Iterable[tuple[str, bytes]] = STATES,
    answers: Iterable[dict[str, Any]] = ANSWERS,
    row: list[Any] = ROW,
) -> list[str]:
    return wrong_states(states, answers, {b"strike": msgpack.encode(row)}, [STRIKE], ["k-1", "k-2"])


def test_states_that_come_again_are_all_right_and_the_newest_version_is_that_of_the_last_command() -> None:
    assert states_found() == []
    assert states_found(STATES[:1]) == ["I10 strike: its newest state is (1, 'added'), expected (2, 'ended')"]
    assert states_found([*STATES, state(3, "added")]) == [
        "I10 strike: its newest state is (3, 'added'), expected (2, 'ended')"
    ]
    assert states_found([*STATES, state(2, "ended", until=1)]) == ["I10 strike: copies of one version differ"]
    assert states_found(row=[1, *ROW[1:]]) == ["I10 strike: its row differs from its state"]
    assert states_found(row=[*ROW[:-1], 0]) == ["I10 strike: its row differs from its state"]


def test_each_command_gets_one_answer() -> None:
    assert states_found(answers=ANSWERS[:1]) == ["I10 commands about silences that were answered: 1, expected 2"]
    for wrong in (answer("k-1", 2), answer("k-1", 1, "unchanged")):
        assert states_found(answers=[*ANSWERS, wrong]) == [
            "I10 a command about a silence was not applied, or got answers that differ"
        ]
