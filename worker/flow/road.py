"""The road of a response, from the record to everything it causes. Read `travel`; each stage is a file beside this one.

Nothing here waits, reads a clock or knows Faust: a batch is decided in memory, and the same batch on the same rows
gives the same outputs, ids included. That is what lets a crash anywhere be answered by a replay.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from schemas import cloudevents
from schemas.alert import Alert
from schemas.dead_letter import Reason
from schemas.decision import Decision, Outcome, RuleDecision
from schemas.invitation import Invitation
from schemas.response import Response
from worker.errors import Rejected
from worker.flow import outbox, tally
from worker.flow.contact import Contact, Contacts
from worker.flow.dead_letter import dead_letter
from worker.flow.facts import Facts, Ruling
from worker.flow.ids import make_id, number
from worker.flow.intake import validate
from worker.flow.moment import from_ms, to_ms
from worker.flow.outbox import Output
from worker.flow.policy import Policy
from worker.flow.record import ORIGIN_HEADER, REROUTED, Record, origin
from worker.flow.rules import RULES
from worker.flow.tally import SEPARATOR, Tallies
from worker.nps.histogram import classify
from worker.nps.latest import Given


class Batch(NamedTuple):
    """Records of one partition, in order, and how they came. `topic`: the responses topic's full name."""

    records: Iterable[Record]
    way: int
    partition: int
    topic: str


class Decided(NamedTuple):
    """What a batch causes: outputs first, then the rows that stand for them (None erases a row)."""

    outputs: list[Output]
    rows: dict[bytes, bytes | None]


class Desk:
    """What lies on the desk while one batch is decided."""

    def __init__(
        self, batch: Batch, policy: Policy, read: Callable[[bytes], bytes | None], owner: Callable[[bytes], int]
    ) -> None:
        self.batch = batch
        self.policy = policy
        self.owner = owner
        self.contacts = Contacts(read)
        self.tallies = Tallies()
        self.outputs: list[Output] = []


def decide(
    batch: Batch, policy: Policy, read: Callable[[bytes], bytes | None], owner: Callable[[bytes], int]
) -> Decided:
    """Decide a batch. `read` returns a customer's row; `owner` the partition that a customer's key belongs to."""
    desk = Desk(batch, policy, read, owner)
    for record in batch.records:
        travel(record, desk)
    tallies = desk.tallies.outputs(tally.source(batch.partition, batch.way))
    return Decided(desk.outputs + tallies, desk.contacts.rows())


def travel(record: Record, desk: Desk) -> None:
    """Take one record down the road."""
    try:
        response = _read(record, desk)
    except Rejected as rejected:
        desk.outputs.append(dead_letter(record, desk.batch.way, rejected, desk.batch.topic, desk.policy.intake))
        return
    key = record.key or b"" if response is None else response.customer_id.encode()
    if _lives_elsewhere(record, key, desk):
        desk.outputs.append(_rerouted(record, key))
        return
    contact = desk.contacts.get(key) or Contact()
    if record.offset <= contact.marks.get(desk.batch.way, -1):
        return  # a replay: its outputs were acknowledged before this row was written
    if response is None:
        _erase(record, key, desk)
        return
    contact.marks[desk.batch.way] = record.offset
    desk.contacts.put(key, contact)
    _answer(record, key, response, contact, desk)


def _read(record: Record, desk: Desk) -> Response | None:
    """Return the response; None when the record asks to erase its customer."""
    if record.value is not None:
        return validate(record, desk.policy.intake)
    if not record.key:
        raise Rejected(Reason.NO_KEY, "a null value needs the key of the customer to erase")
    return None


def _lives_elsewhere(record: Record, key: bytes, desk: Desk) -> bool:
    """Say whether the customer's history is in another partition than this record.

    Hashing a key is dear, and a customer with a row here is at home, so it is done for unknown customers only.
    """
    if desk.batch.way == REROUTED:
        return False
    if record.key != key:
        return True
    return desk.contacts.get(key) is None and desk.owner(key) != desk.batch.partition


def _rerouted(record: Record, key: bytes) -> Output:
    """Send the record on under the right key, with its own time and the place it came from."""
    place = f"{record.partition}:{record.offset}".encode()
    headers = [*record.headers, (ORIGIN_HEADER, place)]
    return Output(outbox.REROUTED, key, record.value, headers, record.timestamp)


def _erase(record: Record, key: bytes, desk: Desk) -> None:
    """Forget the customer, and tell those who hold personal data to do the same; anonymous counts stay."""
    desk.contacts.erase(key)
    desk.outputs += [Output(outbox.ALERTS, key, None), Output(outbox.INVITATIONS, key, None)]
    customer_id = key.decode(errors="replace")
    erased = Decision.model_construct(**_place(record, desk), outcome=Outcome.ERASED, customer_id=customer_id)
    _send_decision(erased, key, desk)


def _answer(record: Record, key: bytes, response: Response, contact: Contact, desk: Desk) -> None:
    before = contact.answer(response.response_id)
    place = origin(record, desk.batch.way)
    if before is not None:
        if desk.batch.way == REROUTED and place[0] == before.origin[0] and place[1] <= before.origin[1]:
            return  # rerouted twice because a crash repeated the rerouting
        if response.revision <= before.revision:
            same = response.revision == before.revision
            _record_answer(record, key, response, desk, Outcome.DUPLICATE if same else Outcome.SUPERSEDED)
            return
    facts = Facts(
        response=response,
        segment=SEPARATOR.join(response.segment),
        category=classify(response.score),
        before=before,
        contact=contact,
        now=record.timestamp,
        policy=desk.policy,
    )
    rulings = [rule(facts) for rule in RULES]
    for ruling in rulings:
        _send(ruling, key, contact, facts.now, desk)
    _enter_tally(record, facts, desk)
    contact.remember(response, facts.segment, place, facts.now, desk.policy.history)
    outcome = Outcome.TEST if response.test else Outcome.ACCEPTED if before is None else Outcome.REVISED
    _record_answer(record, key, response, desk, outcome, rulings)


def _send(ruling: Ruling, key: bytes, contact: Contact, now: int, desk: Desk) -> None:
    time = from_ms(now).isoformat()
    if isinstance(ruling.event, Alert):
        desk.outputs.append(outbox.event(outbox.ALERTS, key, ruling.event, cloudevents.ALERT, ruling.event_id, time))
    elif isinstance(ruling.event, Invitation):
        contact.invited_at = now
        desk.outputs.append(
            outbox.event(outbox.INVITATIONS, key, ruling.event, cloudevents.INVITATION, ruling.event_id, time)
        )


def _enter_tally(record: Record, facts: Facts, desk: Desk) -> None:
    """One event is one entry per segment, with what it takes out and what it puts in."""
    response, before = facts.response, facts.before
    answer_id = number(response.response_id)
    taken = put = None
    if before is not None and before.counted:
        taken = before.segment, Given(before.at, answer_id, before.score)
    if not response.test:
        put = facts.segment, Given(to_ms(response.responded_at), answer_id, response.score)
    if taken or put:
        desk.tallies.enter(record.offset, taken, put)


def _record_answer(
    record: Record, key: bytes, response: Response, desk: Desk, outcome: Outcome, rulings: Iterable[Ruling] = ()
) -> None:
    decision = Decision.model_construct(
        **_place(record, desk),
        outcome=outcome,
        customer_id=response.customer_id,
        response_id=response.response_id,
        revision=response.revision,
        score=response.score,
        category=classify(response.score),
        segment=SEPARATOR.join(response.segment),
        rules=[RuleDecision.model_construct(rule=r.rule, verdict=r.verdict, reason=r.reason) for r in rulings],
    )
    _send_decision(decision, key, desk)


def _place(record: Record, desk: Desk) -> dict[str, Any]:
    """Return the fields that say which record was decided about, and when."""
    partition, offset = origin(record, desk.batch.way)
    return {
        "decision_id": make_id("decision", partition, offset),
        "decided_at": from_ms(record.timestamp),
        "source_partition": partition,
        "source_offset": offset,
    }


def _send_decision(decision: Decision, key: bytes, desk: Desk) -> None:
    time = decision.decided_at.isoformat()
    desk.outputs.append(outbox.event(outbox.DECISIONS, key, decision, cloudevents.DECISION, decision.decision_id, time))
