"""Whatever fails ends the process, soon and with the right exit code: nothing in it can keep it alive."""

import asyncio
import signal
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from integration.processes import environment, start_worker, worker_process

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

#: From the failure: three seconds for the stop, one more if the event loop is blocked, three for what is left over. And
#: some for a busy machine.
_SOON_SECONDS = 12.0

#: What is out of order (broken.py), and what the last line says of it.
_FAILURES = {
    "fetcher_raises": "Faust stopped: KafkaError",
    "thread_raises": "Faust stopped: RuntimeError",
    "start_raises": "RuntimeError",
    "topics_raise": "stopped by a bug",
    "start_cancelled": "was cancelled, although nobody asked for a stop",
    "cancelled": "the writing of the status file was cancelled, although nobody asked for a stop",
    "stubborn": "the worker has stopped, but a part of its process does not end",
    "thread_stays": "the worker has stopped, but a part of its process does not end",
    "loop_blocked": "stopped at once: a bug (RuntimeError)",
}


async def ends(broken: str, env: dict[str, str]) -> list[str]:
    """Start a worker in which something breaks; return what it said, once it has ended with exit code 1."""
    process = await start_worker("run", env={**env, "BROKEN": broken}, module="integration.broken")
    try:
        began = time.monotonic()
        async with asyncio.timeout(60):
            code = await process.exited()
    finally:
        await process.end(signal.SIGKILL)
    assert code == 1, process.lines
    assert time.monotonic() - began < _SOON_SECONDS + 10, process.lines  # and the start
    return process.lines


@pytest.mark.parametrize("broken", _FAILURES)
async def test_a_failure_of_any_kind_ends_the_process(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, broken: str
) -> None:
    name = f"ending-{broken.replace('_', '-')}"
    lines = await ends(broken, environment(kafka.bootstrap_servers, inbox, name, tmp_path))

    critical = [line for line in lines if '"critical"' in line]
    assert any(_FAILURES[broken] in line for line in critical), lines
    assert not any("broken on purpose" in line for line in critical)


@pytest.mark.thorough
async def test_poison_that_meets_the_worker_at_each_start_ends_each_start(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    """What cannot be read comes while the group is being joined: before, at, or after the end of the start."""
    env = environment(kafka.bootstrap_servers, inbox, "ending-poison", tmp_path)
    async with worker_process("run", env=env) as process:
        await process.said("started")
        assert await process.end() == 0
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, compression_type="lz4") as producer:
        await producer.send_and_wait("ending-poison.responses", b"x" * 200, key=b"c")
    for _ in range(5):
        lines = await ends("codec_missing", env)
        critical = [line for line in lines if '"critical"' in line]
        assert any("UnsupportedCodecError" in line for line in critical), lines


async def test_a_reader_whose_fetching_has_ended_is_not_waited_for(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    """Before there is a worker at all: it says so, and tries again."""
    env = {**environment(kafka.bootstrap_servers, inbox, "ending-reader", tmp_path), "BROKEN": "reader_raises"}
    process = await start_worker("run", env=env, module="integration.broken")
    try:
        async with asyncio.timeout(60):
            await process.said("trying again")
            assert await process.end() == 0
    finally:
        await process.end(signal.SIGKILL)


async def test_a_task_that_takes_no_notice_does_not_keep_a_worker_from_a_clean_end(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    env = {**environment(kafka.bootstrap_servers, inbox, "ending-clean", tmp_path), "BROKEN": "stubborn_stop"}
    process = await start_worker("run", env=env, module="integration.broken")
    try:
        await process.said("started")
        began = time.monotonic()
        async with asyncio.timeout(30):
            assert await process.end() == 0
    finally:
        await process.end(signal.SIGKILL)
    assert time.monotonic() - began < _SOON_SECONDS
    assert process.count("all batches are finished, and their offsets are committed") == 1


@pytest.mark.parametrize(("command", "code"), [("run", 0), ("publish", -signal.SIGTERM)])
async def test_a_worker_that_is_asked_to_stop_while_it_imports_has_not_crashed(
    tmp_path: Path, command: str, code: int
) -> None:
    """A command that was to do something, and did not, ends as it would without a handler."""
    (tmp_path / "argparse.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    async with worker_process(command, "file", env={"PYTHONPATH": path}) as process:
        await process.said("importing")
        assert await process.end(signal.SIGTERM) == code
    assert process.lines == ["importing"]


async def test_a_hangup_asks_for_new_secrets_and_does_not_end_a_worker(tmp_path: Path) -> None:
    """The role web needs no Kafka, and has nothing to renew."""
    (tmp_path / "keys").write_text("a key of a test, which is not secret\n")
    variables = {"NPS_WEB__KEYS_FILE": str(tmp_path / "keys"), "NPS_WEB__PORT": "0"}
    async with worker_process("run", "--role", "web", env=variables) as process:
        await process.said("started: role web")
        process.tell(signal.SIGHUP)
        await process.said("SIGHUP: nothing to renew")
        assert await process.end(signal.SIGTERM) == 0
