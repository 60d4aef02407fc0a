"""The worker as its users run it: a process of its own, told what to do by its environment."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from integration.forking import Forked, fork

from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.inbox import Inbox

ROOT = Path(__file__).parents[2]

#: Runs a command as a shell starts what is in the background, and `nohup` in some of them: SIGINT is ignored.
DEAF = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")


def environment(kafka: str, inbox: Inbox, name: str, folder: Path) -> dict[str, str]:
    return {
        "NPS_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "NPS_KAFKA__GROUP": name,
        "NPS_TOPIC_PREFIX": name,
        "NPS_SMTP__HOST": inbox.host,
        "NPS_SMTP__PORT": str(inbox.port),
        "NPS_SMTP__TLS": "none",
        "NPS_EMAIL__TO": '["support@example.com"]',
        "NPS_ALERTS__MAX_AGE_DAYS": "36500",  # the tests' answers are of 2025
        "NPS_BURSTS__SCANNER_SECONDS": "0",
        "NPS_BURSTS__DOUBLE_CLICK_SECONDS": "0",
        "NPS_INVITATIONS__PLATFORM__URL": "https://example.com/tell",
        "NPS_STATUS_FILE": str(folder / "status"),
    }


class Process:
    """A `python -m worker …` with everything it wrote, to its standard output or error."""

    def __init__(self, process: asyncio.subprocess.Process | Forked) -> None:
        self._process = process
        self._grown = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self.lines: list[str] = []

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip())
            async with self._grown:
                self._grown.notify_all()
        async with self._grown:
            self._grown.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until so many lines say this; fail if the process ends first."""
        async with self._grown:
            await self._grown.wait_for(lambda: self.count(text) >= times or self._reading.done() or self.ended)
        assert self.count(text) >= times, self.lines

    def count(self, text: str) -> int:
        """Return how many lines say this."""
        return sum(text in line for line in self.lines)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.returncode is not None

    @property
    def code(self) -> int | None:
        """The exit code, once it is over."""
        return self._process.returncode

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if not self.ended:
            self._process.send_signal(how)
        return await self.exited()

    async def exited(self) -> int:
        """Wait for the end and return the exit code."""
        code = await self._process.wait()
        await self._reading
        return code


@asynccontextmanager
async def worker_process(
    *arguments: str,
    env: dict[str, str],
    cwd: Path | None = None,
    within: tuple[str, ...] = (),
    fresh: bool = False,
) -> AsyncIterator[Process]:
    """Start `python -m worker`; whatever happens, it is gone at the end."""
    process = await start_worker(*arguments, env=env, cwd=cwd, within=within, fresh=fresh)
    try:
        yield process
    finally:
        await process.end(signal.SIGKILL)


async def start_worker(
    *arguments: str,
    env: dict[str, str],
    cwd: Path | None = None,
    module: str = "worker",
    within: tuple[str, ...] = (),
    fresh: bool = False,
) -> Process:
    """Start `python -m worker`, or another module in its place, `within` another command; the caller ends it.

    To save the time of the imports, the process is forked from one that has imported the worker (fork_server.py). It is
    started in the usual way if it is to be `fresh`, as each command is once; if it runs `within` something, or has
    another directory (and perhaps another version) or a variable of Python's own; and where there is no Linux.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NPS_")}
    given = {**clean, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **env}
    if sys.platform == "linux" and not (fresh or within or cwd or any(name.startswith("PYTHON") for name in env)):
        return Process(await fork(module, arguments, given, ROOT))
    started = await asyncio.create_subprocess_exec(
        # Whatever becomes of the tests, the worker goes with them.
        *dying_with_parent(*within, sys.executable, "-m", module, *arguments),
        env=given, cwd=cwd or ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return Process(started)
