"""Asks the fork server (fork_server.py) for processes, and watches them as asyncio watches those that it starts."""

import asyncio
import atexit
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from worker.embedded.die_with_parent import dying_with_parent

_ROOT = Path(__file__).parents[2]


class Forked:
    """A process that the fork server has started. It has those members of asyncio's `Process` that the tests use."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, report: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(report))

    async def _end(self, report: asyncio.StreamReader) -> int:
        line = await report.readline()
        # Without a line the keeper was killed, and the process with it.
        self.returncode = int(line) if line else -signal.SIGKILL
        await report.read()  # the keeper ends, and the loop closes the pipe
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is over."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return await asyncio.shield(self._ending)


async def fork(module: str, arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> Forked:
    """Start `python -m MODULE ARGUMENT…`, with its standard output and error in one pipe."""
    request = {"module": module, "arguments": [*arguments], "env": {**env}, "cwd": str(cwd)}
    (output, written), (report, reported) = os.pipe(), os.pipe()
    try:
        socket.send_fds(_server(), [json.dumps(request).encode()], [written, reported])
    finally:
        os.close(written)
        os.close(reported)
    reports = await _reader(report)
    return Forked(int(await reports.readline()), await _reader(output), reports)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), io.FileIO(descriptor)
    )
    return reader


@cache
def _server() -> socket.socket:
    """Start the server, once; return the socket at which it is asked. It ends when this process ends."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = dying_with_parent(sys.executable, "-m", "integration.fork_server", str(its.fileno()))
        env = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
        server = subprocess.Popen(command, pass_fds=[its.fileno()], env=env, cwd=_ROOT)

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
