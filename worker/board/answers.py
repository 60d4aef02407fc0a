"""The latest answers with what was decided about each: why somebody was told, or why nobody was."""

import sys
from typing import NamedTuple

import msgspec

from schemas.decision import Category, Outcome
from worker.board.newest import Bounds, Index, Kept, Newest, Page, page_of
from worker.board.visible import EVERYTHING, sees
from worker.flow.batch import Record
from worker.lineage import is_below

#: What rules decide is shared by answers up to this number of different decisions. This worker makes far fewer.
_MOST_SHARED = 1_000
#: The rule that opens alerts, and how its verdicts begin if it has done something.
ALERT_RULE, ALERT_VERDICT = "detractor_alert", "alert_"


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one rule decided, and why."""

    rule: str
    verdict: str
    reason: str
    #: The figures that it rests on, by name.
    figures: tuple[tuple[str, float], ...] = ()


class Answer(Kept):
    """A decision about a response. `at`: its Kafka time."""

    #: The id of the decision; it has the same one if it is published again.
    id: str
    outcome: str
    customer_id: str
    #: Empty if the record had no response, such as an erasure.
    response_id: str
    revision: int
    #: None, and empty texts, if the record had no response.
    score: int | None
    category: str
    segment: str
    verdicts: tuple[Verdict, ...]
    #: Whether an alert was opened or changed because of it.
    told: bool


class AnswerQuery(NamedTuple):
    """Which answers are wanted. What is empty does not limit them."""

    #: The segment that they are in or below.
    segment: str = ""
    category: str = ""
    outcome: str = ""
    #: Only the answers of detractors of whom nobody was told.
    untold: bool = False
    #: Only those about which some rule gave this reason.
    reason: str = ""
    #: The segments that the person may see, with what is below them.
    visible: tuple[str, ...] = EVERYTHING
    #: Where the page begins: `next` of the page before.
    after: str = ""


class _Rule(msgspec.Struct, gc=False):
    rule: str
    verdict: str
    reason: str
    figures: dict[str, float] | None = None


class _Decision(msgspec.Struct, gc=False):
    """What is read of a decision."""

    decision_id: str
    outcome: str
    customer_id: str
    response_id: str | None = None
    revision: int | None = None
    score: int | None = None
    category: str | None = None
    segment: str | None = None
    rules: list[_Rule] = []


_read = msgspec.json.Decoder(_Decision).decode


class AnswerLog:
    """The latest decisions, as nps.decisions has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[Answer] = Newest(bounds or Bounds(), self._drop)
        self._of_customer: Index[Answer] = Index()
        self._of_response: Index[Answer] = Index()
        #: What rules decide is the same for most answers, and kept once.
        self._verdicts: dict[tuple[Verdict, ...], tuple[Verdict, ...]] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in a decision. If it is known already, since it was published again, nothing changes.

        Raise one of UNREADABLE if the record is none.
        """
        read = _read(record.value or b"")
        response_id = read.response_id or ""
        alike = self._of_response.of(response_id) if response_id else self._of_customer.of(read.customer_id)
        if any(known.id == read.decision_id for known in alike):
            return
        verdicts = tuple(map(_verdict, read.rules))
        if all(not verdict.figures for verdict in verdicts):
            if len(self._verdicts) > _MOST_SHARED:
                self._verdicts.clear()
            verdicts = self._verdicts.setdefault(verdicts, verdicts)
        answer = Answer(
            (record.timestamp, record.partition, record.offset),
            len(record.value or b""),
            read.decision_id,
            sys.intern(read.outcome),
            read.customer_id,
            response_id,
            read.revision or 0,
            read.score,
            sys.intern(read.category or ""),
            sys.intern(read.segment or ""),
            verdicts,
            any(one.rule == ALERT_RULE and one.verdict.startswith(ALERT_VERDICT) for one in verdicts),
        )
        if answer.outcome == Outcome.ERASED:
            self._newest.remove(self._of_customer.of(answer.customer_id))
        self.version += 1
        self._of_customer.put(answer.customer_id, answer)
        self._of_response.put(answer.response_id, answer)
        self._newest.put(answer)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def latest(self, query: AnswerQuery) -> Page[Answer]:
        """Return a page of the answers that a query wants, the latest one first."""
        found = self._newest.newest_first()
        if query.untold:
            # A repeat says nothing about who was told: the decision about the first answer does.
            found = [one for one in found if one.category == Category.DETRACTOR and not one.told]
            found = [one for one in found if one.outcome != Outcome.DUPLICATE]
        if query.category:
            found = [one for one in found if one.category == query.category]
        if query.outcome:
            found = [one for one in found if one.outcome == query.outcome]
        if query.reason:
            found = [one for one in found if any(verdict.reason == query.reason for verdict in one.verdicts)]
        if query.segment:
            found = [one for one in found if is_below(one.segment, query.segment)]
        return page_of(_visible(found, query.visible), query.after)

    def since(self) -> int | None:
        """Return when the oldest answer that is kept was decided, in ms; None without answers."""
        return self._newest.oldest_at()

    def of_customer(self, customer_id: str, visible: tuple[str, ...] = EVERYTHING) -> list[Answer]:
        """Return the answers of a customer, the latest one first."""
        return _visible(self._of_customer.of(customer_id)[::-1], visible)

    def of_response(self, response_id: str, visible: tuple[str, ...] = EVERYTHING) -> list[Answer]:
        """Return what was decided about a response and its revisions, the latest decision first.

        Responses of two customers may have the same id.
        """
        return _visible(self._of_response.of(response_id)[::-1], visible)

    def of_decision(self, decision_id: str, visible: tuple[str, ...] = EVERYTHING) -> list[Answer]:
        """Return the decision with an id; nothing if it is not known."""
        return _visible([one for one in self._newest.newest_first() if one.id == decision_id], visible)

    def _drop(self, answer: Answer) -> None:
        self._of_customer.drop(answer.customer_id, answer)
        self._of_response.drop(answer.response_id, answer)


def _verdict(read: _Rule) -> Verdict:
    figures = tuple(sorted((read.figures or {}).items()))
    return Verdict(sys.intern(read.rule), sys.intern(read.verdict), sys.intern(read.reason), figures)


def _visible(answers: list[Answer], visible: tuple[str, ...]) -> list[Answer]:
    """Return the answers that a person may see. Who sees not all segments does not see what is in none, either."""
    if visible == EVERYTHING:
        return answers
    seen = {segment for segment in {one.segment for one in answers} if sees(visible, segment)}
    return [one for one in answers if one.segment in seen]
