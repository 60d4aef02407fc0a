"""A response that moves to another customer: anonymous first, then identified."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from flow.carrying import Partition, header_of
from flow.records import NOW, Record, of, value
from flow.responses.test_road import World, counted, is_claim, read
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import Outcome
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.record import PROOF_HEADER
from worker.flow.responses.customer import MOVED, Answer
from worker.flow.responses.moved import Holders


def published(*changes: dict[str, Any]) -> World:
    """Publish copies and revisions of the response `a`, each once the one before has had all its effects."""
    world = World([])
    for change in changes:
        given = value(**({"response_id": "a"} | change))
        key = str(change.get("customer_id", "c-1")).encode()
        world.append(Record(given, key), world.owner(key))
        world.finish()
    return world


def outcomes(outputs: list[Output]) -> list[tuple[str, str]]:
    return [(decision["customer_id"], decision["outcome"]) for decision in of(events.DECISIONS, outputs)]


def steps(outputs: list[Output]) -> list[tuple[str, str, str]]:
    return [(alert["customer_id"], alert["action"], alert["reason"]) for alert in of(events.ALERTS, outputs)]


ANONYMOUS = {"customer_id": "anon-1", "score": 2}


@pytest.mark.parametrize("customer", [f"c-{n}" for n in range(6)])
def test_an_anonymous_answer_that_is_identified_later_counts_once_and_its_alert_is_withdrawn(customer: str) -> None:
    world = published(ANONYMOUS, {"customer_id": customer, "score": 9, "revision": 1})

    assert outcomes(world.sent) == [("anon-1", "accepted"), (customer, "accepted"), ("anon-1", "moved")]
    assert steps(world.sent) == [("anon-1", "opened", "detractor"), ("anon-1", "withdrawn", "moved")]
    assert counted(world.sent) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_who_is_still_unhappy_has_an_alert_of_their_own() -> None:
    world = published(ANONYMOUS, {"customer_id": "c-7", "score": 3, "revision": 1})

    assert ("c-7", "opened", "detractor") in steps(world.sent)
    assert len({alert["alert_id"] for alert in of(events.ALERTS, world.sent)}) == 2
    assert sum(counted(world.sent)) == 1


def test_what_comes_again_under_the_first_customer_is_known() -> None:
    named = {"customer_id": "c-7", "score": 9, "revision": 1}
    world = published(ANONYMOUS, named, ANONYMOUS, named)

    assert outcomes(world.sent)[-2:] == [("anon-1", "superseded"), ("c-7", "duplicate")]
    assert sum(counted(world.sent)) == 1


def test_it_may_move_on_and_back() -> None:
    world = published(*({"customer_id": f"c-{n % 3}", "score": n, "revision": n} for n in range(7)))

    assert counted(world.sent) == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert {(a["customer_id"], a["score"]): a["action"] for a in of(events.ALERTS, world.sent)} == {
        **{(f"c-{n % 3}", n): "withdrawn" for n in range(6)},
        ("c-0", 6): "opened",
    }


@pytest.mark.parametrize(
    "other",
    [
        {"revision": 0},
        {"revision": 1, "survey_id": "another tool's"},
        {"revision": 1, "response_id": "b"},
    ],
    ids=str,
)
def test_what_does_not_move(other: dict[str, Any]) -> None:
    world = published(ANONYMOUS, {"customer_id": "c-7", "score": 9} | other)

    assert Outcome.MOVED not in {outcome for _, outcome in outcomes(world.sent)}
    assert sum(counted(world.sent)) == 2


def test_a_revision_of_an_answer_that_its_customer_has_claims_nothing() -> None:
    world = published({"score": 2}, {"score": 3, "revision": 1})

    assert not any(map(is_claim, world.sent))


def test_many_claims_of_a_batch_are_one_record_for_each_partition() -> None:
    world = World([])
    for n in range(50):
        world.append(Record(value(response_id=f"r-{n}", revision=1, segment=[f"{n}"]), b"c-1"), world.owner(b"c-1"))
    world.finish()

    assert sum(map(is_claim, world.sent)) == 3


def test_a_claim_that_is_forged_or_copied_elsewhere_is_a_dead_letter() -> None:
    partition = Partition()
    partition.carry([Record(value(**(ANONYMOUS | {"response_id": "a"})), b"anon-1")])
    (claim,) = filter(is_claim, Partition().carry([Record(value(response_id="a", revision=1))]))
    proof = header_of(claim, PROOF_HEADER) or b""
    log = []
    for n, forged in enumerate([bytes(len(proof)), None]):
        headers = [(name, forged if name == PROOF_HEADER else text) for name, text in claim.headers]
        log.append(Record(claim.value, None, n + 1, 0, NOW, headers))
    outputs = partition.carry(log)

    assert len(of(events.DEAD_LETTERS, outputs)) == 2
    genuine = Record(claim.value, None, 3, 0, NOW, claim.headers)
    assert outcomes(partition.carry([genuine])) == [("anon-1", "moved")]
    assert outcomes(partition.carry([genuine._replace(offset=4)])) == []


# Whatever partition is read first: the customer of the highest revision has the response in the end.


def held_by(world: World) -> list[tuple[str, Answer]]:
    """Return who has the response `a` according to the rows."""
    return [
        (key.decode(), answer)
        for partition in world.partitions
        for key, contact in read(partition.rows).items()
        for answer in contact.answers
        if answer.response_id == "a" and answer.exclusion != MOVED
    ]


def check_is_held_once(world: World, customer: str, revision: int) -> None:
    """Assert that the customer has the response, that it counts once, and that no other alert about it is open."""
    actions = defaultdict[str, list[str]](list)
    for alert in of(events.ALERTS, world.sent):
        actions[alert["customer_id"]].append(alert["action"])
    opened = {alerted for alerted, steps_of in actions.items() if steps_of[-1] != "withdrawn"}

    assert [(holder, answer.revision) for holder, answer in held_by(world)] == [(customer, revision)]
    assert sum(counted(world.sent)) == 1
    assert opened == {customer}


def publish(world: World, customer: str, revision: int, place: int | None = None, **changes: Any) -> None:
    """Publish a revision of `a`: under its key, or without a key on some partition."""
    given = value(response_id="a", customer_id=customer, revision=revision, score=2, **changes)
    key = customer.encode() if place is None else None
    world.append(Record(given, key), world.owner(customer.encode()) if place is None else place)


#: Two customers whose histories lie in different partitions.
A, B = "c-1", "c-0"


def test_a_response_that_moves_away_and_back_before_the_claim_arrives_counts_once() -> None:
    assert World.owner(A.encode()) != World.owner(B.encode())
    world = World([])
    for revision, customer in enumerate((A, B, A)):
        publish(world, customer, revision)
    for partition in (World.owner(A.encode()), World.owner(B.encode())):
        world.step(partition, 2)
    world.finish()

    assert outcomes(world.sent) == [(A, "accepted"), (A, "revised"), (B, "accepted"), (B, "moved")]
    check_is_held_once(world, A, 2)


def test_a_first_revision_that_its_successor_overtook_is_given_up() -> None:
    """It has no key, and lies on a partition that is behind."""
    world = World([])
    here, there = World.owner(A.encode()), World.owner(B.encode())
    (behind,) = {0, 1, 2} - {here, there}
    publish(world, A, 0, behind)
    publish(world, B, 1)
    for partition in (there, here, behind):
        world.step(partition, 2)
    world.finish()

    assert outcomes(world.sent) == [(B, "accepted"), (A, "accepted"), (A, "moved")]
    check_is_held_once(world, B, 1)


@pytest.mark.parametrize("first", [A, B])
def test_of_the_same_revision_the_greater_id_has_it_in_any_order(first: str) -> None:
    world = World([])
    for customer in (first, A if first == B else B):
        publish(world, customer, 1)
        world.finish()

    check_is_held_once(world, max(A, B), 1)


def test_two_first_revisions_are_two_responses_also_after_one_was_claimed() -> None:
    world = published({"customer_id": A, "revision": 1}, {"customer_id": B, "survey_id": "spring"})

    assert Outcome.MOVED not in {outcome for _, outcome in outcomes(world.sent)}
    assert sum(counted(world.sent)) == 2


CUSTOMERS = [f"c-{n}" for n in range(5)]
#: A customer, whether the record has its key, and the partition that it lies on otherwise.
Published = st.tuples(st.sampled_from(CUSTOMERS), st.booleans(), st.integers(0, 2))
Moves = st.lists(Published, min_size=1, max_size=14).flatmap(lambda found: st.permutations(list(enumerate(found))))


def carried(moves: Sequence[tuple[int, tuple[str, bool, int]]], seed: int, first: int, *, crashes: bool) -> World:
    """Publish the moves in their order while the partitions are read, one batch of one partition at a time."""
    world, chance = World([]), Random(seed)
    for revision, (customer, has_key, place) in moves:
        publish(world, customer, first + revision, None if has_key else place)
        while chance.random() < 0.5:
            partition = chance.randrange(3)
            crash = chance.randrange(1_000) if crashes and chance.random() < 0.3 else None
            world.step(partition, chance.randint(1, 5), crash)
            if crash is not None:
                crashed = world.partitions[partition]
                crashed.holders = Holders(crashed.rows)
    while any(len(log) > p.mark + 1 for log, p in zip(world.logs, world.partitions, strict=True)):
        world.step(chance.randrange(3), chance.randint(1, 5))
    return world


@pytest.mark.unmeasured
@given(Moves, st.integers(0))
def test_whatever_the_order_the_customer_of_the_highest_revision_has_the_response(
    moves: list[tuple[int, tuple[str, bool, int]]], seed: int
) -> None:
    world = carried(moves, seed, 0, crashes=False)
    revision, (customer, *_) = max(moves)

    check_is_held_once(world, customer, revision)


@pytest.mark.unmeasured
@given(Moves, st.integers(0))
def test_so_it_is_under_crashes(moves: list[tuple[int, tuple[str, bool, int]]], seed: int) -> None:
    """What is remembered for first revisions that come late is lost in a crash, so there are none here."""
    world = carried(moves, seed, 1, crashes=True)
    revision, (customer, *_) = max(moves)

    check_is_held_once(world, customer, revision + 1)


@pytest.mark.unmeasured
@given(st.lists(st.tuples(st.sampled_from(CUSTOMERS), st.integers(1, 3)), min_size=1, max_size=10), st.integers(0))
def test_equal_revisions_come_to_the_same_end_in_any_order(moves: list[tuple[str, int]], seed: int) -> None:
    world = carried([(revision, (customer, True, 0)) for customer, revision in moves], seed, 0, crashes=False)
    customer, revision = max(moves, key=lambda move: (move[1], move[0]))

    check_is_held_once(world, customer, revision)


def test_claims_that_answer_each_other_come_to_an_end() -> None:
    """Sixty revisions in a moment, among five customers."""
    world = carried([(n, (CUSTOMERS[n % 5], True, 0)) for n in range(60)], 7, 0, crashes=False)

    check_is_held_once(world, CUSTOMERS[4], 59)
    assert sum(map(is_claim, world.sent)) < 60 * 5 * 3
