"""The latest scores of each segment, as nps.scores has them."""

from collections.abc import Mapping
from contextlib import aclosing

from schemas.scores import Scores
from worker.settings import KafkaSettings
from worker.streams import reading
from worker.streams.reach import reach


def by_customer(scores: Mapping[str, Scores], window: str) -> dict[str, Scores]:
    """Return scores whose windows count each customer once; only those of segments that have the one named."""
    found = {path: each.latest_per_customer or {} for path, each in scores.items()}
    return {
        path: scores[path].model_copy(update={"windows": windows})
        for path, windows in found.items()
        if window in windows
    }


async def latest(kafka: KafkaSettings, topic: str) -> dict[str, Scores]:
    """Return the scores by path; none if the topic is not there yet.

    Raise Unreachable or Refused if Kafka does not let the worker in, KafkaError if it does not answer later.
    """
    await reach(kafka)
    last: dict[bytes, bytes | None] = {}
    async with reading.reader(kafka) as reader:
        ends = await reader.ends(topic, await reader.partitions(topic))
        async with aclosing(reader.read(topic, {number: (0, end) for number, end in ends.items()})) as pieces:
            async for records in pieces:
                last.update({record.key or b"": record.value for record in records})
    found = [Scores.model_validate_json(value) for value in last.values() if value is not None]
    return {scores.segment: scores for scores in found}
