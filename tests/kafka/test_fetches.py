import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError

from worker.kafka import fetches


class Away:
    """Stands where aiokafka's client does while Kafka is away; `asked` says that a fetch has failed."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def send(self, *_: object) -> None:
        self.asked.set()
        raise KafkaConnectionError


def failing(client: Away) -> Fetcher:
    """Return a fetcher of which only the parts are there that a failed fetch and `close` need."""
    fetcher = object.__new__(Fetcher)
    fetcher._client = client
    fetcher._retry_backoff = 3_600.0
    fetcher._preferred_read_replica = {}
    fetcher._fetch_waiters = set()
    fetcher._pending_tasks = set()
    fetcher._fetch_task = asyncio.create_task(asyncio.Event().wait())
    return fetcher


async def _close_after_a_failed_fetch() -> None:
    client = Away()
    fetcher = failing(client)
    request = SimpleNamespace(topics=[])
    fetch = asyncio.create_task(fetcher._proc_fetch_request(None, 1, request))
    fetcher._pending_tasks.add(fetch)
    await client.asked.wait()
    await asyncio.sleep(0)  # the fetch waits before it is tried again
    await fetcher.close()
    assert fetch.result() is False


async def test_a_consumer_is_closed_while_a_failed_fetch_waits() -> None:
    fetches.end_when_cancelled()
    await _close_after_a_failed_fetch()


async def test_without_the_change_the_closing_looks_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fetcher, "_proc_fetch_request", fetches._original)
    with pytest.raises(asyncio.CancelledError):
        await _close_after_a_failed_fetch()


def test_the_change_is_made_once_however_often_it_is_asked_for() -> None:
    fetches.end_when_cancelled()
    fetches.end_when_cancelled()
    assert Fetcher._proc_fetch_request is fetches._proc_fetch_request
    assert fetches._original is not fetches._proc_fetch_request
