"""A worker with nothing to do, or little, has nothing to say: no time-out of Faust's speaks without a cause."""

import asyncio
import gc
import json
import logging
import time

import pytest
from integration.conftest import StartBench

from worker import logs
from worker.streams import fetching
from worker.streams.membership import MemberThread
from worker.streams.shell import Shell

#: What Faust waits for before it takes a partition for stuck: five minutes.
_TIMEOUTS = (
    "tp_fetch_request_timeout_secs",
    "tp_fetch_response_timeout_secs",
    "tp_stream_timeout_secs",
    "tp_commit_timeout_secs",
)
#: Faust looks once a second.
_IDLE_SECONDS = 4.0


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    made = MemberThread.__post_init__

    def shorten(thread: MemberThread) -> None:
        made(thread)
        for name in _TIMEOUTS:
            assert getattr(thread, name) > 60, f"{name} is not Faust's name any more"
            setattr(thread, name, 0.5)

    monkeypatch.setattr(MemberThread, "__post_init__", shorten)


@pytest.fixture(autouse=True)
def _as_in_the_workers_log(caplog: pytest.LogCaptureFixture) -> None:
    """Leave out what the worker's log leaves out of libraries' lines, and what earlier tests have left over."""
    gc.collect()
    caplog.clear()
    for name, level in logs._QUIET.items():
        caplog.set_level(level, logger=name)
    caplog.handler.setLevel(logging.NOTSET)


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged above INFO."""
    return [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.usefixtures("_impatient")
async def test_an_idle_worker_logs_nothing_above_info(bench: StartBench, caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as worker:
        await asyncio.sleep(_IDLE_SECONDS)
        assert alarms(caplog) == []
        # And some partitions that were busy once.
        for number in range(8):
            answer = {"response_id": f"r-{number}", "survey_id": "s", "customer_id": f"c-{number}", "score": 9}
            await worker.publish(json.dumps(answer | {"responded_at": "2025-06-01T10:00:00Z"}).encode(), b"c")
        await worker.settle()
        await asyncio.sleep(_IDLE_SECONDS)
    assert alarms(caplog) == []


async def test_a_pause_of_some_seconds_is_no_error(bench: StartBench, caplog: pytest.LogCaptureFixture) -> None:
    """As a busy machine or a frozen container makes one."""
    async with bench() as worker:
        for shell in worker.worker.of(Shell).values():
            shell.consumer._thread.thread_loop.call_soon_threadsafe(time.sleep, 4.0)
        await asyncio.sleep(_IDLE_SECONDS + 3)
    assert alarms(caplog) == []


async def test_what_is_taken_over_does_not_wait_for_the_end_of_a_long_fetch(
    bench: StartBench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it did, the next fetch would time out after 40 seconds, and aiokafka would log that."""
    monkeypatch.setattr(fetching, "LONG_FETCH_MS", 600_000)
    monkeypatch.setattr(fetching, "_REST_SECONDS", 0.1)
    async with bench() as worker:
        consumer = worker.worker.of(Shell)["process"].consumer
        while not (waiting := consumer._inflow._fetching) or not waiting._long:  # noqa: ASYNC110 - this is no event
            await asyncio.sleep(0.05)
        epoch, rejoin = consumer._epoch, consumer._thread._ensure_consumer()._coordinator.request_rejoin
        consumer._thread.thread_loop.call_soon_threadsafe(rejoin)
        while consumer._epoch < epoch + 2 or not consumer.flow_active:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)
        for number in range(8):
            answer = {"response_id": f"r-{number}", "survey_id": "s", "customer_id": f"c-{number}", "score": 2}
            answer["responded_at"] = "2025-06-01T10:00:00Z"
            await worker.publish(json.dumps(answer).encode(), f"c-{number}".encode())
        await worker.settle()
    assert alarms(caplog) == []
