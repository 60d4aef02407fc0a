"""Sending many records as few: one produce batch per topic and partition, and one acknowledgement to wait for."""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import KafkaError
from faust import App

from schemas.cloudevents import Headers
from worker.errors import StateNotDurable

#: Key, value, headers, timestamp in ms (None: now).
Sendable = tuple[bytes | None, bytes | None, Headers, int | None]


class Sender:
    """Sends through the app's producer. Every call returns once the broker has acknowledged."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, batches: Iterable[tuple[str, int, list[Sendable]]]) -> None:
        """Send records for (topic, partition), in order within each.

        Raise StateNotDurable if any is not acknowledged.
        """
        faust_producer: Any = self._app.producer
        producer = faust_producer._ensure_producer()
        try:
            pending = [
                await producer.send_batch(built, topic, partition=partition)
                for topic, partition, records in batches
                for built in _built(producer, records)
            ]
            await asyncio.gather(*pending)
        except KafkaError as error:
            raise StateNotDurable(f"the broker did not acknowledge: {type(error).__name__}") from error


def _built(producer: Any, records: Iterable[Sendable]) -> Iterable[Any]:
    """Pack records into as few produce batches as fit. A batch always takes its first record, however large."""
    batch = producer.create_batch()
    for key, value, headers, timestamp in records:
        while batch.append(key=key, value=value, timestamp=timestamp, headers=headers) is None:
            yield batch
            batch = producer.create_batch()
    if batch.record_count():
        batch.close()
        yield batch
