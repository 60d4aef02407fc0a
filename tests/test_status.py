"""The sign of life, and what is read out of it."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from worker import status
from worker.settings import Settings


def written(path: Path, age: float, *, ready: bool) -> Path:
    path.write_text(json.dumps({"at": time.time() - age, "ready": ready}))
    return path


@pytest.mark.parametrize(
    ("age", "ready", "expected"),
    [
        (0, True, None),
        (29, True, None),
        (0, False, "the worker is starting or its group is rebalancing"),
        (45, True, "the worker has not shown life for 45 s"),
        (45, False, "the worker has not shown life for 45 s"),
    ],
)
def test_a_worker_is_well_while_its_sign_is_fresh_and_says_so(
    tmp_path: Path, age: float, expected: str | None, *, ready: bool
) -> None:
    assert expected == status.problem(written(tmp_path / "life", age, ready=ready))


def test_without_a_sign_no_worker_is_running(tmp_path: Path) -> None:
    assert status.problem(tmp_path / "life") == "no worker is running"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", "{}", '{"at": "now", "ready": true}', '{"at": 0}', "\x00", "[" * 100_000]
)
def test_a_file_that_is_no_sign_is_a_problem_like_others(tmp_path: Path, text: str) -> None:
    path = tmp_path / "life"
    path.write_text(text)

    assert status.problem(path)


def test_a_directory_in_its_place_is_a_problem_like_others(tmp_path: Path) -> None:
    assert status.problem(tmp_path)


async def test_a_sign_that_cannot_be_written_is_said_once_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(status, "_RENEWED_EVERY_SECONDS", 0.001)
    asked = asyncio.Queue[None]()

    def ready() -> bool:
        asked.put_nowait(None)
        return True

    task = asyncio.create_task(status.report(tmp_path, ready))
    for _ in range(4):
        await asked.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["the sign of life cannot be written: check the disk and status_file"] == caplog.messages


async def test_the_sign_is_renewed_until_the_worker_stops_and_gone_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_RENEWED_EVERY_SECONDS", 0.01)
    path, ready = tmp_path / "life", False
    task = asyncio.create_task(status.report(path, lambda: ready))
    await says(path, "the worker is starting or its group is rebalancing")

    ready = True
    first = json.loads(path.read_text())["at"]
    await says(path, None)
    assert json.loads(path.read_text())["at"] > first

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert status.problem(path) == "no worker is running"


async def says(path: Path, expected: str | None) -> None:
    """Wait until the sign says this."""
    async with asyncio.timeout(5):
        while status.problem(path) != expected:  # noqa: ASYNC110 - a file tells nobody that it changed
            await asyncio.sleep(0.01)


async def test_a_stale_sign_of_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "life", 1_000, ready=True)
    task = asyncio.create_task(status.report(path, lambda: True))
    await says(path, None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_reader_never_sees_half_a_sign(tmp_path: Path) -> None:
    path = written(tmp_path / "life", 0, ready=True)
    with path.open() as before:
        assert status._has_written(path, json.dumps({"at": time.time(), "ready": False}))

        assert json.loads(before.read())["ready"] is True
    assert json.loads(path.read_text())["ready"] is False
    assert [path] == list(tmp_path.iterdir())


def test_two_roles_on_one_machine_do_not_write_through_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fresh text of one role must not be what the other puts in place."""
    settings = Settings(status_file=tmp_path / "worker.status")
    paths, written_to = [settings.status_path(role) for role in ("process", "notify")], []
    monkeypatch.setattr(Path, "replace", lambda fresh, _: written_to.append(fresh))
    for path in paths:
        status._has_written(path, "{}")

    assert len({*paths, *written_to}) == 4
