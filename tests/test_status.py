"""The sign of life, and what is read out of it."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from worker import status


def sign(base: Path, pid: int | None = None) -> Path:
    """Return the file of a process; of this one by default."""
    return base.with_name(f"{base.name}-{os.getpid() if pid is None else pid}")


def write(base: Path, age: float = 0, *, ready: bool = True, pid: int | None = None) -> Path:
    path = sign(base, pid)
    path.write_text(json.dumps({"at": time.time() - age, "ready": ready}))
    return path


def problem(base: Path) -> str | None:
    return status.problem({"all": base})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "life-all"


@pytest.fixture
def other() -> Iterator[int]:
    """Another process of this user, by its id."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate()


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@asynccontextmanager
async def reported(base: Path, ready: Callable[[], bool] = lambda: True) -> AsyncIterator[None]:
    task = asyncio.create_task(status.report(base, ready))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(base: Path, expected: str | None) -> None:
    """Wait until the sign says this."""
    async with asyncio.timeout(300):
        while problem(base) != expected:  # noqa: ASYNC110 - a file raises no event when it changes
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("age", "ready", "expected"),
    [
        (0, True, None),
        (29, True, None),
        (0, False, "the worker is starting or its group is rebalancing"),
        (45, True, "the worker has not renewed its status file for 45 s"),
        (45, False, "the worker has not renewed its status file for 45 s"),
    ],
)
def test_a_worker_is_well_while_its_sign_is_fresh_and_says_so(
    base: Path, age: float, expected: str | None, *, ready: bool
) -> None:
    write(base, age, ready=ready)
    assert expected == problem(base)


def test_without_a_sign_no_worker_is_running(base: Path) -> None:
    assert problem(base) == "no worker is running"
    assert problem(base / "nowhere" / "life-all") == "no worker is running"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", "{}", '{"at": "now", "ready": true}', '{"at": 0}', "\x00", "[" * 100_000]
)
def test_a_file_that_is_no_sign_is_a_problem_like_others(base: Path, text: str) -> None:
    sign(base).write_text(text)

    assert problem(base) == "the worker's status file cannot be read"


def test_a_directory_in_its_place_is_a_problem_like_others(base: Path) -> None:
    sign(base).mkdir()
    assert problem(base) == "the worker's status file cannot be read"


def test_a_pipe_in_its_place_is_not_waited_for(base: Path) -> None:
    os.mkfifo(sign(base))
    assert problem(base) == "the worker's status file cannot be read"


async def test_a_sign_that_cannot_be_written_is_said_once_and_stops_nobody(
    base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(status, "_RENEWED_EVERY_SECONDS", 0.001)
    sign(base).mkdir()
    asked = asyncio.Queue[None]()

    def ready() -> bool:
        asked.put_nowait(None)
        return True

    async with reported(base, ready):
        for _ in range(4):
            await asked.get()
    assert ["the status file cannot be written: check the disk and the setting status_file"] == caplog.messages


async def test_the_sign_is_renewed_until_the_worker_stops_and_gone_then(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_RENEWED_EVERY_SECONDS", 0.01)
    ready = False
    async with reported(base, lambda: ready):
        await until(base, "the worker is starting or its group is rebalancing")

        ready = True
        first = json.loads(sign(base).read_text())["at"]
        await until(base, None)
        assert json.loads(sign(base).read_text())["at"] > first
    assert problem(base) == "no worker is running"
    assert list(base.parent.iterdir()) == []


async def test_a_stale_sign_under_the_same_process_id_is_replaced(base: Path) -> None:
    """As in a container, where the worker is always process 1."""
    write(base, 1_000)
    async with reported(base):
        await until(base, None)


async def test_a_sign_that_is_being_written_when_the_worker_stops_is_gone_as_well(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    write_it = status._has_written

    def slowly(path: Path, text: str) -> bool:
        began.set()
        go_on.wait()
        try:
            return write_it(path, text)
        finally:
            ended.set()

    monkeypatch.setattr(status, "_has_written", slowly)
    async with reported(base):
        await asyncio.to_thread(began.wait)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    await asyncio.to_thread(ended.wait)
    assert not sign(base).exists()


def test_a_worker_that_was_killed_is_not_running_at_once(base: Path, gone: int) -> None:
    write(base, 0, pid=gone)
    assert problem(base) == "no worker is running"


async def test_what_a_killed_worker_left_is_cleared_away_and_a_running_ones_is_not(
    base: Path, gone: int, other: int
) -> None:
    left, kept = write(base, 0, pid=gone), write(base, 0, pid=other)
    async with reported(base):
        async with asyncio.timeout(300):
            while left.exists() or not sign(base).exists():  # noqa: ASYNC110 - a file raises no event when it changes
                await asyncio.sleep(0.01)
    assert list(base.parent.iterdir()) == [kept]


async def test_two_workers_of_one_role_do_not_speak_for_each_other(base: Path, other: int) -> None:
    write(base, 45, pid=other)
    async with reported(base):
        stuck = f"role all, process {other}: the worker has not renewed its status file for 45 s"
        await until(base, stuck)
        assert json.loads(sign(base, other).read_text())["at"] < time.time() - 44
    write(base, 0, pid=other)
    assert problem(base) is None


def test_each_role_is_looked_at(tmp_path: Path, other: int) -> None:
    bases = {role: tmp_path / f"life-{role}" for role in ("process", "notify", "all")}
    write(bases["process"])
    write(bases["notify"], 45, pid=other)

    assert status.problem(bases) == f"role notify, process {other}: the worker has not renewed its status file for 45 s"
    assert status.problem({"process": bases["process"]}) is None


def test_a_reader_never_sees_half_a_sign(base: Path) -> None:
    path = write(base)
    with path.open() as previous:
        assert status._has_written(path, json.dumps({"at": time.time(), "ready": False}))

        assert json.loads(previous.read())["ready"] is True
    assert json.loads(path.read_text())["ready"] is False
    assert [path] == list(base.parent.iterdir())


async def test_no_symbolic_link_is_followed(base: Path, tmp_path: Path) -> None:
    """In a directory that others can write to, a link would let them have any file of this user overwritten."""
    valuable = tmp_path / "valuable"
    valuable.write_text("kept")
    for name in (sign(base).name, f"{sign(base).name}.new"):
        base.with_name(name).symlink_to(valuable)

    assert problem(base) == "the worker's status file cannot be read"
    async with reported(base):
        await until(base, None)
        assert not sign(base).is_symlink()
    assert valuable.read_text() == "kept"


async def test_the_sign_is_this_users_alone(base: Path) -> None:
    inside = base.parent / "made" / base.name
    async with reported(inside):
        await until(inside, None)
        assert sign(inside).stat().st_mode & 0o777 == 0o600
        assert inside.parent.stat().st_mode & 0o777 == 0o700


def test_a_sign_of_somebody_else_is_not_believed_except_by_root(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = write(base).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert problem(base) == "the worker's status file cannot be read"

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert problem(base) is None
