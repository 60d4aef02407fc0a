"""What examples/ holds works as it stands, on a real Kafka and with a running worker."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from integration.conftest import StartBench

from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.jars import class_path

EXAMPLES = Path(__file__).parents[2] / "examples"


@asynccontextmanager
async def example(*command: str) -> AsyncIterator[Process]:
    """Start an example; at the end it is gone."""
    process = await asyncio.create_subprocess_exec(*dying_with_parent(*command), stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(*command: str) -> int | None:
    """Run an example to its end and return the exit code."""
    async with example(*command) as process:
        return await process.wait()


def python(name: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, str(EXAMPLES / name), *arguments


async def test_what_the_producer_publishes_reaches_the_consumer_as_an_alert_once(bench: StartBench) -> None:
    async with bench() as running:
        servers, prefix = running.settings.kafka.bootstrap_servers, running.settings.topic_prefix
        publish = python("producer.py", servers, f"{prefix}.responses")
        assert await run(*publish) == 0
        await running.settle()
        # What a crash of the worker may repeat is not handled again.
        (alert,) = await running.read("alerts")
        await running.producer.send_and_wait(alert.topic, alert.value, key=alert.key, headers=list(alert.headers))
        await running.publish(None, b"c-1")

        async with example(*python("consumer.py", servers, f"{prefix}.alerts", f"{prefix}-list")) as consumer:
            assert consumer.stdout is not None
            lines = [(await consumer.stdout.readline()).decode().rstrip() for _ in range(2)]

    assert lines == [
        "opened: critical alert about customer c-1: Score 2 at the root segment",
        "erase what is kept of customer c-1",
    ]


@pytest.mark.skipif(shutil.which("javac") is None, reason="this machine has no JDK")
async def test_what_the_producer_in_java_publishes_is_accepted(bench: StartBench) -> None:
    async with bench() as running:
        servers, prefix = running.settings.kafka.bootstrap_servers, running.settings.topic_prefix
        java = ("java", "-cp", class_path(print), str(EXAMPLES / "Producer.java"), servers, f"{prefix}.responses")
        assert await run(*java) == 0
        await running.settle()
        decisions = [record.key for record in await running.read("decisions")]

    assert decisions == [b"c-2"]
