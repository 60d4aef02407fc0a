"""The demo as its users start it: once with a result, or live until Ctrl-C."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from integration.processes import DEAF, ROOT
from integration.recount import Recount, recount_lines

from worker.demo import samples
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka.publishing import lines


@asynccontextmanager
async def demo(*arguments: str, within: tuple[str, ...] = ()) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the demo; whatever happens, it is gone at the end, and its Kafka with it."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(*within, sys.executable, "-m", "worker", "demo", *arguments),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def once(kafka: EmbeddedKafka, *arguments: str) -> dict[str, Any]:
    async with demo("--once", "--json", "--kafka", kafka.bootstrap_servers, *arguments) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return result


@pytest.fixture(scope="module")
async def shipped(kafka: EmbeddedKafka) -> dict[str, Any]:
    return await once(kafka)


def recounted(values: list[bytes]) -> tuple[Recount, int]:
    """Recount the samples; which of their lines are broken is told by how the samples are made."""
    broken = {number for number, value in enumerate(values) if b"r-bad" in value or b'"segment"' not in value}
    return recount_lines(values, set(range(len(values))) - broken), len(broken)


def test_the_result_equals_a_recount_of_the_shipped_samples(shipped: dict[str, Any]) -> None:
    shipped = dict(shipped)
    values = lines(samples.FILE)
    recount, broken = recounted(values)
    expected = {
        "published": len(values),
        "accepted": len(recount.current),
        "duplicates": recount.duplicates,
        "dead_letters": broken,
        "alerts": len(recount.alerts),
        "invitations": len(recount.invited),
        "emails": len(recount.alerts),
        "scores": {path: windows["all"] for path, windows in recount.windows().items()},
    }
    records = shipped.pop("records")
    assert sum(records.values()) == len(values)
    assert (records.get("duplicate", 0) + records.get("superseded", 0), records["dead_letter"]) == (
        recount.duplicates,
        broken,
    )
    root = expected["scores"][""]  # type: ignore[index]
    assert shipped.pop("test_answers") == len(recount.current) - root["n"]
    expected |= {name: root[name] for name in ("promoters", "passives", "detractors")}
    assert shipped == expected


async def test_shuffled_and_sent_twice_only_the_duplicates_differ(
    kafka: EmbeddedKafka, shipped: dict[str, Any], tmp_path: Path
) -> None:
    values = samples.shipped(datetime.now().astimezone()) * 2  # a file keeps its times, and those of 2025 are too old
    random.Random(5).shuffle(values)
    file = tmp_path / "shuffled.jsonl"
    file.write_bytes(b"\n".join(values))
    result = await once(kafka, "--input", str(file))
    # Twice as many lines, and a line that is refused is refused each time.
    changed = {"published", "duplicates", "dead_letters", "records"}
    assert {k: v for k, v in result.items() if k not in changed} == {
        k: v for k, v in shipped.items() if k not in changed
    }
    assert result["published"] == 2 * shipped["published"]
    assert result["dead_letters"] == 2 * shipped["dead_letters"]


@pytest.mark.parametrize("asked", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
async def test_ctrl_c_and_sigterm_stop_the_live_demo_and_everything_it_started(asked: signal.Signals) -> None:
    async with demo("--rate", "50", within=DEAF) as process:
        assert process.stdout is not None
        broker = ""
        async for line in process.stdout:
            broker = broker or _port(line.decode())
            if b"published" in line:
                break
        process.send_signal(asked)
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "stopped" in out.decode().splitlines()[-1]
    assert err == b""
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(broker))


def _port(line: str) -> str:
    return line.rpartition(":")[2].strip() if "127.0.0.1:" in line else ""
