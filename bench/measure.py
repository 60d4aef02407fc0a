"""Starting a contender and taking down what it says about itself."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders.task import Task
from worker.embedded.die_with_parent import dying_with_parent

ROOT = Path(__file__).parents[1]
#: How long a contender may take, in seconds.
_PATIENCE_SECONDS = 600.0
_TAIL_LINES = 15


class BenchError(Exception):
    """A contender failed."""


class Figures(NamedTuple):
    """What a contender took. `cpu_us`: CPU of its process per event; `log_bytes`: on changelogs per event."""

    events: int
    seconds: float
    cpu_us: float
    peak_mb: float
    log_bytes: float

    @property
    def eps(self) -> float:
        """Events per second."""
        return self.events / self.seconds


def module(contender: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a contender in Python."""
    return [python, "-m", f"bench.contenders.{contender}"]


async def run(contender: str, command: Sequence[str], task: Task, data: Path, **variables: str) -> Figures:
    """Run a contender to its end. `data`: where the broker keeps its topics. Raise BenchError if it fails.

    `variables`: what its environment has in addition.
    """
    async with started(command, task, data, **variables) as process:
        said = await heard(contender, process)
    return Figures(
        said["events"],
        said["seconds"],
        said["cpu_seconds"] / said["events"] * 1e6,
        said["peak_mb"],
        _changelog_bytes(data, task.name) / (said["events"] + task.before),
    )


@asynccontextmanager
async def started(command: Sequence[str], task: Task, folder: Path, **variables: str) -> AsyncIterator[Process]:
    """Start a contender; it is gone at the end."""
    process = await asyncio.create_subprocess_exec(
        # Whatever becomes of the bench, the contender goes with it.
        *dying_with_parent(*command),
        env={**os.environ, "PYTHONPATH": str(ROOT), **task.environment(), **variables},
        cwd=folder,  # Faust makes a directory where it is
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def heard(contender: str, process: Process, *, stays: bool = False) -> dict[str, Any]:
    """Return what a contender says, when it has ended unless it stays. Raise BenchError if it fails."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            if stays:
                out, err = await process.stdout.readline(), b""
            else:
                out, err = await process.communicate()
    except TimeoutError:
        raise BenchError(f"{contender} was not done after {_PATIENCE_SECONDS:.0f} s") from None
    if process.returncode or not out:
        tail = "\n".join(err.decode(errors="replace").splitlines()[-_TAIL_LINES:])
        raise BenchError(f"{contender} failed with exit code {process.returncode}:\n{tail}")
    said: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return said


def _changelog_bytes(data: Path, name: str) -> int:
    """Return the size of all changelogs with a contender's name in theirs, as they lie on the broker's disk."""
    places = [place for place in data.iterdir() if f"{name}-" in place.name and "changelog" in place.name]
    return sum(segment.stat().st_size for place in places for segment in place.glob("*.log"))
