"""Preparation for the embedded Kafka, before its first start: `python -m worker.embedded.prepare`.

It downloads Kafka's jars if they are missing. If there is no cache of Kafka's classes yet (`worker.embedded.aot`), and
this Java can have one, it lets Java write the cache. That takes about fifteen seconds, once on a machine. Each later
start takes half the time.
"""

import asyncio
import contextlib
import logging
import os
import signal
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from worker.embedded.aot import cache_file
from worker.embedded.jars import class_path
from worker.embedded.java import find_java
from worker.embedded.kafka import JVM_OPTIONS, EmbeddedKafka

#: How long Kafka may take to end and Java to write the cache, in seconds. A few seconds are usual.
_WRITING_SECONDS = 180.0
_TOPIC = "trained"


async def prepare() -> None:
    """Download the jars and write the cache, if they are missing. Raise EmbeddedError as a start of Kafka does."""
    jars = await asyncio.to_thread(class_path, _say)
    file = cache_file(find_java(), jars, JVM_OPTIONS)
    if file is None or file.is_file():
        return
    _say("preparing Apache Kafka for faster starts; this is done once")
    # The file has another name until it is complete, since another process may read or write the cache meanwhile.
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f"{file.name}.") as room:
        written = Path(room) / file.name
        kafka = EmbeddedKafka(java_options=(f"-XX:AOTCacheOutput={written}",))
        await kafka.start()
        try:
            await _use(kafka.bootstrap_servers)
            os.kill(kafka.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kafka.ended(), _WRITING_SECONDS)
        finally:
            await kafka.stop()
        if written.is_file():
            written.replace(file)
        else:
            _say(f"Java wrote no cache within {_WRITING_SECONDS:.0f} s; Kafka will start without it")


async def _use(servers: str) -> None:
    """Do once what the demo and the tests do often, so that the cache has the classes that this needs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(_TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        await producer.send_and_wait(_TOPIC, b"once")
    async with AIOKafkaConsumer(
        _TOPIC, bootstrap_servers=servers, group_id=_TOPIC, auto_offset_reset="earliest"
    ) as consumer:
        await consumer.getone()
        await consumer.commit()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (a command line prints)


if __name__ == "__main__":
    # A broker that has just started refuses a few requests. aiokafka tries them again, but logs each refusal.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(prepare())
