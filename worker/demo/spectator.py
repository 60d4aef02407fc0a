"""The spectator: reads what the worker publishes, as any receiver would, and keeps count by id."""

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.alert import Alert
from schemas.decision import Outcome
from worker.flow import events
from worker.kafka.connection import client_options
from worker.kafka.topics import topic_name
from worker.notify.notice import Notice, notice_in
from worker.settings import Settings

_WATCHED = (events.DECISIONS, events.ALERTS, events.INVITATIONS, events.DEAD_LETTERS, events.SCORES)
_LATEST_ALERTS = 8
_ANSWERS = {Outcome.ACCEPTED, Outcome.REVISED, Outcome.TEST}
#: Beside the outcomes of decisions.
DEAD_LETTER = "dead_letter"
#: Outcomes after which fewer answers count than were accepted.
_TAKEN_AWAY = {Outcome.FORGOTTEN, Outcome.MOVED, Outcome.ERASED, Outcome.DOUBLE_CLICK, Outcome.SUSPECT_SCANNER}
_DROPPED = {Outcome.DUPLICATE, Outcome.SUPERSEDED}


@dataclass
class Seen:
    """What was seen so far; by id, so that a repeat counts once. `answers`: whether each is counted, by response.

    `too_old`: how many decisions raised no alert for an answer that is older than `alerts.max_age_days`.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    answers: dict[str, bool] = field(default_factory=dict)
    too_old: int = 0
    dead_letters: dict[str, str] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)
    invitations: set[str] = field(default_factory=set)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    latest: deque[Notice] = field(default_factory=lambda: deque(maxlen=_LATEST_ALERTS))

    def take(self, topic: str, value: bytes | None) -> None:
        """Take in one record's value; a null erases and is not counted."""
        if value is None:
            return
        event = json.loads(value)
        if topic == events.DECISIONS:
            self.outcomes[event["decision_id"]] = event["outcome"]
            if event["outcome"] in _ANSWERS:
                self.answers[event["response_id"]] = event["outcome"] != Outcome.TEST
            self.too_old += any(rule["reason"] == "too_old" for rule in event["rules"])
        elif topic == events.ALERTS:
            told = notice_in(value)
            self.latest.appendleft(told)
            if isinstance(told, Alert):
                self.alerts.add(told.alert_id)
        elif topic == events.INVITATIONS:
            self.invitations.add(event["invitation_id"])
        elif topic == events.DEAD_LETTERS:
            self.dead_letters[event["dead_letter_id"]] = event["reason"]
        elif topic == events.SCORES:
            self.scores[event["segment"]] = event

    @property
    def records(self) -> Counter[str]:
        """What became of the records that were published: outcomes, and dead letters. It adds up to their number."""
        return Counter(self.outcomes.values()) + Counter({DEAD_LETTER: len(self.dead_letters)})

    @property
    def counted(self) -> int:
        """How many answers the scores of everything together count."""
        total: int = self.scores[""]["windows"]["all"]["n"] if "" in self.scores else 0
        return total

    @property
    def being_counted(self) -> int:
        """How many accepted answers the scores do not count yet; 0 where some may have been taken away for good."""
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


class Spectator:
    """Follows the public topics from their beginning."""

    def __init__(self, settings: Settings) -> None:
        self.seen = Seen()
        self._topics = {topic_name(settings.topic_prefix, topic): topic for topic in _WATCHED}
        self._consumer = AIOKafkaConsumer(**client_options(settings.kafka), auto_offset_reset="earliest")
        self._places: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()
        for name in self._topics:
            # Before this the client may know nothing of the topic.
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

    async def catch_up(self) -> None:
        """Read what is there now."""
        ends = await self._consumer.end_offsets(self._places)
        while any([await self._consumer.position(place) < ends[place] for place in self._places]):
            await self._read(timeout_ms=100)
            await asyncio.sleep(0)

    async def _read(self, timeout_ms: int) -> None:
        for place, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                self.seen.take(self._topics[place.topic], record.value)
