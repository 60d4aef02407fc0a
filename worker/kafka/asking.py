"""Giving commands: they are written to the topic of the commands, and their answers are awaited."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, TypeVar

from aiokafka import AIOKafkaProducer
from pydantic import ValidationError
from pydantic_core import to_json

from worker.errors import Unreachable
from worker.flow import events
from worker.kafka import reading
from worker.kafka.connection import client_options
from worker.kafka.partitioner import partition_of
from worker.kafka.preflight import preflight
from worker.kafka.topics import NOT_PERMITTED, not_permitted, topic_name
from worker.settings import KafkaSettings

#: How often the topic of the answers is looked at, in seconds.
_LOOK_SECONDS = 0.1


class Answer(Protocol):
    """The answer to a command."""

    @property
    def command_id(self) -> str:
        """The id of the command."""


T = TypeVar("T", bound=Answer)


class Topics(NamedTuple):
    """The full names of the topics of commands and of answers."""

    commands: str
    answers: str


def alert_topics(prefix: str) -> Topics:
    """Return the topics of commands about alerts."""
    return Topics(topic_name(prefix, events.ALERT_COMMANDS), topic_name(prefix, events.ALERT_COMMAND_RESULTS))


def silence_topics(prefix: str) -> Topics:
    """Return the topics of commands about silences."""
    return Topics(topic_name(prefix, events.SILENCE_COMMANDS), topic_name(prefix, events.SILENCE_COMMAND_RESULTS))


async def ask(
    kafka: KafkaSettings,
    topics: Topics,
    key: bytes,
    command: dict[str, Any],
    seconds: float,
    read: Callable[[bytes], T],
) -> T | None:
    """Write a command, and return its answer, whose key is the same; None if there is none after so many seconds.

    `read` makes an answer of a record's value, or raises ValidationError. Raise Unreachable or Refused if Kafka cannot
    be reached or does not permit what is asked for, KafkaError if it does not answer.
    """
    return (await ask_all(kafka, topics, [(key, command)], seconds, read)).get(command["command_id"])


async def ask_all(
    kafka: KafkaSettings,
    topics: Topics,
    commands: Sequence[tuple[bytes, dict[str, Any]]],
    seconds: float,
    read: Callable[[bytes], T],
) -> dict[str, T]:
    """Write commands, each under its key; return the answers that come within so many seconds, by the commands' ids.

    It raises what `ask` raises.
    """
    await preflight(kafka)
    try:
        return await _ask_all(kafka, topics, commands, seconds, read)
    except NOT_PERMITTED as error:
        raise not_permitted(error) from error


async def _ask_all(
    kafka: KafkaSettings,
    topics: Topics,
    commands: Sequence[tuple[bytes, dict[str, Any]]],
    seconds: float,
    read: Callable[[bytes], T],
) -> dict[str, T]:
    wanted = {command["command_id"] for _, command in commands}
    found: dict[str, T] = {}
    async with reading.reader(kafka) as reader:
        known = await reader.partitions(topics.answers)
        if not known:
            # Kafka does not show a topic to users who may not describe it.
            raise Unreachable(f"{topics.answers} does not exist yet, or may not be read: is the role process running?")
        owner = partition_of(len(known))
        partitions = sorted({owner(key) for key, _ in commands})
        places = await reader.ends(topics.answers, partitions)
        await _write(kafka, topics.commands, [(key, to_json(command)) for key, command in commands])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while len(found) < len(wanted) and loop.time() < deadline:
            ends = await reader.ends(topics.answers, partitions)
            spans = {partition: (places[partition], end) for partition, end in ends.items()}
            async with aclosing(reader.read(topics.answers, spans)) as chunks:
                async for records in chunks:
                    for record in records:
                        answer = _answer(record.value, read)
                        if answer is not None and answer.command_id in wanted:
                            found[answer.command_id] = answer
            places = ends
            if len(found) < len(wanted):
                await asyncio.sleep(_LOOK_SECONDS)
    return found


async def _write(kafka: KafkaSettings, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await asyncio.gather(*(producer.send_and_wait(topic, value, key=key) for key, value in records))
    except NOT_PERMITTED as error:
        # Without any permission to write, Kafka refuses the producer, and names no topic.
        raise type(error)(topic) from error
    finally:
        await producer.stop()


def _answer(value: bytes | None, read: Callable[[bytes], T]) -> T | None:
    try:
        return read(value or b"")
    except ValidationError:
        return None  # another program has written it
