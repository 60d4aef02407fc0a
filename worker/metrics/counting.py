"""Counting what the worker has published, and what servers have accepted. Pure.

Records are counted once Kafka has acknowledged them. Only the fields that are counted are read.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from schemas.alert import Alert, AlertAction
from schemas.case import CASE
from schemas.cloudevents import Headers
from schemas.decision import Outcome
from worker.flow import events
from worker.flow.timestamps import to_ms
from worker.metrics import catalogue, words
from worker.metrics.figures import Figures
from worker.notify.digest import Content
from worker.notify.mailbox import Mail

#: Key, value, headers, timestamp in ms.
Sent = tuple[bytes | None, bytes | None, Headers, int | None]

#: The kind of alerts about unhappy customers. Other events on the same topic have other kinds.
_DETRACTOR = "detractor"


#: How many different decisions are kept until what their rules say is read. There are few of them; only figures differ.
_MOST_KEPT = 1_000
_NO_RULES = msgspec.Raw(b"[]")


class _Rule(msgspec.Struct):
    rule: str
    verdict: str
    reason: str


class _Decision(msgspec.Struct, frozen=True):
    """A decision. What the rules say is read later, once for all decisions in which they say the same."""

    outcome: str
    category: str | None = None
    rules: msgspec.Raw = _NO_RULES


class _Alert(msgspec.Struct):
    """An alert, an incident, or a step of a case."""

    kind: str
    action: str
    severity: str
    occurred_at: datetime


class _DeadLetter(msgspec.Struct):
    topic: str
    reason: str


class _Delivery(msgspec.Struct):
    channel: str
    status: str
    reason: str


_read_decision = msgspec.json.Decoder(_Decision).decode
_read_rules = msgspec.json.Decoder(list[_Rule]).decode
_read_alert = msgspec.json.Decoder(_Alert).decode
_read_dead_letter = msgspec.json.Decoder(_DeadLetter).decode
_read_delivery = msgspec.json.Decoder(_Delivery).decode


class Counting:
    """Counts records by their topics. `topic_name` returns a topic's full name; `now` the time in ms."""

    def __init__(self, figures: Figures, topic_name: Callable[[str], str], now: Callable[[], int]) -> None:
        self._figures = figures
        self._now = now
        # The number of decisions by outcome, category and what the rules say, which `settle` adds to the figures.
        self._decisions: dict[tuple[str, str | None, bytes], int] = {}
        self._written = {topic_name(topic): topic for topic in words.WRITTEN_BY_OTHERS}
        self._count_of = {
            topic_name(events.DECISIONS): self._decision,
            topic_name(events.ALERTS): self._alert,
            topic_name(events.INVITATIONS): self._invitation,
            topic_name(events.DEAD_LETTERS): self._dead_letter,
            topic_name(events.DELIVERIES): self._delivery,
        }

    def sent(self, topic: str, records: Iterable[Sent]) -> None:
        """Count records that Kafka has acknowledged. A null value erases something, and is not counted."""
        count = self._count_of.get(topic)
        if count is None:
            return
        for _key, value, _headers, _timestamp in records:
            if value is not None:
                count(value)

    def accepted(self, channel: str, mail: Mail, content: Content) -> None:
        """Count how long a notice took that a server has accepted, if it tells of a new alert and nothing held it back.

        The content of a mail is that of the newest step of its alert. The mail was planned after the first one.
        """
        if isinstance(content, Alert) and mail.action == AlertAction.OPENED and not (mail.quiet or mail.silence):
            since = min(to_ms(content.occurred_at), mail.planned)
            self._figures.observe(catalogue.TO_DELIVERY, (channel,), (self._now() - since) / 1_000)

    def _decision(self, value: bytes) -> None:
        decision = _read_decision(value)
        key = decision.outcome, decision.category, bytes(decision.rules)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        if len(self._decisions) >= _MOST_KEPT:
            self.settle()

    def settle(self) -> None:
        """Add the decisions to the figures. There are many, and most are like others, so they are added together."""
        decisions, self._decisions = self._decisions, {}
        for (outcome, category, rules), count in decisions.items():
            self._figures.add(catalogue.RESPONSES, (outcome,), count)
            if outcome == Outcome.ACCEPTED and category is not None:
                self._figures.add(catalogue.ANSWERS, (category,), count)
            for rule in _read_rules(rules):
                labels = words.rule_decision(rule.rule, rule.verdict, rule.reason)
                self._figures.add(catalogue.RULE_DECISIONS, labels, count)

    def _alert(self, value: bytes) -> None:
        alert = _read_alert(value)
        if alert.kind == CASE:
            self._figures.add(catalogue.CASE_STEPS, (alert.severity, alert.action))
        elif alert.kind != _DETRACTOR:
            self._figures.add(catalogue.INCIDENTS, (alert.kind, alert.severity, alert.action))
        else:
            self._figures.add(catalogue.ALERTS, (alert.severity, alert.action))
            if alert.action == AlertAction.OPENED:
                seconds = (self._now() - to_ms(alert.occurred_at)) / 1_000
                self._figures.observe(catalogue.TO_ALERT, (), seconds)

    def _invitation(self, _value: bytes) -> None:
        self._figures.add(catalogue.INVITATIONS)

    def _dead_letter(self, value: bytes) -> None:
        letter = _read_dead_letter(value)
        topic = self._written.get(letter.topic, words.OTHER)
        self._figures.add(catalogue.DEAD_LETTERS, (topic, letter.reason))

    def _delivery(self, value: bytes) -> None:
        line = _read_delivery(value)
        self._figures.add(catalogue.DELIVERIES, (line.channel, *words.delivery(line.status, line.reason)))
