"""Who owns a topic prefix: one consumer group, named by a claim on an internal topic of one partition.

Two groups on one prefix would each read every response and every alert, so every mail would go out twice. The first
worker that starts writes a claim. Then every worker reads the topic from its beginning, and the first valid claim
counts, so that two workers which start at once agree. A later claim counts only if it names the claim that it
supersedes, and that one is in force: so of two operators who take over at once, the first in the log's order does.

The claim also holds a secret that nobody learns who cannot read this topic. It is what authenticates the headers that
the worker gives itself, and what keeps hashes of identifiers from being guessed. A claim that supersedes keeps it.
"""

import logging
import secrets
from collections.abc import Iterable
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from worker.kafka import reading
from worker.kafka.connection import client_options
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)

#: What follows the prefix in the topic's name.
TOPIC = "worker"
_PARTITION = 0
_SECRET_BYTES = 32


class Claim(msgspec.Struct, frozen=True):
    """One record of the topic, as JSON. `supersedes`: the offset of the claim whose place it takes."""

    group: str
    secret: bytes
    supersedes: int | None = None


class Owner(NamedTuple):
    """The claim that is in force, and its offset."""

    claim: Claim
    offset: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Claim).decode


def in_force(records: Iterable[ConsumerRecord]) -> Owner | None:
    """Return the claim that counts among the topic's records, which are in the log's order; None if there is none."""
    owner: Owner | None = None
    strays: list[ConsumerRecord] = []
    for record in records:
        claim = _read(record)
        if claim is None:
            strays.append(record)
        elif owner is None or claim.supersedes == owner.offset:
            owner = Owner(claim, record.offset)
    if strays:
        last = strays[-1]
        log.warning(
            "%s: %d records are not claims of ownership and are skipped; the last one is at partition %d, offset %d",
            *(last.topic, len(strays), last.partition, last.offset),
        )
    return owner


def _read(record: ConsumerRecord) -> Claim | None:
    try:
        claim = _decode(record.value or b"")
    except msgspec.MsgspecError:
        return None
    return claim if claim.group and len(claim.secret) == _SECRET_BYTES else None


async def owner_of(kafka: KafkaSettings, topic: str) -> Owner | None:
    """Return the claim in force on the topic; None if there is none. Raise KafkaError if Kafka does not answer."""
    async with reading.reader(kafka) as reader:
        ends = await reader.ends(topic, [_PARTITION])
        found: list[ConsumerRecord] = []
        async with aclosing(reader.read(topic, {_PARTITION: (0, ends[_PARTITION])})) as pieces:
            async for records in pieces:
                found += records
    return in_force(found)


async def claim(kafka: KafkaSettings, topic: str) -> Claim:
    """Return the claim in force; claim the topic for `kafka.group` if nobody has. Raise KafkaError as `owner_of`."""
    owner = await owner_of(kafka, topic)
    if owner is None:
        await _write(kafka, topic, Claim(kafka.group, secrets.token_bytes(_SECRET_BYTES)))
        owner = await owner_of(kafka, topic)
    assert owner is not None, "a claim was acknowledged"
    return owner.claim


async def take_over(kafka: KafkaSettings, topic: str, owner: Owner) -> Claim:
    """Claim the topic for `kafka.group` in place of its owner; return the claim that is in force then."""
    await _write(kafka, topic, Claim(kafka.group, owner.claim.secret, owner.offset))
    return await claim(kafka, topic)


async def _write(kafka: KafkaSettings, topic: str, claim: Claim) -> None:
    producer = AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, _encode(claim), partition=_PARTITION)
    finally:
        await producer.stop()
