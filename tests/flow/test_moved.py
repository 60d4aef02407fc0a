"""A response that moves to another customer: anonymous first, then identified."""

from typing import Any

import pytest
from flow.carrying import Partition, header_of
from flow.records import NOW, Record, of, value
from flow.test_road import World, counted, is_claim

from schemas.decision import Outcome
from worker.flow import outbox
from worker.flow.outbox import Output
from worker.flow.record import PROOF_HEADER


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
    return [(decision["customer_id"], decision["outcome"]) for decision in of(outbox.DECISIONS, outputs)]


def steps(outputs: list[Output]) -> list[tuple[str, str, str]]:
    return [(alert["customer_id"], alert["action"], alert["reason"]) for alert in of(outbox.ALERTS, outputs)]


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
    assert len({alert["alert_id"] for alert in of(outbox.ALERTS, world.sent)}) == 2
    assert sum(counted(world.sent)) == 1


def test_what_comes_again_under_the_first_customer_is_known() -> None:
    named = {"customer_id": "c-7", "score": 9, "revision": 1}
    world = published(ANONYMOUS, named, ANONYMOUS, named)

    assert outcomes(world.sent)[-2:] == [("anon-1", "superseded"), ("c-7", "duplicate")]
    assert sum(counted(world.sent)) == 1


def test_it_may_move_on_and_back() -> None:
    world = published(*({"customer_id": f"c-{n % 3}", "score": n, "revision": n} for n in range(7)))

    assert counted(world.sent) == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert {(a["customer_id"], a["score"]): a["action"] for a in of(outbox.ALERTS, world.sent)} == {
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

    assert len(of(outbox.DEAD_LETTERS, outputs)) == 2
    genuine = Record(claim.value, None, 3, 0, NOW, claim.headers)
    assert outcomes(partition.carry([genuine])) == [("anon-1", "moved")]
    assert outcomes(partition.carry([genuine._replace(offset=4)])) == []
