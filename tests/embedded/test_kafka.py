import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from worker.embedded import EmbeddedError
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.kafka import HOST, EmbeddedKafka

SIXTEEN_MB = 16 * 1024 * 1024

PARENT = """
import asyncio, pathlib, sys
from worker.embedded.kafka import EmbeddedKafka

async def main():
    async with EmbeddedKafka(data_dir=pathlib.Path(sys.argv[1])) as broker:
        print(broker.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def _create(broker: EmbeddedKafka, topic: str, **config: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1, topic_configs=config)])
    finally:
        await admin.close()


async def _produce(broker: EmbeddedKafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, enable_idempotence=True, max_request_size=SIXTEEN_MB
    ) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def _consume(broker: EmbeddedKafka, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        group_id=f"readers-of-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=SIXTEEN_MB,
    ) as consumer:
        async with asyncio.timeout(300):
            return [(await consumer.getone()).value for _ in range(count)]


async def test_what_is_produced_is_consumed(kafka: EmbeddedKafka) -> None:
    await _create(kafka, "round-trip")
    await _produce(kafka, "round-trip", b"one", b"two", b"three")
    assert await _consume(kafka, "round-trip", 3) == [b"one", b"two", b"three"]


async def test_a_record_may_have_twelve_megabytes(kafka: EmbeddedKafka) -> None:
    large = os.urandom(12 * 1024 * 1024)
    await _create(kafka, "large", **{"max.message.bytes": str(SIXTEEN_MB)})
    await _produce(kafka, "large", large)
    assert await _consume(kafka, "large", 1) == [large]


async def test_acknowledged_records_outlive_a_crash_and_a_restart(tmp_path: Path) -> None:
    lines: list[str] = []
    async with EmbeddedKafka(data_dir=tmp_path, progress=lines.append) as broker:
        address = broker.bootstrap_servers
        await _create(broker, "kept")
        await _produce(broker, "kept", b"before")
        await broker.kill()
        with pytest.raises(EmbeddedError, match="does not run"):
            _ = broker.pid
        await broker.restart()
        assert address == broker.bootstrap_servers
        await _produce(broker, "kept", b"after")
        assert await _consume(broker, "kept", 2) == [b"before", b"after"]
        assert broker.last_words() is None
        assert broker._process is not None
        os.kill(broker.pid, signal.SIGKILL)
        await broker._process.wait()
        assert (broker.last_words() or "").startswith("Kafka ended with exit code -9:\n")
    assert (tmp_path / "server.properties").exists(), "a directory that was given is kept"
    assert [line.split()[0] for line in lines[-5:]] == ["formatting", "starting", "Kafka", "starting", "Kafka"]


async def test_clients_are_told_the_advertised_port(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as stand_in:
        advertised = stand_in.getsockname()[1]
        async with EmbeddedKafka(advertised_port=advertised) as broker:
            assert broker.bootstrap_servers == f"{HOST}:{advertised}"
            assert broker.port != advertised


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"port {port} of {HOST} is taken"):
            await EmbeddedKafka(port=port).start()


async def test_a_broker_that_does_not_come_up_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.embedded.kafka.JVM_OPTIONS", ("-XX:+NoSuchOption",))
    with pytest.raises(EmbeddedError, match="NoSuchOption"):
        await EmbeddedKafka().start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child that its parent was killed")
async def test_the_broker_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, "-c", PARENT, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    broker = int(await parent.stdout.readline())
    assert _runs(broker)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(300):
        while _runs(broker):  # noqa: ASYNC110 (the kernel sets no event for a process that is not our child)
            await asyncio.sleep(0.02)


async def test_a_child_can_be_interrupted_although_its_parent_ignores_that() -> None:
    asks = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = await asyncio.create_subprocess_exec(
            *dying_with_parent(sys.executable, "-c", asks), stdout=asyncio.subprocess.PIPE
        )
    finally:
        signal.signal(signal.SIGINT, before)
    out, _ = await child.communicate()
    assert out == b"True\n"


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # it is dead, but its new parent has not waited for it yet
