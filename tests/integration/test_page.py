"""A role without Kafka and Faust starts, becomes ready, fails and stops like every other (page.py)."""

import asyncio
import contextlib
import re
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from integration.processes import Process, start_worker

from worker import status
from worker.settings import Settings


@contextlib.asynccontextmanager
async def page(folder: Path) -> AsyncIterator[tuple[Process, int]]:
    """Start the page, and wait until it is served; yield its process and port. Nobody may have called Kafka by the end.

    What is named as Kafka is a server that answers nothing: a worker that asked it would wait for ever.
    """
    calls: list[StreamWriter] = []

    async def called(_: StreamReader, writer: StreamWriter) -> None:
        calls.append(writer)

    kafka = await asyncio.start_server(called, "127.0.0.1", 0)
    env = {
        "NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.sockets[0].getsockname()[1]}",
        "NPS_STATUS_FILE": str(folder / "status"),
    }
    process = await start_worker(env=env, module="integration.page")
    try:
        async with asyncio.timeout(60):
            await process.said("started: role page")
            port = next(
                int(found[1]) for line in process.lines if (found := re.search(r"the page is at port (\d+)", line))
            )
            yield process, port
    finally:
        await process.end(signal.SIGKILL)
        kafka.close()
        for writer in calls:
            writer.close()
    assert calls == []


async def ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text + b"\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_serves_is_ready_and_stops_when_it_is_asked_to(tmp_path: Path) -> None:
    bases = {"page": Settings.model_construct(status_file=tmp_path / "status").status_path("page")}
    async with page(tmp_path) as (process, port):
        assert await ask(port, b"hello") == b"hello"
        while status.problem(bases) is not None:  # noqa: ASYNC110 - a file that is written raises no event
            await asyncio.sleep(0.02)
        assert await process.end() == 0

        assert process.count("the page is closed") == 1
        assert status.problem(bases) == "no worker is running"


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [("fail", 1, "stopped: the page is gone"), ("misconfigured", 2, "the page has a wrong setting")],
)
async def test_it_fails_with_its_reason_and_exit_code(tmp_path: Path, what: str, code: int, said: str) -> None:
    async with page(tmp_path) as (process, port):
        assert await ask(port, what.encode()) == b""
        assert await process.exited() == code

        assert process.count("the page is closed") == 1
        assert any('"critical"' in line and said in line for line in process.lines), process.lines
