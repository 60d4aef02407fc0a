"""The spectator: it reads what the worker publishes, as any receiver could, and counts each event once by its id."""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.alert import Alert
from schemas.base import Event
from schemas.case import CASE, CaseAction, CaseStep
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision, Outcome
from schemas.delivery import Delivery
from schemas.invitation import Invitation
from schemas.scores import Scores
from worker.flow import events
from worker.flow.responses.intake import ANONYMOUS
from worker.kafka.connection import client_options
from worker.kafka.topics import topic_name
from worker.notify.deliveries import IN_DIGEST
from worker.notify.notice import Notice, notice_in
from worker.settings import Settings

log = logging.getLogger(__name__)

_WATCHED = (
    events.DECISIONS, events.ALERTS, events.INVITATIONS, events.DEAD_LETTERS, events.SCORES, events.DELIVERIES
)  # fmt: skip
#: What the events are, but for those of alerts, of which there are several kinds.
_MODELS: Mapping[str, type[Event]] = {
    events.DECISIONS: Decision,
    events.INVITATIONS: Invitation,
    events.DEAD_LETTERS: DeadLetter,
    events.SCORES: Scores,
    events.DELIVERIES: Delivery,
}
_LATEST_ALERTS, _LATEST_ESCALATIONS = 8, 3
_ANSWERS = {Outcome.ACCEPTED, Outcome.REVISED, Outcome.TEST}
#: The name of dead letters among the outcomes of decisions.
DEAD_LETTER = "dead_letter"
#: Outcomes by which an accepted answer does not count any more.
_TAKEN_AWAY = {Outcome.FORGOTTEN, Outcome.MOVED, Outcome.ERASED, Outcome.DOUBLE_CLICK, Outcome.SUSPECT_SCANNER}
_DROPPED = {Outcome.DUPLICATE, Outcome.SUPERSEDED}


class Digest(NamedTuple):
    """A digest, as the delivery log names it."""

    digest_id: str
    receiver: str


@dataclass
class Seen:
    """The events that were read so far, by their ids, so that a repeat counts once."""

    outcomes: dict[str, str] = field(default_factory=dict)  # by the decision's id
    answers: dict[str, bool] = field(default_factory=dict)  # whether an answer is counted, by the response's id
    past: Collection[str] = ()  # the ids of the answers of the sample history, which are counted apart
    too_old: int = 0  # decisions without an alert, because the answer is older than `alerts.max_age_days`
    dead_letters: dict[str, str] = field(default_factory=dict)  # their reasons, by the dead letter's id
    alerts: dict[str, str] = field(default_factory=dict)  # whom an alert is about, for people, by its id
    invitations: set[str] = field(default_factory=set)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)  # the latest event of each segment
    cases: dict[str, str] = field(default_factory=dict)  # the states of cases after their steps, by the alerts' ids
    acknowledged: set[str] = field(default_factory=set)  # the ids of alerts that somebody has acknowledged
    escalations: set[tuple[str, int]] = field(default_factory=set)  # the alerts' ids, and the numbers of the steps
    digests: dict[Digest, set[str]] = field(default_factory=dict)  # the ids of the deliveries that each one lists
    latest: deque[Notice] = field(default_factory=lambda: deque(maxlen=_LATEST_ALERTS))  # the newest first
    latest_escalations: deque[CaseStep] = field(default_factory=lambda: deque(maxlen=_LATEST_ESCALATIONS))  # likewise

    def take(self, topic: str, value: bytes | None) -> None:
        """Add one record's value. A null value erases something, and is not counted.

        What another program has written on the topic is left out.
        """
        if value is None:
            return
        try:
            self._take(topic, value)
        except (ValueError, RecursionError):
            log.warning("%s: a record that the worker has not written is left out", topic)

    def _take(self, topic: str, value: bytes) -> None:
        if (model := _MODELS.get(topic)) is not None:
            model.model_validate_json(value)
        event = json.loads(value)
        if not isinstance(event, dict):
            raise ValueError("is no event")  # noqa: TRY004 - as any other value that is none
        if topic == events.DECISIONS:
            self._take_decision(event)
        elif topic == events.ALERTS:
            self._take_alert(value, event.get("kind"))
        elif topic == events.INVITATIONS:
            self.invitations.add(event["invitation_id"])
        elif topic == events.DEAD_LETTERS:
            self.dead_letters[event["dead_letter_id"]] = event["reason"]
        elif topic == events.SCORES and "all" in event["windows"]:
            self.scores[event["segment"]] = event
        elif topic == events.DELIVERIES and event["reason"] == IN_DIGEST:
            self.digests.setdefault(Digest(event["digest_id"], event["receiver"]), set()).add(event["delivery_id"])

    def _take_decision(self, event: Mapping[str, Any]) -> None:
        if event["response_id"] in self.past:
            return
        self.outcomes[event["decision_id"]] = event["outcome"]
        if event["outcome"] in _ANSWERS:
            self.answers[event["response_id"]] = event["outcome"] != Outcome.TEST
        self.too_old += any(rule["reason"] == "too_old" for rule in event["rules"])

    def _take_alert(self, value: bytes, kind: object) -> None:
        if kind == CASE:
            self._take_step(CaseStep.model_validate_json(value))
            return
        notice = notice_in(value)
        self.latest.appendleft(notice)
        if isinstance(notice, Alert):
            self.alerts[notice.alert_id] = customer_of(notice)

    def _take_step(self, step: CaseStep) -> None:
        self.cases[step.alert_id] = step.state
        if step.action == CaseAction.ACKNOWLEDGED:
            self.acknowledged.add(step.alert_id)
        if step.action == CaseAction.ESCALATED and (step.alert_id, step.step) not in self.escalations:
            self.escalations.add((step.alert_id, step.step))
            self.latest_escalations.appendleft(step)

    @property
    def last_digest(self) -> tuple[Digest, int] | None:
        """The last digest, and how many notices it lists as far as is known; None before the first one."""
        last = next(reversed(self.digests.items()), None)
        return None if last is None else (last[0], len(last[1]))

    @property
    def records(self) -> Counter[str]:
        """The numbers of published records by outcome, dead letters included. Their sum is the number of records."""
        return Counter(self.outcomes.values()) + Counter({DEAD_LETTER: len(self.dead_letters)})

    @property
    def counted(self) -> int:
        """How many answers the scores of the root segment count, without those of the sample history."""
        return max(0, self._all_counted - len(self.past))

    @property
    def past_is_counted(self) -> bool:
        """Whether the scores count the sample history, whose answers are the first that are published."""
        return self._all_counted >= len(self.past)

    @property
    def _all_counted(self) -> int:
        total: int = self.scores[""]["windows"]["all"]["n"] if "" in self.scores else 0
        return total

    @property
    def being_counted(self) -> int:
        """How many accepted answers the scores do not count yet; 0 if some may never be counted any more."""
        if not _TAKEN_AWAY.isdisjoint(self.outcomes.values()):
            return 0
        return max(0, sum(self.answers.values()) - self.counted)

    @property
    def tests(self) -> int:
        """How many of the answers are test answers, which count nowhere."""
        return sum(not counts for counts in self.answers.values())

    @property
    def reasons(self) -> Counter[str]:
        """How many dead letters there are for each reason."""
        return Counter(self.dead_letters.values())

    def result(self, published: int, emails: int) -> dict[str, Any]:
        """Return the counts, with the all-time score of each segment."""
        scores = {
            path: {key: event["windows"]["all"][key] for key in ("n", "promoters", "passives", "detractors", "nps")}
            for path, event in sorted(self.scores.items())
        }
        root = scores.get("", {"promoters": 0, "passives": 0, "detractors": 0})
        return {
            "published": published,
            "accepted": len(self.answers),
            "duplicates": sum(outcome in _DROPPED for outcome in self.outcomes.values()),
            "dead_letters": len(self.dead_letters),
            "promoters": root["promoters"],
            "passives": root["passives"],
            "detractors": root["detractors"],
            "alerts": len(self.alerts),
            "invitations": len(self.invitations),
            "emails": emails,
            "records": dict(sorted(self.records.items())),
            "test_answers": self.tests,
            "scores": scores,
        }


def customer_of(alert: Alert) -> str:
    """Return whom an alert is about, for people. The id of an anonymous answer is long, and names nobody."""
    customer_id = "anonymous" if alert.customer_id.startswith(ANONYMOUS) else alert.customer_id
    return alert.customer.name or customer_id


class Spectator:
    """Reads the public topics from their beginning. `past`: the ids of the answers of the sample history."""

    def __init__(self, settings: Settings, past: Collection[str] = ()) -> None:
        self.seen = Seen(past=past)
        self._topics = {topic_name(settings.topic_prefix, topic): topic for topic in _WATCHED}
        self._consumer = AIOKafkaConsumer(**client_options(settings.kafka), auto_offset_reset="earliest")
        self._places: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()
        for name in self._topics:
            # Until then the client may not know the topic.
            await self._consumer._client._wait_on_metadata(name)
            for partition in self._consumer.partitions_for_topic(name) or ():
                self._places.append(TopicPartition(name, partition))
        self._consumer.assign(self._places)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def follow(self) -> None:
        """Read until cancelled."""
        while True:
            await self._read(timeout_ms=200)

    async def until_past_is_counted(self) -> None:
        """Read until the scores count the sample history."""
        while not self.seen.past_is_counted:
            await self._read(timeout_ms=50)

    async def catch_up(self) -> None:
        """Read all records that are there now."""
        ends = await self._consumer.end_offsets(self._places)
        while any([await self._consumer.position(place) < ends[place] for place in self._places]):
            await self._read(timeout_ms=100)
            await asyncio.sleep(0)

    async def _read(self, timeout_ms: int) -> None:
        for place, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                self.seen.take(self._topics[place.topic], record.value)
