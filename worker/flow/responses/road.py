"""The road of a response, from the record to everything it causes. Read `travel`; each stage is a file beside this one.

Nothing here waits, reads a clock or knows Faust: a batch is decided in memory, and the same batch on the same rows
gives the same outputs, ids included. That is what lets a crash anywhere be answered by a replay.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from schemas.alert import AlertAction
from schemas.dead_letter import Reason
from schemas.decision import Decision, Outcome, RuleDecision
from schemas.emitted import emitted
from schemas.response import Response
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Place, Read, Record
from worker.flow.dead_letter import dead_letter
from worker.flow.events import Kind
from worker.flow.ids import id_hash, make_id, make_salt
from worker.flow.lineage import segment_path
from worker.flow.messages.tally import CountedUnder, Tallies
from worker.flow.policy import Policy
from worker.flow.record import ORIGIN_HEADER, PROOF_HEADER, log_offset, origin_headers, origin_of, size_of
from worker.flow.responses import moved
from worker.flow.responses.amendment import OUTCOMES, Amendment, of_burst, of_move
from worker.flow.responses.bursts import Burst, burst_of
from worker.flow.responses.content import COMMENT, content_of
from worker.flow.responses.customer import CUSTOMER_AND_RESPONSE, MOVED, Answer, Contact, customers, short_revision
from worker.flow.responses.expiry import Sweep, unexpired
from worker.flow.responses.facts import Facts, Ruling
from worker.flow.responses.intake import erased_key, validate
from worker.flow.responses.moved import Claim, Claims, Holders, claims_in
from worker.flow.responses.people import differences
from worker.flow.responses.rules import RULES
from worker.flow.timestamps import from_ms, rfc3339
from worker.nps.histogram import classify
from worker.nps.latest import CountedAnswer

_Decision, _RuleDecision = emitted(Decision), emitted(RuleDecision)
#: The verdict that ends an alert.
_WITHDRAWN = f"alert_{AlertAction.WITHDRAWN}"

#: Kafka takes 1 MiB by default, with what frames a record. What came may have been let in because it was compressed.
_LARGEST_REROUTED = 1_040_000


class Batch(NamedTuple):
    """Records of one partition of the responses topic, with what is needed to decide them."""

    #: The records, in the order of their offsets.
    records: Iterable[Record]
    partition: int
    #: The topic's full name.
    topic: str
    #: The cluster's id and the topic's name, as one text.
    home: str
    #: For each partition that records were rerouted from: the highest offset there whose record has arrived here. They
    #: arrive in order, so a record at or below that offset has come twice.
    rerouted: Mapping[int, int]
    #: What only the workers of these topics know: by it they prove that they have rerouted a record, and they make
    #: customers' salts of it. Without a secret nothing can be proven.
    secret: bytes = b""
    #: How many partitions the topic has.
    partitions: int = 1
    #: Which customers of this partition have which responses; None if nothing is known of that.
    holders: Holders | None = None
    #: Finds customers who have been silent for long; without it, only customers who answer again are looked at.
    sweep: Sweep | None = None
    #: The latest Kafka time of all records before these, in ms.
    latest_time: int = 0


#: Returns the partition that a key belongs to.
Owner = Callable[[bytes], int]


class BatchState:
    """Everything that is known and kept while one batch is decided."""

    def __init__(self, batch: Batch, policy: Policy, read: Read, owner: Owner) -> None:
        self.batch = batch
        self.policy = policy
        self.owner = owner
        self.contacts = customers(read)
        self.tallies = Tallies()
        self.outputs: list[Output] = []
        self.claims: dict[str, list[Claim]] = {}
        self.holders = batch.holders or Holders({})
        self.rerouted = dict(batch.rerouted)
        self.latest_time = batch.latest_time

    def pass_time(self, record: Record) -> None:
        """Take note of the time of a record that is decided. Time never goes back, whatever records say."""
        self.latest_time = max(self.latest_time, record.timestamp)


def decide(batch: Batch, policy: Policy, read: Read, owner: Owner) -> Decided:
    """Decide a batch."""
    state = BatchState(batch, policy, read, owner)
    for record in batch.records:
        travel(record, state)
    outputs = state.outputs + moved.outputs(state.claims, batch.partitions, batch.home, batch.secret)
    outputs += state.tallies.outputs(batch.partition, owner)
    rows = state.contacts.rows()
    if batch.sweep is not None:
        # Last, so that the batch is decided on the same rows however far the sweep has come.
        rows = batch.sweep.changes(state.latest_time, policy) | rows
    return Decided(outputs, rows, state.rerouted, latest_time=state.latest_time)


def travel(record: Record, state: BatchState) -> None:
    """Take one record down the road."""
    if record.headers and (claims := claims_in(record, state.batch.home, state.batch.secret)) is not None:
        _give_up(record, claims, state)
        return
    origin = origin_of(record, state.batch.home, state.batch.secret) if record.headers else None
    place = origin or Place(record.partition, record.offset)
    try:
        if record.value is None:
            response, at, key = None, 0, erased_key(record)
        else:
            response, at = validate(record, state.policy.intake)
            key = response.customer_id.encode()
    except Rejected as rejected:
        state.outputs.append(dead_letter(record, place, rejected, state.batch.topic, state.policy.intake))
        return
    state.pass_time(record)
    contact = state.contacts.get(key)
    if _lives_elsewhere(record, key, contact, state):
        state.outputs.append(_reroute(record, key, place, state))
        return
    if origin is not None:
        if origin.offset <= state.rerouted.get(origin.partition, -1):
            return  # rerouted twice, because a crash repeated the sending
        state.rerouted[origin.partition] = origin.offset
    if contact is None:
        contact = Contact()
    elif record.offset <= contact.mark:
        return  # a replay: its outputs were acknowledged before this row was written
    else:
        contact = unexpired(contact, state.latest_time, state.policy) or Contact()
    if response is None:
        _erase(record, key, place, state)
        return
    contact.mark = record.offset
    state.contacts.put(key, contact)
    facts = Facts(
        response=response,
        segment=segment_path(response.segment),
        category=classify(response.score),
        at=at,
        previous=contact.answer(response.response_id),
        contact=contact,
        now=record.timestamp,
        policy=state.policy,
        content=content_of(response, at),
    )
    _answer(record, facts, place, state)


def _give_up(record: Record, claims: Claims, state: BatchState) -> None:
    """Have customers give up the responses that others have now; who has a higher revision claims it in turn."""
    state.pass_time(record)
    place, changed = Place(record.partition, record.offset), set[bytes]()
    for response_id, told in claims.items():
        if any(claim.revision > 0 for claim in told):
            state.holders.note_claimed(response_id, record.offset)
        for key in state.holders.of(response_id, state.contacts.opened()):
            contact, customer_id = state.contacts.get(key), key.decode()
            if contact is None or (record.offset <= contact.mark and key not in changed):
                continue  # erased, or a replay
            if unexpired(contact, state.latest_time, state.policy) is not contact:
                continue
            answer = contact.answer(response_id)
            highest = None if answer is None else _highest(answer, customer_id, told)
            if answer is None or highest is None:
                continue
            own = Claim(answer.survey_id, customer_id, answer.revision)
            if own.outranks(highest):
                state.claims.setdefault(response_id, []).append(own)
                continue
            if not highest.outranks(own):
                continue
            contact.mark = record.offset
            changed.add(key)
            amendment = of_move(answer, highest, customer_id, record.timestamp)
            _amend(amendment, record, contact, customer_id, place, state)


def _highest(answer: Answer, customer_id: str, claims: Iterable[Claim]) -> Claim | None:
    """Return the highest claim of other customers to an answer; None if there is none, or the answer has moved."""
    others = [claim for claim in claims if claim.customer_id != customer_id and claim.survey_id == answer.survey_id]
    if answer.held == MOVED or not others:
        return None
    return max(others, key=lambda claim: (claim.revision, claim.customer_id))


def _lives_elsewhere(record: Record, key: bytes, contact: Contact | None, state: BatchState) -> bool:
    """Say whether the customer's history is in another partition than this record.

    Hashing a key is dear, and a customer with a row here is at home, so it is done for unknown customers only.
    """
    if record.key != key:
        return True
    return contact is None and state.owner(key) != state.batch.partition


def _reroute(record: Record, key: bytes, place: Place, state: BatchState) -> Output:
    """Return the record for its customer's partition, with its own time, and with the place that it came from.

    The record stays in the same topic. With a second topic, the worker could read the two in another order after a
    crash, and so decide a batch twice on different rows.
    """
    batch, partition = state.batch, state.owner(key)
    headers = [header for header in record.headers if header[0] not in (ORIGIN_HEADER, PROOF_HEADER)]
    headers += origin_headers(record, batch.home, batch.secret, key, partition)
    size = size_of(key, record.value, headers)
    if size > _LARGEST_REROUTED:
        said = (
            f"{size} bytes with its key and headers, at most {_LARGEST_REROUTED} can be sent on to the right partition"
        )
        return dead_letter(record, place, Rejected(Reason.TOO_LARGE, said), batch.topic, state.policy.intake)
    return Output(events.RESPONSES, key, record.value, headers, record.timestamp, partition)


def _erase(record: Record, key: bytes, place: Place, state: BatchState) -> None:
    """Forget the customer, and tell those who hold personal data to do the same; anonymous counts stay."""
    state.contacts.erase(key)
    state.outputs += [Output(events.ALERTS, key, None), Output(events.INVITATIONS, key, None)]
    decision_id = make_id("decision", *place)
    erased = _Decision(
        decision_id=decision_id,
        outcome=Outcome.ERASED,
        customer_id=key.decode(),
        decided_at=from_ms(record.timestamp),
        source_partition=place.partition,
        source_offset=log_offset(place.offset),
    )
    state.outputs.append(events.output(events.DECISION, key, erased, decision_id, rfc3339(record.timestamp)))


def _answer(record: Record, facts: Facts, place: Place, state: BatchState) -> None:
    response, previous = facts.response, facts.previous
    if previous is not None and (outcome := _repeated(previous, facts)) is not None:
        _record_answer(facts, place, state, outcome)
        return
    known = facts.contact.older_revision(response.response_id) if previous is None else None
    if known is not None:
        _answer_of_old(facts, known, place, state)
        return
    answer = _kept(facts, state.latest_time)
    answer.offset = record.offset
    facts.contact.salt = facts.contact.salt or make_salt(state.batch.secret, *place)
    burst = (
        burst_of(facts.contact.answers, answer, state.policy.bursts) if previous is None and answer.counted else None
    )
    if burst is not None:
        answer.held = burst.held[-1]
    if answer.held or burst is not None:
        answer.counted = answer.counted and not answer.held
        facts = replace(facts, held=OUTCOMES[answer.held] if answer.held else None, is_followed=_is_followed(burst))
    rulings = [rule(facts) for rule in RULES]
    for ruling in rulings:
        if ruling.kind is not None:
            _send(ruling, ruling.kind, facts, state)
    _enter_tally(record, answer, previous, facts.contact, state)
    answer.alerted = _has_alert(rulings, previous)
    if burst is not None:
        amendments = of_burst(burst, response.customer_id, facts.now, state.policy)
        rulings += _on_burst(burst, amended=bool(amendments))
        for amendment in amendments:
            _amend(amendment, record, facts.contact, response.customer_id, place, state, answer)
    facts.contact.remember(answer, previous, state.latest_time, state.policy.history)
    _claim(record, response, previous, state)
    outcome = facts.held
    if outcome is None:
        outcome = Outcome.TEST if response.test else Outcome.ACCEPTED if previous is None else Outcome.REVISED
    _record_answer(facts, place, state, outcome, rulings)


def _answer_of_old(facts: Facts, known: int, place: Place, state: BatchState) -> None:
    """Decide about an answer of which only the id and the revision are kept.

    A correction of it is decided by the rules, but the counts keep what they have: nobody knows any more what to take
    out of them.
    """
    response = facts.response
    revision = short_revision(response.revision)
    if revision <= known:
        outcome = Outcome.DUPLICATE if revision == known else Outcome.SUPERSEDED
        _record_answer(facts, place, state, outcome)
        return
    rulings = [rule(facts) for rule in RULES]
    for ruling in rulings:
        if ruling.kind is not None:
            _send(ruling, ruling.kind, facts, state)
    facts.contact.note_older(response.response_id, response.revision, state.policy.history)
    _record_answer(facts, place, state, Outcome.FORGOTTEN, rulings)


def _claim(record: Record, response: Response, previous: Answer | None, state: BatchState) -> None:
    """Claim a revision that its customer had no answer of: another customer may have it (moved.py)."""
    if previous is not None and previous.held != MOVED:
        return
    if response.revision == 0 and state.holders.is_idle:
        return  # so it is with nearly all responses
    state.holders.add(response.response_id, response.customer_id.encode())
    if response.revision > 0 or state.holders.was_claimed(response.response_id, record.offset):
        claim = Claim(response.survey_id, response.customer_id, response.revision)
        state.claims.setdefault(response.response_id, []).append(claim)


def _kept(facts: Facts, time: int) -> Answer:
    """Return what the customer's row keeps of a response that comes at a time, in ms."""
    response, previous = facts.response, facts.previous
    held = 0
    if previous is not None and previous.is_held and not facts.content.said & COMMENT:
        held = previous.held  # whoever writes a comment is a person, and counts from then on
    return Answer(
        response.response_id,
        response.revision,
        response.score,
        facts.segment,
        facts.at,
        not response.test,
        time if previous is None else previous.seen,
        response.survey_id,
        CUSTOMER_AND_RESPONSE if previous is None else previous.scheme,
        None,
        facts.content,
        held,
    )


def _is_followed(burst: Burst | None) -> bool:
    """Say whether somebody is called about another answer of the burst already."""
    return burst is not None and not burst.is_shared and any(answer.has_alert for answer in burst.answers[:-1])


def _on_burst(burst: Burst, *, amended: bool) -> list[Ruling]:
    """Return what the decision says of a burst, where it changes anything."""
    held = burst.held[-1]
    if held:
        verdict, reason = "not_counted", str(OUTCOMES[held])
    elif amended:
        verdict, reason = "counted", "shared_id" if burst.is_shared else "suspect_scanner"
    else:
        return []
    return [Ruling(_RuleDecision(rule="burst", verdict=verdict, reason=reason, figures=burst.figures))]


def _amend(
    amendment: Amendment,
    record: Record,
    contact: Contact,
    customer_id: str,
    place: Place,
    state: BatchState,
    new: Answer | None = None,
) -> None:
    """Change what was decided about an earlier answer: in the counts, its alert, the row, and with a decision.

    `new`: the customer's answer that is the reason, if one is, which the row does not have yet.
    """
    before, after, ruling = amendment.before, amendment.after, amendment.ruling
    key, now = customer_id.encode(), rfc3339(record.timestamp)
    if ruling is not None:
        assert ruling.kind is not None
        assert ruling.event is not None
        state.outputs.append(events.output(ruling.kind, key, ruling.event, ruling.event_id, now))
    if before.counted != after.counted:
        after.offset = record.offset
        state.tallies.move(record.offset, _entry(before, contact), _entry(after, contact), before.offset)
        known = contact.answers if new is None else [*contact.answers, new]
        state.tallies.add_differences(record.offset, differences(known, before, after))
    contact.replace(before, after)
    decision_id = make_id("decision", *place, customer_id, before.response_id)
    decision = _Decision(
        decision_id=decision_id,
        outcome=amendment.outcome,
        customer_id=customer_id,
        response_id=before.response_id,
        revision=amendment.revision,
        score=before.score,
        category=classify(before.score),
        segment=before.segment,
        decided_at=from_ms(record.timestamp),
        source_partition=place.partition,
        source_offset=log_offset(place.offset),
        rules=[] if ruling is None else [ruling.said],
    )
    state.outputs.append(events.output(events.DECISION, key, decision, decision_id, now))


def _entry(answer: Answer, contact: Contact) -> tuple[CountedUnder, CountedAnswer] | None:
    """Return what an answer of a customer is in the counts; None if it does not count."""
    if not answer.counted:
        return None
    # What the version before has counted is in segments' rows under a number without salt.
    known_as = id_hash(answer.response_id, contact.salt if answer.offset >= 0 else b"")
    return CountedUnder(answer.segment, answer.survey_id), CountedAnswer(answer.at, known_as, answer.score)


def _repeated(previous: Answer, facts: Facts) -> Outcome | None:
    """Say why a response changes nothing: it is known, or an earlier revision. None if it is news.

    Survey tools repeat a submission under the same revision while the customer goes on filling the form in. The later
    copy is taken if it says everything that the one before did, and more: a comment, a consent, a name, an address.
    Otherwise nobody can tell which of two copies is the right one, and the first stays.
    """
    if facts.response.revision != previous.revision:
        return Outcome.SUPERSEDED if facts.response.revision < previous.revision else None
    if previous.held == MOVED:
        return Outcome.SUPERSEDED  # another customer has it, under a claim that this revision does not outrank
    if previous.content is None or previous.content.whole == facts.content.whole:
        return Outcome.DUPLICATE
    known, now = previous.content.said, facts.content.said
    return None if known != now and known & now == known else Outcome.DIFFERS


def _has_alert(rulings: Iterable[Ruling], previous: Answer | None) -> bool:
    """Say whether the response's alert is open after these rulings."""
    for ruling in rulings:
        if ruling.kind is events.ALERT:
            return ruling.said.verdict != _WITHDRAWN
    return previous is not None and previous.has_alert


def _send(ruling: Ruling, kind: Kind, facts: Facts, state: BatchState) -> None:
    assert ruling.event is not None
    key, time = facts.response.customer_id.encode(), rfc3339(facts.now)
    state.outputs.append(events.output(kind, key, ruling.event, ruling.event_id, time))
    if kind is events.INVITATION:
        facts.contact.invited_at = facts.now


def _enter_tally(record: Record, answer: Answer, previous: Answer | None, contact: Contact, state: BatchState) -> None:
    """One event is one entry per segment, with what it takes out and what it puts in."""
    if previous is not None and previous.counted:
        state.tallies.move(record.offset, _entry(previous, contact), _entry(answer, contact), previous.offset)
    elif answer.counted:
        known_as = id_hash(answer.response_id, contact.salt)
        counted = answer.at, known_as, answer.score
        state.tallies.put(record.offset, (answer.segment, answer.survey_id), counted)
    if contact.answers:
        state.tallies.add_differences(record.offset, differences(contact.answers, previous, answer))


def _record_answer(
    facts: Facts, place: Place, state: BatchState, outcome: Outcome, rulings: Iterable[Ruling] = ()
) -> None:
    response, decision_id = facts.response, make_id("decision", *place)
    decision = _Decision(
        decision_id=decision_id,
        outcome=outcome,
        customer_id=response.customer_id,
        response_id=response.response_id,
        revision=response.revision,
        score=response.score,
        category=facts.category,
        segment=facts.segment,
        decided_at=from_ms(facts.now),
        source_partition=place.partition,
        source_offset=log_offset(place.offset),
        rules=[ruling.said for ruling in rulings],
    )
    key = response.customer_id.encode()
    state.outputs.append(events.output(events.DECISION, key, decision, decision_id, rfc3339(facts.now)))
