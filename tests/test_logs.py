"""Logs are JSON lines that never hold what an exception says."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mode import Service
from pydantic import ValidationError

from schemas.response import Response
from worker import logs
from worker.errors import StateNotDurable

#: A file that takes nothing, since its disk is full.
FULL_DISK = Path("/dev/full")
CANARY = "kanarienvogel@example.org"


def configured() -> logging.Logger:
    """Return a logger that writes to this test's stderr."""
    logs.configure("INFO")
    return logging.getLogger("worker.test")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    log.info("mail %s\nwas sent: é", "d-1")
    (line,) = written(capsys)

    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "info", "logger": "worker.test", "message": "mail d-1\nwas sent: é"}


def test_a_line_for_people_is_one_line_and_shows_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "text")
    try:
        fail_with(ValueError(CANARY))
    except ValueError:
        logging.getLogger("worker.test").exception("mail %s\nwas \x1b[31mlost", "d-1")

    [line] = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d error    mail d-1 was  \[31mlost \(error: ValueError\) \(where: fail_with:\d+ < test_.*\)",
        line,
    )


@pytest.fixture
def full_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, logging.Logger]]:
    """Give the reading end of a full pipe, and a logger that writes to it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * select.PIPE_BUF)
    os.set_blocking(writing, True)
    monkeypatch.setattr(logs, "_PATIENCE_SECONDS", 0.01)
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stderr", stream)
        yield pipe.fileno(), configured()


def read_all(pipe: int) -> list[str]:
    os.set_blocking(pipe, False)
    pieces = []
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(pipe, 1 << 20):
            pieces.append(piece)
    return b"".join(pieces).decode().lstrip(".").splitlines()


def test_a_log_that_nobody_reads_stops_nothing_and_says_later_how_much_is_missing(
    full_log: tuple[int, logging.Logger],
) -> None:
    pipe, log = full_log
    for number in range(3):
        log.info("nobody reads %d", number)
    assert read_all(pipe) == []
    log.info("somebody reads")

    missing, read = map(json.loads, read_all(pipe))
    assert (missing["level"], missing["message"]) == (
        "error",
        "3 lines could not be written to this log, and are missing here",
    )
    assert read["message"] == "somebody reads"


def test_a_line_that_was_written_in_part_does_not_spoil_the_next_one(full_log: tuple[int, logging.Logger]) -> None:
    pipe, log = full_log
    os.read(pipe, 2 * select.PIPE_BUF)  # room for a part of the next line
    log.info("long " * select.PIPE_BUF)
    read_all(pipe)
    log.info("short")

    *_, missing, short = read_all(pipe)
    assert json.loads(missing)["message"].startswith("1 line could not be written")
    assert json.loads(short)["message"] == "short"


def test_a_long_line_waits_for_a_slow_reader(
    full_log: tuple[int, logging.Logger], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, log = full_log
    monkeypatch.setattr(logs, "_PATIENCE_SECONDS", 20.0)
    text = "é" * 100_000
    read: list[bytes] = []

    def read_to_the_end_of_the_line() -> None:
        while not read or not read[-1].endswith(b"\n"):
            read.append(os.read(pipe, 5_000))

    reader = threading.Thread(target=read_to_the_end_of_the_line)
    reader.start()
    log.info(text)
    reader.join()

    assert json.loads(b"".join(read).lstrip(b"."))["message"] == text


@pytest.mark.skipif(not FULL_DISK.exists(), reason="only Linux has this file")
def test_a_disk_that_is_full_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FULL_DISK.open("w") as full, (tmp_path / "log").open("w") as good:
        monkeypatch.setattr(sys, "stderr", full)
        log = configured()
        log.info("this line is lost")
        [handler] = logging.getLogger().handlers
        handler.setStream(good)  # type: ignore[attr-defined]
        log.info("the disk has room again")

    missing, line = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert missing["message"].startswith("1 line could not be written")
    assert line["message"] == "the disk has room again"


def fail_with(error: Exception) -> None:
    raise error


def fail_deeply(depth: int) -> None:
    if depth:
        fail_deeply(depth - 1)
    raise ValueError(CANARY)


def test_an_exception_is_told_by_its_type_and_its_way_through_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    try:
        fail_deeply(1)
    except ValueError:
        log.exception("it failed")
    (line,) = written(capsys)

    assert (line["level"], line["message"], line["error"]) == ("error", "it failed", "ValueError")
    assert [place.split(":")[0] for place in line["where"].split(" < ")] == [
        "fail_deeply",
        "fail_deeply",
        "test_an_exception_is_told_by_its_type_and_its_way_through_the_code",
    ]


def test_a_very_long_way_is_cut_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    try:
        fail_deeply(50)
    except ValueError:
        log.exception("it failed")

    assert len(written(capsys)[0]["where"].split(" < ")) == 8


def a_validation_error() -> Exception:
    with pytest.raises(ValidationError) as caught:
        Response.model_validate({"score": CANARY, "customer": {"email": [CANARY]}})
    assert CANARY in str(caught.value)
    return caught.value


def a_chain() -> Exception:
    error = RuntimeError(CANARY)
    error.__cause__ = ValueError(CANARY)
    error.add_note(CANARY)
    return error


@pytest.mark.parametrize(
    "error",
    [
        a_validation_error(),
        a_chain(),
        ExceptionGroup(CANARY, [ValueError(CANARY)]),
        UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        KeyError(CANARY),
        OSError(2, CANARY, CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_exception_says_never_reaches_the_log(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    log = configured()
    try:
        fail_with(error)
    except Exception:
        log.exception("it failed")
        log.warning("again", exc_info=True)
    log.error("later", exc_info=error)
    out, err = capsys.readouterr()

    assert CANARY not in out + err
    assert [type(error).__name__] * 3 == [json.loads(line)["error"] for line in err.splitlines()]


def test_without_an_exception_at_hand_there_is_none_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    log.warning("nothing happened", exc_info=True)  # noqa: LOG014 - that is the point
    (line,) = written(capsys)

    assert "error" not in line


@pytest.mark.parametrize(("level", "expected"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_the_level_is_where_it_starts(capsys: pytest.CaptureFixture[str], level: str, expected: int) -> None:
    logs.configure(level)
    log = logging.getLogger("worker.test")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(number, "x")

    assert expected == len(written(capsys))


def test_faust_does_not_say_which_of_its_services_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Faust's loggers have the names of the worker's modules, as far as their classes are the worker's."""
    configured()

    class Own(Service):
        pass

    async def start_and_stop() -> None:
        Own.logger = logging.getLogger("worker.streams.some_service")
        service = Own()
        await service.start()
        service.log.warning("something is wrong")
        await service.stop()

    asyncio.run(start_and_stop())
    assert [line["message"] for line in written(capsys)] == ["[^Own]: something is wrong"]


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_libraries_are_kept_quiet_whatever_the_level(capsys: pytest.CaptureFixture[str], level: str) -> None:
    logs.configure(level)
    for name in ("aiokafka.consumer", "faust.app", "mode.worker", "asyncio"):
        logging.getLogger(name).warning(CANARY)

    assert written(capsys) == []


def test_configured_twice_a_line_is_still_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logs.configure("INFO")
    logging.getLogger("worker.test").info("x")

    assert len(written(capsys)) == 1
    assert [sys.stderr] == [handler.stream for handler in logging.getLogger().handlers]  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["Crashed reason=%r", "Crashed reason=%s"])
def test_a_library_that_quotes_an_exception_is_kept_to_its_type(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """As Faust does for whatever ends one of its tasks."""
    log = configured()
    error = UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, "invalid start byte")
    log.handle(log.makeRecord(log.name, logging.ERROR, "/site-packages/mode/services.py", 903, form, (error,), None))
    (line,) = written(capsys)

    assert line["message"] == form % "UnicodeDecodeError"
    assert CANARY not in str(line)


def test_the_workers_own_errors_say_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    pathname = f"{logs._OURS}/app.py"
    log.handle(log.makeRecord(log.name, logging.ERROR, pathname, 1, "stopped: %s", (StateNotDurable("gone"),), None))
    (line,) = written(capsys)

    assert line["message"] == "stopped: gone"


def test_what_ends_a_thread_is_a_line_of_the_log_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    thread = threading.Thread(target=fail_with, args=(ValueError(CANARY),))
    thread.start()
    thread.join()
    (line,) = written(capsys)

    assert (line["level"], line["message"], line["error"]) == (
        "error",
        "a thread of the worker ended with an error",
        "ValueError",
    )
    assert CANARY not in str(line)


async def fail_unseen() -> None:
    await asyncio.sleep(0)
    raise ValueError(CANARY)


async def leave_a_failed_task() -> None:
    """Let a task fail that nobody awaits."""
    task = asyncio.create_task(fail_unseen())
    await asyncio.wait([task])
    del task
    gc.collect()


@pytest.mark.parametrize("where", ["here", "in a thread"])
def test_what_ends_a_task_that_nobody_awaits_is_a_line_without_its_text(
    capsys: pytest.CaptureFixture[str], where: str
) -> None:
    """Kafka's clients run event loops of their own in threads. What earlier tests left is collected before."""
    configured()
    gc.collect()
    capsys.readouterr()
    thread = threading.Thread(target=asyncio.run, args=(leave_a_failed_task(),))
    (thread.run if where == "here" else thread.start)()
    if where == "in a thread":
        thread.join()
    (line,) = written(capsys)

    assert CANARY not in str(line)
    said = "Task exception was never retrieved (coroutine fail_unseen)"
    assert (line["message"], line["error"]) == (said, "ValueError")
    assert line["where"].startswith("fail_unseen:")


def test_what_fails_in_a_callback_is_a_line_without_what_it_was_called_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def call() -> None:
        asyncio.get_running_loop().call_soon(int, CANARY)
        await asyncio.sleep(0)

    configured()
    asyncio.run(call())
    (line,) = written(capsys)

    assert (line["message"], line["error"]) == ("Exception in callback int", "ValueError")
    assert CANARY not in str(line)


class FailsAtItsEnd:
    def __del__(self) -> None:
        fail_with(ValueError(CANARY))


def test_an_error_that_python_ignores_is_a_line_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    FailsAtItsEnd()
    gc.collect()
    (line,) = written(capsys)

    assert (line["message"], line["error"]) == ("Python ignored an error", "ValueError")
    assert line["where"].startswith("fail_with:")
    assert CANARY not in str(line)


def test_what_is_counted_is_one_or_many() -> None:
    assert [logs.counted(number, "mail") for number in (0, 1, 2, 1_000)] == [
        "0 mails",
        "1 mail",
        "2 mails",
        "1,000 mails",
    ]
    assert [logs.counted(number, "answer is", "answers are") for number in (1, 2)] == ["1 answer is", "2 answers are"]
