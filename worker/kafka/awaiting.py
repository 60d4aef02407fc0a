"""Waiting until a topic exists that another role creates, and Kafka answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from worker.errors import Unreachable
from worker.kafka import reading, topics
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)

#: How long to wait before Kafka is asked again, in seconds.
_RETRY_SECONDS = 1.0

T = TypeVar("T")


async def when_it_exists(
    kafka: KafkaSettings, topic: str, ask: Callable[[reading.Reader, set[int]], Awaitable[T]]
) -> T:
    """Return what `ask` returns of a reader and the topic's partitions, once the topic exists.

    It says nothing in the log: what follows the other topics says that Kafka does not answer. Raise Refused if Kafka
    does not let the worker in, or does not let it read the topic.
    """
    while True:
        try:
            await preflight(kafka)
            async with reading.reader(kafka) as reader:
                if partitions := await reader.partitions(topic):
                    return await ask(reader, partitions)
        except topics.NOT_PERMITTED as error:
            raise topics.not_permitted(error) from error
        except (Unreachable, KafkaError) as error:
            log.debug("%s cannot be used yet: %s", topic, type(error).__name__)
        await asyncio.sleep(_RETRY_SECONDS)
