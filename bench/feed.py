"""What all contenders read: responses as a survey tool publishes them, the same at each run."""

import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from worker.kafka.partitioner import partition_of

_DESKS = ("delivery", "support", "sales")
_COMMENTS = (
    None,
    "Livraison en retard, personne ne répond.",
    "Very helpful support team",
    "Produit correct mais un peu cher",
    "Great product, fast delivery",
    "Le service client ne rappelle jamais",
)
#: Per score 0 to 10: a quarter are detractors.
_WEIGHTS = (1, 1, 1, 2, 2, 3, 4, 8, 10, 12, 14)
#: Nobody but detractors.
DETRACTORS = (1,) * 7 + (0,) * 4
_LATE_SHARE = 0.05
_LATE = timedelta(hours=3)
_PACE = timedelta(seconds=2)
_PRODUCE_BYTES = 500_000

#: As the worker wants its topics.
_STAMPED = {"message.timestamp.type": "LogAppendTime"}

_encode = msgspec.json.Encoder().encode


class Feed(NamedTuple):
    """`segments`: how many leaves the tree has; with 60 leaves in 20 shops it has 82 nodes.

    `known`: the number of customers who answer once each before the others answer.
    """

    events: int
    customers: int = 50_000
    known: int = 0
    segments: int = 60
    partitions: int = 4
    seed: int = 1
    weights: Sequence[int] = _WEIGHTS

    def responses(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of each."""
        rng = random.Random(self.seed)  # noqa: S311 - the same at each run
        leaves = [["fr", f"shop-{leaf // len(_DESKS)}", _DESKS[leaf % len(_DESKS)]] for leaf in range(self.segments)]
        scores = rng.choices(range(11), self.weights, k=self.events)
        began = datetime.now(UTC) - self.events * _PACE - timedelta(days=1)
        for number, score in enumerate(scores):
            customer = f"c-{number if number < self.known else rng.randrange(self.customers)}"
            late = _LATE if rng.random() < _LATE_SHARE else timedelta()
            yield (
                customer.encode(),
                _encode(
                    {
                        "response_id": f"r-{number:08d}",
                        "survey_id": "nps-2026",
                        "customer_id": customer,
                        "score": score,
                        "comment": rng.choice(_COMMENTS),
                        "language": "fr",
                        "responded_at": (began + number * _PACE - late).isoformat(timespec="seconds"),
                        "segment": rng.choice(leaves),
                        "customer": {"email": f"{customer}@example.com"},
                        "consent": {"public_review": number % 5 == 0},
                    }
                ),
            )


async def create(kafka: str, partitions: int, *topics: str) -> None:
    """Make topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=_STAMPED) for topic in topics])
    finally:
        await admin.close()


async def publish(kafka: str, topic: str, feed: Feed) -> float:
    """Make the topic and publish a feed to it; return the seconds it took."""
    began = time.perf_counter()
    await create(kafka, feed.partitions, topic)
    owner = lru_cache(maxsize=None)(partition_of(feed.partitions))
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=_PRODUCE_BYTES)
    async with producer:
        await producer.client._wait_on_metadata(topic)  # noqa: SLF001 - aiokafka loads one topic's metadata so only
        open_batches: dict[int, Any] = {}
        for key, value in feed.responses():
            number = owner(key)
            batch = open_batches.get(number)
            while batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    await producer.send_batch(batch, topic, partition=number)
                batch = open_batches[number] = producer.create_batch()
        for number, batch in open_batches.items():
            await producer.send_batch(batch, topic, partition=number)
        await producer.flush()
    return time.perf_counter() - began
