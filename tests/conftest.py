"""What every test may use: one Kafka for the session, an inbox for each test; and the coverage, said at the end.

A slow machine fails no test: Hypothesis measures no time, and what ends a test that hangs (limits.py) is far away.
"""

import contextlib
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import coverage
import pytest
from coverage.exceptions import CoverageWarning, NoDataError
from hypothesis import settings
from limits import limit

from worker import logs
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

# Where CI is set, each run tries the same examples: a new one is for somebody who can look at it at once.
settings.register_profile("steady", deadline=None, derandomize=bool(os.environ.get("CI")))
# `make thorough` tries more of them, and each time others.
settings.register_profile("thorough", deadline=None, max_examples=1_000, derandomize=False)
settings.load_profile(os.environ.get("EXAMPLES", "steady"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limit(config, items)


@pytest.fixture(scope="session")
async def kafka() -> AsyncIterator[EmbeddedKafka]:
    async with EmbeddedKafka() as broker:
        yield broker
        await broker.kill()  # its data goes, and an orderly end with the topics of all tests would take half a minute


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as server:
        yield server


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Begin without the worker's variables, in an empty folder, which is returned."""
    for name in list(os.environ):
        if name.upper().startswith("NPS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put back what commands set for the whole process (worker/logs.py): pytest has hooks and handlers of its own."""
    hooks, root = (threading.excepthook, sys.unraisablehook), logging.getLogger()
    handlers, levels = root.handlers, {name: logging.getLogger(name).level for name in (None, *logs._QUIET)}
    yield
    threading.excepthook, sys.unraisablehook = hooks
    root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


# `make test` runs pytest under coverage. Reported from here, the figures stand before pytest's own last line, and too
# little coverage fails the very run that found it.


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    measured = coverage.Coverage.current()
    if measured is None:
        return
    measured.stop()
    terminal = session.config.get_terminal_writer()
    terminal.line()
    terminal.sep("-", "coverage of the pure rooms")
    report = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("default", CoverageWarning)  # a part of the tests may well leave a room unvisited
        measured.report(file=report)
        rooms = measured.get_option("run:source_pkgs")
        assert isinstance(rooms, list)
        # Each room is held to it, so that a large one that is well covered does not hide a small one that is not.
        percents: dict[str, float] = {}
        for room in rooms:
            with contextlib.suppress(NoDataError):  # likewise
                percents[room] = measured.report(file=io.StringIO(), include=f"*/{room.replace('.', '/')}/*")
    terminal.write(report.getvalue())
    least = measured.get_option("report:fail_under")
    assert isinstance(least, float)
    for room, percent in percents.items():
        terminal.line(f"{room}: {percent:.1f} %" + f", less than the {least:.0f} % asked for" * (percent < least))
    if any(percent < least for percent in percents.values()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
