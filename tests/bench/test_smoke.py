"""The bench runs, and says what it promises; how fast anything is, it is not asked here.

It starts six programs and a Kafka for them, and says little about the worker. So `make thorough` runs it.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench import throughput
from worker.embedded.die_with_parent import dying_with_parent

ROOT = Path(__file__).parents[2]


@pytest.mark.thorough
async def test_every_contender_does_its_work() -> None:
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, "-m", "bench", "--smoke", "--only", "throughput", "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, err.decode()
    found = json.loads(out.decode().splitlines()[-1])

    expected = {f"{contender.key}_us" for contender in throughput.CONTENDERS if contender is not throughput.STREAMS}
    assert found.keys() == expected | {"full_eps", "reduced_eps", "quix_eps"}
    assert all(figure > 0 for figure in found.values())
