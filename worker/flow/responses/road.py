"""The road of a response, from the record to everything that it causes. Begin with `decide_record`.

Nothing here waits, reads a clock or knows Faust. A batch is decided in memory. The same batch on the same rows gives
the same outputs, with the same ids. Therefore a replay is all that is needed after a crash.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, cast

from msgspec.structs import replace

from schemas.alert import Alert, AlertAction
from schemas.base import Event
from schemas.dead_letter import Reason
from schemas.decision import Decision, Outcome, RuleDecision
from schemas.emitted import emitted
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Place, Read, Record
from worker.flow.dead_letter import dead_letter
from worker.flow.events import Kind
from worker.flow.ids import id_hash, make_id, make_salt
from worker.flow.messages import case_log
from worker.flow.messages.tally import CountedUnder, Tallies
from worker.flow.policy import Policy
from worker.flow.record import (
    ORIGIN_HEADER,
    PROOF_HEADER,
    log_offset,
    origin_headers,
    origin_of,
    size_of,
    source_in,
)
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
from worker.flow.responses.plain import PlainResponse
from worker.flow.responses.rules import RULES
from worker.flow.timestamps import from_ms, rfc3339, to_ms
from worker.flow.trace_context import context_headers, context_of
from worker.lineage import segment_path, source_path
from worker.nps.histogram import classify
from worker.nps.latest import CountedAnswer
from worker.routing.routable import Routable, routable
from worker.routing.service_level import Work

_Decision, _RuleDecision = emitted(Decision), emitted(RuleDecision)
#: The verdict that ends an alert.
_WITHDRAWN = f"alert_{AlertAction.WITHDRAWN}"

#: The largest size of a record that is rerouted, in bytes. By default Kafka accepts 1 MiB with the record's frame. A
#: larger record can arrive if it was compressed.
_LARGEST_REROUTED = 1_040_000


class Batch(NamedTuple):
    """Records of one partition of the responses topic, and what is needed to decide them."""

    #: The records, in the order of their offsets.
    records: Iterable[Record]
    partition: int
    #: The topic's full name.
    topic: str
    #: The cluster's id and the topic's name, as one text.
    home: str
    #: For each partition from which records were rerouted: the highest offset there whose record has arrived here. They
    #: arrive in order, so a record at or below that offset has come twice.
    rerouted: Mapping[int, int]
    #: The secret of the workers of these topics. With it they prove that they have rerouted a record, and make the
    #: customers' salts. Without a secret nothing can be proven.
    secret: bytes = b""
    #: The number of partitions of the topic.
    partitions: int = 1
    #: Which customers of this partition have which responses; None if that is not known.
    holders: Holders | None = None
    #: Finds customers who have been silent for long. Without it, only the rows of customers who answer are checked.
    sweep: Sweep | None = None
    #: The latest Kafka time of all earlier records of the partition, in ms.
    latest_time: int = 0
    #: Returns who gets an alert, and by what the work on it is measured; None if no case needs to know that.
    work: Callable[[Routable], Work] | None = None


#: Returns the partition that a key belongs to.
Owner = Callable[[bytes], int]


class BatchState:
    """What is known of one batch while it is decided, and what it has caused so far."""

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
        # The record that is being decided, and the number of messages to the cases that it has caused.
        self._record: Record | None = None
        self._messages = 0

    def begin(self, record: Record) -> None:
        """Note the record that is decided next. The latest time never goes back, whatever records say."""
        self.latest_time = max(self.latest_time, record.timestamp)
        self._record, self._messages = record, 0

    def add_event(self, kind: Kind, key: bytes, event: Event, event_id: str, now: int) -> None:
        """Add an event about a customer. `now`: the time of the record that is decided, in ms.

        The event carries the record's trace context. A step of an alert is also reported to the cases (case_log.py).
        This output goes to Kafka together with the event, so the event waits for nothing.
        """
        assert self._record is not None
        context = context_headers(context_of(self._record))
        self.outputs.append(events.output(kind, key, event, event_id, rfc3339(now), context))
        if kind is events.ALERT:
            alert = cast(Alert, event)
            work = self._work(alert)
            step = case_log.AlertStep(
                *self._next_message(),
                alert.alert_id,
                alert.action,
                alert.severity,
                alert.score,
                alert.segment,
                alert.survey_id,
                alert.response_id,
                alert.revision,
                to_ms(alert.responded_at),
                now,
                *work.terms,
                [*work.receivers],
                alert.language or "",
            )
            self.outputs.append(case_log.output(key, step))

    def _work(self, alert: Alert) -> Work:
        """Return who gets an alert, and by what the work on it is measured."""
        return Work() if self.batch.work is None else self.batch.work(routable(alert))

    def report_answer(self, answer: Answer, facts: Facts) -> None:
        """Report an answer to the cases of its customer, if there may be any."""
        if not answer.counted or not _has_other_alert(facts):
            return
        response = facts.response
        message = case_log.AnsweredAgain(
            *self._next_message(),
            response.response_id,
            response.revision,
            facts.previous is None,
            response.score,
            facts.segment,
            facts.at,
            facts.now,
        )
        self.outputs.append(case_log.output(response.customer_id.encode(), message))

    def erase_cases(self, key: bytes) -> None:
        """Let the cases of a customer be erased."""
        self.outputs.append(case_log.output(key, case_log.Erasure(*self._next_message())))

    def _next_message(self) -> tuple[int, int]:
        """Return by which offset and number the cases recognise the next message."""
        number, self._messages = self._messages, self._messages + 1
        assert self._record is not None
        return self._record.offset, number


def decide(batch: Batch, policy: Policy, read: Read, owner: Owner) -> Decided:
    """Decide a batch."""
    state = BatchState(batch, policy, read, owner)
    for record in batch.records:
        decide_record(record, state)
    outputs = state.outputs + moved.outputs(state.claims, batch.partitions, batch.home, batch.secret)
    outputs += state.tallies.outputs(batch.partition, owner)
    rows = state.contacts.rows()
    if batch.sweep is not None:
        # The sweep comes last. So what is decided does not depend on how far the sweep has come.
        rows = batch.sweep.changes(state.latest_time, policy) | rows
    return Decided(outputs, rows, state.rerouted, latest_time=state.latest_time)


def decide_record(record: Record, state: BatchState) -> None:
    """Decide one record, and add what it causes to the state of the batch."""
    if record.headers and (claims := claims_in(record, state.batch.home, state.batch.secret)) is not None:
        _give_up_claimed(record, claims, state)
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
    state.begin(record)
    contact = state.contacts.get(key)
    if _belongs_elsewhere(record, key, contact, state):
        state.outputs.append(_reroute(record, key, place, state))
        return
    if origin is not None:
        if origin.offset <= state.rerouted.get(origin.partition, -1):
            return  # the record was rerouted twice, because of a crash
        state.rerouted[origin.partition] = origin.offset
    if contact is None:
        contact = Contact()
    elif record.offset <= contact.mark:
        return  # this is a replay: the record's outputs were acknowledged before this row was written
    else:
        contact = unexpired(contact, state.latest_time, state.policy) or Contact()
    if response is None:
        _erase(record, key, place, state)
        return
    contact.mark = record.offset
    state.contacts.put(key, contact)
    _decide_response(record, _facts(record, response, at, contact, state.policy), place, state)


def _facts(record: Record, response: PlainResponse, at: int, contact: Contact, policy: Policy) -> Facts:
    """Return what is known of a response that is given at a time, in ms."""
    previous = contact.answer(response.response_id)
    if previous is not None and previous.at != at and source_in(record) is not None:
        # Some survey tools give each delivery its own time. The answer was given when its score came first.
        response, at = replace(response, responded_at=from_ms(previous.at)), previous.at
    return Facts(
        response=response,
        segment=segment_path(response.segment),
        category=classify(response.score),
        at=at,
        previous=previous,
        contact=contact,
        now=record.timestamp,
        policy=policy,
        content=content_of(response, at),
    )


def _give_up_claimed(record: Record, claims: Claims, state: BatchState) -> None:
    """Let customers give up the responses that others claim. A customer with a higher revision claims it in turn."""
    state.begin(record)
    place, changed = Place(record.partition, record.offset), set[bytes]()
    for response_id, of_response in claims.items():
        if any(claim.revision > 0 for claim in of_response):
            state.holders.note_claimed(response_id, record.offset)
        for key in state.holders.of(response_id, state.contacts.opened()):
            contact, customer_id = state.contacts.get(key), key.decode()
            if contact is None or (record.offset <= contact.mark and key not in changed):
                continue  # the customer was erased, or this is a replay
            if unexpired(contact, state.latest_time, state.policy) is not contact:
                continue
            answer = contact.answer(response_id)
            highest = None if answer is None else _highest(answer, customer_id, of_response)
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
    """Return the highest claim of another customer to an answer; None if there is none, or if the answer has moved."""
    others = [claim for claim in claims if claim.customer_id != customer_id and claim.survey_id == answer.survey_id]
    if answer.exclusion == MOVED or not others:
        return None
    return max(others, key=lambda claim: (claim.revision, claim.customer_id))


def _belongs_elsewhere(record: Record, key: bytes, contact: Contact | None, state: BatchState) -> bool:
    """Say whether the customer's row belongs to another partition than this record, or the record has a wrong key.

    A customer who has a row here belongs here. So the key is hashed, which takes long, for unknown customers only.
    """
    if record.key != key:
        return True
    return contact is None and state.owner(key) != state.batch.partition


def _reroute(record: Record, key: bytes, place: Place, state: BatchState) -> Output:
    """Return the record for its customer's partition, with its own time and a header that says where it lay.

    The record stays in the same topic. With a second topic, the worker could read the two topics in another order after
    a crash, and so decide a batch twice on different rows. A record that is too large becomes a dead letter.
    """
    batch, partition = state.batch, state.owner(key)
    headers = [header for header in record.headers if header[0] not in (ORIGIN_HEADER, PROOF_HEADER)]
    headers += origin_headers(record, batch.home, batch.secret, key, partition)
    size = size_of(key, record.value, headers)
    if size > _LARGEST_REROUTED:
        why = (
            f"{size} bytes with its key and headers, at most {_LARGEST_REROUTED} can be sent on to the right partition"
        )
        return dead_letter(record, place, Rejected(Reason.TOO_LARGE, why), batch.topic, state.policy.intake)
    return Output(events.RESPONSES, key, record.value, headers, record.timestamp, partition)


def _erase(record: Record, key: bytes, place: Place, state: BatchState) -> None:
    """Erase the customer's row, and send null values to the topics that have personal data. The counts stay."""
    state.contacts.erase(key)
    state.outputs += [Output(events.ALERTS, key, None), Output(events.INVITATIONS, key, None)]
    state.erase_cases(key)
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


def _decide_response(record: Record, facts: Facts, place: Place, state: BatchState) -> None:
    """Decide about a response: its counts, its alert, its invitation, and the customer's row."""
    response, previous = facts.response, facts.previous
    if previous is not None and (outcome := _why_ignored(previous, facts)) is not None:
        _add_decision(facts, place, state, outcome)
        return
    older_revision = facts.contact.older_revision(response.response_id) if previous is None else None
    if older_revision is not None:
        _decide_older(facts, older_revision, place, state)
        return
    answer = _new_answer(facts, state.latest_time)
    answer.offset = record.offset
    facts.contact.salt = facts.contact.salt or make_salt(state.batch.secret, *place)
    burst = (
        burst_of(facts.contact.answers, answer, state.policy.bursts) if previous is None and answer.counted else None
    )
    if burst is not None:
        answer.exclusion = burst.exclusions[-1]
    if answer.exclusion or burst is not None:
        answer.counted = answer.counted and not answer.exclusion
        facts = replace(
            facts,
            exclusion=OUTCOMES[answer.exclusion] if answer.exclusion else None,
            has_alert_in_burst=_has_alert_in_burst(burst),
        )
    rulings = [rule(facts) for rule in RULES]
    for ruling in rulings:
        if ruling.kind is not None:
            _add_output(ruling, ruling.kind, facts, state)
    state.report_answer(answer, facts)
    _count(record, answer, previous, facts.contact, state)
    answer.alerted = _has_alert(rulings, previous)
    if burst is not None:
        amendments = of_burst(burst, response.customer_id, facts.now, state.policy)
        rulings += _burst_rulings(burst, amended=bool(amendments))
        for amendment in amendments:
            _amend(amendment, record, facts.contact, response.customer_id, place, state, answer)
    facts.contact.remember(answer, previous, state.latest_time, state.policy.history)
    _claim(record, response, previous, state)
    outcome = facts.exclusion
    if outcome is None:
        outcome = Outcome.TEST if response.test else Outcome.ACCEPTED if previous is None else Outcome.REVISED
    _add_decision(facts, place, state, outcome, rulings)


def _decide_older(facts: Facts, older_revision: int, place: Place, state: BatchState) -> None:
    """Decide about a response of which the row has only the id and the revision.

    The rules decide about a correction of it, but the counts stay as they are: it is not known any more what has to be
    taken out of them.
    """
    response = facts.response
    revision = short_revision(response.revision)
    if revision <= older_revision:
        outcome = Outcome.DUPLICATE if revision == older_revision else Outcome.SUPERSEDED
        _add_decision(facts, place, state, outcome)
        return
    rulings = [rule(facts) for rule in RULES]
    for ruling in rulings:
        if ruling.kind is not None:
            _add_output(ruling, ruling.kind, facts, state)
    facts.contact.keep_id(response.response_id, response.revision, state.policy.history)
    _add_decision(facts, place, state, Outcome.FORGOTTEN, rulings)


def _claim(record: Record, response: PlainResponse, previous: Answer | None, state: BatchState) -> None:
    """Claim a response that its customer did not have until now: another customer may have it (moved.py)."""
    if previous is not None and previous.exclusion != MOVED:
        return
    if response.revision == 0 and state.holders.is_idle:
        return  # this is so for nearly all responses
    state.holders.add(response.response_id, response.customer_id.encode())
    if response.revision > 0 or state.holders.was_claimed(response.response_id, record.offset):
        claim = Claim(response.survey_id, response.customer_id, response.revision)
        state.claims.setdefault(response.response_id, []).append(claim)


def _new_answer(facts: Facts, time: int) -> Answer:
    """Return what the customer's row keeps of a response; `time`: the latest Kafka time, in ms."""
    response, previous = facts.response, facts.previous
    exclusion = 0
    if previous is not None and previous.is_excluded_in_burst and not facts.content.flags & COMMENT:
        exclusion = previous.exclusion  # an answer that gets a comment is a person's, and counts from then on
    return Answer(
        response.response_id,
        response.revision,
        response.score,
        facts.segment,
        facts.at,
        not response.test,
        time if previous is None else previous.arrived_at,
        response.survey_id,
        CUSTOMER_AND_RESPONSE if previous is None else previous.scheme,
        None,
        facts.content,
        exclusion,
        is_history=response.history if previous is None else previous.is_history,
    )


def _has_alert_in_burst(burst: Burst | None) -> bool:
    """Say whether an alert is open about another answer of the burst, which one person gave."""
    return burst is not None and not burst.is_shared and any(answer.has_alert for answer in burst.answers[:-1])


def _has_other_alert(facts: Facts) -> bool:
    """Say whether an alert is open about an answer that the customer gave before this one."""
    own, at = facts.response.response_id, facts.at
    for known in facts.contact.answers:  # noqa: SIM110 - `any` takes twice as long for the few answers of most customers
        if known.has_alert and known.response_id != own and known.at < at:
            return True
    return False


def _burst_rulings(burst: Burst, *, amended: bool) -> list[Ruling]:
    """Return what the decision says about a burst; nothing if the burst changes nothing.

    `amended`: whether the burst changes other answers.
    """
    exclusion = burst.exclusions[-1]
    if exclusion:
        verdict, reason = "not_counted", str(OUTCOMES[exclusion])
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
    """Change what was decided about an earlier answer: its counts, its alert and the row, with a decision of its own.

    `new`: the customer's answer that is the reason, which the row does not have yet; None if there is none.
    """
    before, after, ruling = amendment.before, amendment.after, amendment.ruling
    key, now = customer_id.encode(), rfc3339(record.timestamp)
    if ruling is not None:
        assert ruling.kind is not None
        assert ruling.event is not None
        state.add_event(ruling.kind, key, ruling.event, ruling.event_id, record.timestamp)
    if before.counted != after.counted:
        after.offset = record.offset
        taken, put = _counted(before, contact), _counted(after, contact)
        state.tallies.move(record.offset, taken, put, before.offset, is_history=before.is_history)
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
        rules=[] if ruling is None else [ruling.decision],
    )
    state.outputs.append(events.output(events.DECISION, key, decision, decision_id, now))


def _counted(answer: Answer, contact: Contact) -> tuple[CountedUnder, CountedAnswer] | None:
    """Return what an answer counts for, and how segments know it; None if it does not count."""
    if not answer.counted:
        return None
    # Version 0.1.0 made the hashes that are in the segments' rows without a salt.
    hashed = id_hash(answer.response_id, contact.salt if answer.offset >= 0 else b"")
    return CountedUnder(answer.segment, answer.survey_id), CountedAnswer(answer.at, hashed, answer.score)


def _why_ignored(previous: Answer, facts: Facts) -> Outcome | None:
    """Return the outcome of a response that changes nothing, since it is a copy or an earlier revision; otherwise None.

    Some survey tools send a response again under the same revision while the customer is still filling in the form. The
    later copy is taken if it says everything that the first one did, and more: a comment, a consent, a name, an
    address. Otherwise it is not known which of the copies is right, and the first one stays.
    """
    if facts.response.revision != previous.revision:
        return Outcome.SUPERSEDED if facts.response.revision < previous.revision else None
    if previous.exclusion == MOVED:
        return Outcome.SUPERSEDED  # another customer has claimed it, and this revision does not outrank the claim
    if previous.content is None or previous.content.checksum == facts.content.checksum:
        return Outcome.DUPLICATE
    known, now = previous.content.flags, facts.content.flags  # the later copy must have all flags of the first
    return None if known != now and known & now == known else Outcome.DIFFERS


def _has_alert(rulings: Iterable[Ruling], previous: Answer | None) -> bool:
    """Say whether the response's alert is open after some rulings."""
    for ruling in rulings:
        if ruling.kind is events.ALERT:
            return ruling.decision.verdict != _WITHDRAWN
    return previous is not None and previous.has_alert


def _add_output(ruling: Ruling, kind: Kind, facts: Facts, state: BatchState) -> None:
    assert ruling.event is not None
    key = facts.response.customer_id.encode()
    state.add_event(kind, key, ruling.event, ruling.event_id, facts.now)
    if kind is events.INVITATION:
        facts.contact.invited_at = facts.now


def _count(record: Record, answer: Answer, previous: Answer | None, contact: Contact, state: BatchState) -> None:
    """Add an answer to the tallies: take the previous revision out, and put the answer in."""
    if previous is not None and previous.counted:
        taken, put = _counted(previous, contact), _counted(answer, contact)
        state.tallies.move(record.offset, taken, put, previous.offset, is_history=answer.is_history)
    elif answer.counted:
        if answer.is_history:
            state.tallies.note_history(record.offset)
        plain = answer.at, id_hash(answer.response_id, contact.salt), answer.score
        state.tallies.put(record.offset, (answer.segment, answer.survey_id), plain)
        if (source := source_in(record)) is not None:
            state.tallies.note_arrival(record.offset, source_path(source), plain)
    if contact.answers:
        state.tallies.add_differences(record.offset, differences(contact.answers, previous, answer))


def _add_decision(
    facts: Facts, place: Place, state: BatchState, outcome: Outcome, rulings: Iterable[Ruling] = ()
) -> None:
    """Add the event that says what was decided about a response."""
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
        rules=[ruling.decision for ruling in rulings],
    )
    key = response.customer_id.encode()
    state.outputs.append(events.output(events.DECISION, key, decision, decision_id, rfc3339(facts.now)))
