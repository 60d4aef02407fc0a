"""The latest scores of each segment, as nps.scores has them."""

from contextlib import aclosing

from schemas.scores import Scores
from worker.settings import KafkaSettings
from worker.streams import reading
from worker.streams.reach import reach


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
