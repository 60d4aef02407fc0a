"""The road of a response, from the record to everything it causes. Read `travel`; each stage is a file beside this one.

Nothing here waits, reads a clock or knows Faust: a batch is decided in memory, and the same batch on the same rows
gives the same outputs, ids included. That is what lets a crash anywhere be answered by a replay.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from schemas import cloudevents
from schemas.alert import Alert
from schemas.decision import Decision, Outcome, RuleDecision
from schemas.invitation import Invitation
from schemas.response import Response
from worker.errors import Rejected
from worker.flow import outbox
from worker.flow.contact import Contact, Contacts
from worker.flow.dead_letter import dead_letter
from worker.flow.facts import Facts, Ruling
from worker.flow.ids import make_id, number
from worker.flow.intake import erased_key, validate
from worker.flow.moment import from_ms, to_ms
from worker.flow.outbox import Output
from worker.flow.policy import Policy
from worker.flow.record import ORIGIN_HEADER, Place, Record, origin_header, sent_on
from worker.flow.rules import RULES
from worker.flow.tally import SEPARATOR, Tallies
from worker.nps.histogram import classify
from worker.nps.latest import Given


class Batch(NamedTuple):
    """Records of one partition of the responses topic, in order.

    `topic`: its full name; `home`: cluster and topic in one word; `sent_on`: per partition that records were sent on
    from, the highest offset that has arrived here: they come in order, so what is not above it came twice.
    """

    records: Iterable[Record]
    partition: int
    topic: str
    home: str
    sent_on: Mapping[int, int]


class Decided(NamedTuple):
    """What a batch causes: outputs first, then the rows that stand for them (None erases a row).

    `sent_on`: as in Batch, after it.
    """

    outputs: list[Output]
    rows: dict[bytes, bytes | None]
    sent_on: Mapping[int, int]


#: Returns a customer's row.
Read = Callable[[bytes], bytes | None]
#: Returns the partition that a key belongs to.
Owner = Callable[[bytes], int]


class Desk:
    """What lies on the desk while one batch is decided."""

    def __init__(self, batch: Batch, policy: Policy, read: Read, owner: Owner) -> None:
        self.batch = batch
        self.policy = policy
        self.owner = owner
        self.contacts = Contacts(read)
        self.tallies = Tallies()
        self.outputs: list[Output] = []
        self.sent_on = dict(batch.sent_on)


def decide(batch: Batch, policy: Policy, read: Read, owner: Owner) -> Decided:
    """Decide a batch."""
    desk = Desk(batch, policy, read, owner)
    for record in batch.records:
        travel(record, desk)
    return Decided(desk.outputs + desk.tallies.outputs(batch.partition), desk.contacts.rows(), desk.sent_on)


def travel(record: Record, desk: Desk) -> None:
    """Take one record down the road."""
    before = sent_on(record, desk.batch.home) if record.headers else None
    place = before or Place(record.partition, record.offset)
    try:
        response = None if record.value is None else validate(record, desk.policy.intake)
        key = erased_key(record) if response is None else response.customer_id.encode()
    except Rejected as rejected:
        desk.outputs.append(dead_letter(record, place, rejected, desk.batch.topic, desk.policy.intake))
        return
    if _lives_elsewhere(record, key, desk):
        desk.outputs.append(_sent_on(record, key, desk))
        return
    if before is not None:
        if before.offset <= desk.sent_on.get(before.partition, -1):
            return  # sent on twice, because a crash repeated the sending
        desk.sent_on[before.partition] = before.offset
    contact = desk.contacts.get(key) or Contact()
    if record.offset <= contact.mark:
        return  # a replay: its outputs were acknowledged before this row was written
    if response is None:
        _erase(record, key, place, desk)
        return
    contact.mark = record.offset
    desk.contacts.put(key, contact)
    _answer(record, response, place, contact, desk)


def _lives_elsewhere(record: Record, key: bytes, desk: Desk) -> bool:
    """Say whether the customer's history is in another partition than this record.

    Hashing a key is dear, and a customer with a row here is at home, so it is done for unknown customers only.
    """
    if record.key != key:
        return True
    return desk.contacts.get(key) is None and desk.owner(key) != desk.batch.partition


def _sent_on(record: Record, key: bytes, desk: Desk) -> Output:
    """Send the record on to its customer's partition, with its own time and the place it came from.

    It goes into the same topic: were it a topic of its own, a crash could let the two be read in another order than
    before, and a batch be decided twice, on different rows.
    """
    headers = [header for header in record.headers if header[0] != ORIGIN_HEADER]
    headers.append(origin_header(record, desk.batch.home))
    return Output(outbox.RESPONSES, key, record.value, headers, record.timestamp)


def _erase(record: Record, key: bytes, place: Place, desk: Desk) -> None:
    """Forget the customer, and tell those who hold personal data to do the same; anonymous counts stay."""
    desk.contacts.erase(key)
    desk.outputs += [Output(outbox.ALERTS, key, None), Output(outbox.INVITATIONS, key, None)]
    fields = _about(record, place)
    erased = Decision.model_construct(**fields, outcome=Outcome.ERASED, customer_id=key.decode())
    _send_decision(erased, key, desk)


def _answer(record: Record, response: Response, place: Place, contact: Contact, desk: Desk) -> None:
    before = contact.answer(response.response_id)
    if before is not None and response.revision <= before.revision:
        same = response.revision == before.revision
        _record_answer(record, response, place, desk, Outcome.DUPLICATE if same else Outcome.SUPERSEDED)
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
        _send(ruling, facts, desk)
    _enter_tally(record, facts, desk)
    contact.remember(response, facts.segment, facts.now, desk.policy.history)
    outcome = Outcome.TEST if response.test else Outcome.ACCEPTED if before is None else Outcome.REVISED
    _record_answer(record, response, place, desk, outcome, rulings)


def _send(ruling: Ruling, facts: Facts, desk: Desk) -> None:
    key, time = facts.response.customer_id.encode(), from_ms(facts.now).isoformat()
    if isinstance(ruling.event, Alert):
        desk.outputs.append(outbox.event(outbox.ALERTS, key, ruling.event, cloudevents.ALERT, ruling.event_id, time))
    elif isinstance(ruling.event, Invitation):
        facts.contact.invited_at = facts.now
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
    record: Record, response: Response, place: Place, desk: Desk, outcome: Outcome, rulings: Iterable[Ruling] = ()
) -> None:
    decision = Decision.model_construct(
        **_about(record, place),
        outcome=outcome,
        customer_id=response.customer_id,
        response_id=response.response_id,
        revision=response.revision,
        score=response.score,
        category=classify(response.score),
        segment=SEPARATOR.join(response.segment),
        rules=[RuleDecision.model_construct(rule=r.rule, verdict=r.verdict, reason=r.reason) for r in rulings],
    )
    _send_decision(decision, response.customer_id.encode(), desk)


def _about(record: Record, place: Place) -> dict[str, Any]:
    """Return the fields that say which record was decided about, and when."""
    return {
        "decision_id": make_id("decision", *place),
        "decided_at": from_ms(record.timestamp),
        "source_partition": place.partition,
        "source_offset": place.offset,
    }


def _send_decision(decision: Decision, key: bytes, desk: Desk) -> None:
    time = decision.decided_at.isoformat()
    desk.outputs.append(outbox.event(outbox.DECISIONS, key, decision, cloudevents.DECISION, decision.decision_id, time))
