"""The services of the role web that follow topics, and see how old the board is."""

import asyncio
from collections.abc import Collection, Iterable
from functools import partial

from aiokafka.errors import KafkaError

from worker.board.board import Board
from worker.clock import Clock
from worker.errors import Unreachable
from worker.kafka import following, reading, topics
from worker.kafka.preflight import preflight
from worker.service import Background, Service
from worker.settings import KafkaSettings, Settings
from worker.web.following.followed import Followed, Source
from worker.web.following.sources import cases_source, sources

#: How often Kafka is asked for the ends of the topics, and how long to wait if it has not answered, in seconds.
_LOOK_SECONDS = 2.0


def following_all(settings: Settings, board: Board, clock: Clock) -> list[Service]:
    """Return what fills the whole board."""
    return _services(settings.kafka, sources(settings, board), board, clock)


def following_cases(settings: Settings, board: Board, clock: Clock) -> list[Service]:
    """Return what fills the cases alone, for a role that serves the pages of links and no other page."""
    return _services(settings.kafka, [cases_source(settings, board)], board, clock)


def _services(kafka: KafkaSettings, found: Iterable[Source], board: Board, clock: Clock) -> list[Service]:
    followed = [Followed(source, board.known_at, clock) for source in found]
    tasks = [Background(partial(following.follow, kafka, one.source.topic, one, one.source.newest)) for one in followed]
    return [*tasks, Background(partial(look_at_ends, kafka, followed, clock))]


async def look_at_ends(kafka: KafkaSettings, followed: Collection[Followed], clock: Clock) -> None:
    """Ask Kafka for the ends of topics again and again, so that it is known how old the data is, until cancelled.

    While Kafka does not answer, the data grows older; those who follow the topics say so in the log. Raise Refused if
    Kafka does not let the worker in.
    """
    while True:
        try:
            await preflight(kafka)
            async with reading.reader(kafka) as reader:
                while True:
                    await _look(reader, followed, clock.now())
                    await asyncio.sleep(_LOOK_SECONDS)
        except topics.NOT_PERMITTED as error:
            raise topics.not_permitted(error) from error
        except (Unreachable, KafkaError):
            await asyncio.sleep(_LOOK_SECONDS)


async def _look(reader: reading.Reader, followed: Iterable[Followed], now: int) -> None:
    ready = {one.source.topic: one for one in followed if one.caught_up}
    ends = await reader.ends_of({topic: one.partitions for topic, one in ready.items()}) if ready else {}
    for topic, found in ends.items():
        ready[topic].note_ends(now, found)
