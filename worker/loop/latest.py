"""The latest event of each recovery, read from nps.recoveries."""

from collections.abc import Iterable
from contextlib import aclosing
from typing import Protocol

from pydantic import ValidationError

from schemas.recovery import Recovery
from worker.flow.timestamps import to_ms
from worker.kafka import reading
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings


class _Record(Protocol):
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


def newest(records: Iterable[_Record]) -> dict[str, Recovery]:
    """Return the last event of each recovery by its id. The records of each customer are in their order.

    A null value erases a customer. A record that another program has written is left out.
    """
    found: dict[bytes, dict[str, Recovery]] = {}
    for record in records:
        key = record.key or b""
        if record.value is None:
            found.pop(key, None)
            continue
        try:
            recovery = Recovery.model_validate_json(record.value)
        except ValidationError:
            continue
        found.setdefault(key, {})[recovery.recovery_id] = recovery
    return {recovery_id: recovery for of_customer in found.values() for recovery_id, recovery in of_customer.items()}


async def recoveries(kafka: KafkaSettings, topic: str, since: int) -> list[Recovery] | None:
    """Return the recoveries of cases that were opened, or reopened, at a time, in ms, or later.

    `topic`: its full name. Return None if it does not exist yet. Raise Unreachable or Refused if Kafka does not let the
    worker in, KafkaError if it does not answer later.
    """
    await preflight(kafka)
    read: list[_Record] = []
    async with reading.reader(kafka) as reader:
        partitions = await reader.partitions(topic)
        if not partitions:
            return None
        starts = await reader.from_time(topic, partitions, since)
        ends = await reader.ends(topic, partitions)
        spans = {partition: (first, ends[partition]) for partition, first in starts.items()}
        async with aclosing(reader.read(topic, spans)) as chunks:
            async for records in chunks:
                read += records
    return [one for one in newest(read).values() if to_ms(one.opened_at) >= since]
