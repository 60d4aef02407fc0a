"""The latest scores of each segment, read from nps.scores."""

import logging
from collections.abc import Mapping
from contextlib import aclosing

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from schemas.scores import Scores
from worker.kafka import reading
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)


def by_customer(scores: Mapping[str, Scores], window: str) -> dict[str, Scores]:
    """Return the scores in whose windows each customer counts once.

    `scores`: by path. A segment that does not have the window `window` is left out.
    """
    found = {path: each.latest_per_customer or {} for path, each in scores.items()}
    return {
        path: scores[path].model_copy(update={"windows": windows})
        for path, windows in found.items()
        if window in windows
    }


async def latest(kafka: KafkaSettings, topic: str) -> dict[str, Scores]:
    """Return the scores by path; an empty dictionary if the topic does not exist yet.

    `topic`: its full name. Raise Unreachable or Refused if Kafka does not let the worker in, KafkaError if it does not
    answer later.
    """
    await preflight(kafka)
    last: dict[bytes, ConsumerRecord] = {}
    async with reading.reader(kafka) as reader:
        ends = await reader.ends(topic, await reader.partitions(topic))
        async with aclosing(reader.read(topic, {partition: (0, end) for partition, end in ends.items()})) as pieces:
            async for records in pieces:
                for record in records:
                    key = record.key or b""
                    # A record that somebody else has written may be in another partition, so the time decides.
                    if key not in last or record.timestamp >= last[key].timestamp:
                        last[key] = record
    found = [scores for record in last.values() if (scores := _read(record)) is not None]
    return {scores.segment: scores for scores in found}


def _read(record: ConsumerRecord) -> Scores | None:
    if record.value is None:
        return None
    try:
        return Scores.model_validate_json(record.value)
    except ValidationError:
        place = record.topic, record.partition, record.offset
        log.warning(
            "%s, partition %d, offset %d: this version cannot read the record's scores, and leaves the record out",
            *place,
        )
        return None
