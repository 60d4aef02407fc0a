"""The owner of a topic prefix: one consumer group, which has written a claim to an internal topic of one partition.

Two groups on one prefix would each read every response and every alert, so every mail would be sent twice. The first
worker that starts writes a claim. Then every worker reads the topic from its beginning, and the first valid claim
counts, so that two workers which start at the same time agree. A later claim counts only if it names the claim that it
supersedes, and that claim is in force. So if two operators take over at the same time, the first claim on the topic
counts.

The claim also holds a secret, which only those know who can read this topic. The worker authenticates its own headers
with it, and mixes it into hashes of identifiers, so that nobody can guess them. A claim that supersedes another one
keeps its secret.
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

#: The topic's name without the prefix.
TOPIC = "worker"
_PARTITION = 0
_SECRET_BYTES = 32


class Claim(msgspec.Struct, frozen=True):
    """One record of the topic, as JSON."""

    group: str
    secret: bytes
    #: The offset of the claim that this one replaces.
    supersedes: int | None = None


class Owner(NamedTuple):
    """The claim that is in force, and its offset."""

    claim: Claim
    offset: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Claim).decode


def in_force(records: Iterable[ConsumerRecord]) -> Owner | None:
    """Return the claim that counts among the topic's records, given in their order; None if no claim does."""
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
    """Return the claim in force on the topic; None if no claim is. Raise KafkaError if Kafka does not answer."""
    async with reading.reader(kafka) as reader:
        ends = await reader.ends(topic, [_PARTITION])
        found: list[ConsumerRecord] = []
        async with aclosing(reader.read(topic, {_PARTITION: (0, ends[_PARTITION])})) as chunks:
            async for records in chunks:
                found += records
    return in_force(found)


async def claim(kafka: KafkaSettings, topic: str) -> Claim:
    """Return the claim in force, after claiming a topic without an owner for `kafka.group`.

    Raise KafkaError if Kafka does not answer.
    """
    owner = await owner_of(kafka, topic)
    if owner is None:
        await _write(kafka, topic, Claim(kafka.group, secrets.token_bytes(_SECRET_BYTES)))
        owner = await owner_of(kafka, topic)
    assert owner is not None, "a claim was acknowledged"
    return owner.claim


async def take_over(kafka: KafkaSettings, topic: str, owner: Owner) -> Claim:
    """Claim the topic for `kafka.group` in place of its owner; return the claim that is in force afterwards."""
    await _write(kafka, topic, Claim(kafka.group, owner.claim.secret, owner.offset))
    return await claim(kafka, topic)


async def _write(kafka: KafkaSettings, topic: str, claim: Claim) -> None:
    producer = AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, _encode(claim), partition=_PARTITION)
    finally:
        await producer.stop()
