"""Ctrl-C while the demo is still starting: it takes down what it has started, and says so in one line."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from worker.demo import show
from worker.demo.show import Options


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Put back what the demo changes for its whole process."""
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in known.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize(
    ("started", "said"),
    [
        ([], "stopped"),
        (["Kafka"], "stopped; Kafka is gone"),
        (["Kafka", "the inbox"], "stopped; Kafka and the inbox are gone"),
    ],
)
def test_a_signal_during_the_start_ends_what_was_started(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    started: list[str],
    said: str,
    *,
    once: bool,
) -> None:
    gone: list[str] = []

    @contextlib.asynccontextmanager
    async def set_up(say: Callable[[str], None], running: list[str], *_: Any, **__: Any) -> AsyncIterator[None]:
        say("starting the next part")
        running += started
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()  # the next part never comes up
        finally:
            await asyncio.sleep(0)
            gone.extend(started)
        yield

    monkeypatch.setattr(show, "set_up", set_up)
    assert show.main(Options(), once=once) == 0

    out, err = capsys.readouterr()
    assert out.splitlines() == ["starting the next part", said]
    assert err == ""
    assert gone == started
