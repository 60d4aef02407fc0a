"""The cases of all customers in memory, as their changelog has them. A task follows the changelog."""

import logging
from collections.abc import Iterable

from aiokafka import ConsumerRecord

from worker.flow.cases.case import alert_ids, decode_cases, remaining
from worker.flow.cases.known import KnownCase
from worker.flow.policy import CasePolicy
from worker.kafka import following, journal
from worker.kafka.rows import PartitionState
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)


class FollowedCases:
    """The cases by the ids of their alerts. It takes about as much memory as the rows of the table of the cases."""

    def __init__(self, kafka: KafkaSettings, changelog: str, policy: CasePolicy) -> None:
        self._kafka = kafka
        self._changelog = changelog
        self._policy = policy
        self._states: dict[int, PartitionState] = {}
        #: The partition and the customer of each alert.
        self._places: dict[str, tuple[int, bytes]] = {}
        self._caught_up = False

    @property
    def ready(self) -> bool:
        """Whether the changelog was read to its end once."""
        return self._caught_up

    def find(self, alert_id: str, now: int) -> KnownCase | None:
        """Return the case of an alert; None if it is not known, or forgotten at the time `now`, in ms."""
        place = self._places.get(alert_id)
        if place is None:
            return None
        partition, customer = place
        cases = remaining(decode_cases(self._states[partition].rows[customer]).cases, now, self._policy)
        return next((KnownCase(customer.decode(), case) for case in cases if case.alert_id == alert_id), None)

    async def follow(self) -> None:
        """Follow the changelog until cancelled. While Kafka does not answer, what is known stays.

        Raise Refused if Kafka does not let the worker in, or does not let it read the changelog.
        """
        await following.follow(self._kafka, self._changelog, self)

    def note_caught_up(self) -> None:
        """Let the cases be looked up."""
        if not self._caught_up:
            log.info("the cases of %d alerts are known", len(self._places))
        self._caught_up = True

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Apply records of the changelog, in the order of each partition."""
        for record in records:
            if record.offset < self.next_offset(record.partition):
                self.forget(record.partition)
            state = self._states.setdefault(record.partition, PartitionState())
            key = record.key or b""
            before = state.rows.get(key)
            state.apply(record.offset, key, record.value, list(record.headers))
            after = state.rows.get(key)
            if after is not before and not journal.keys([key]):
                self._note(record.partition, key, before, after)

    def _note(self, partition: int, customer: bytes, before: bytes | None, after: bytes | None) -> None:
        """Note whose alerts are in a row that has changed."""
        place = partition, customer
        now = set() if after is None else set(alert_ids(after))
        for alert_id in () if before is None else alert_ids(before):
            if alert_id not in now and self._places.get(alert_id) == place:
                del self._places[alert_id]
        for alert_id in now:
            self._places[alert_id] = place

    def next_offset(self, partition: int) -> int:
        """Return the offset of a partition up to which the changelog was read."""
        state = self._states.get(partition)
        return 0 if state is None else state.end

    def forget(self, partition: int) -> None:
        """Forget a partition, since the changelog was deleted and created again."""
        self._states.pop(partition, None)
        self._places = {alert_id: place for alert_id, place in self._places.items() if place[0] != partition}
