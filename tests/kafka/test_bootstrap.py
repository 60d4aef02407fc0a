"""A client whose start is cancelled leaves no connection open."""

import asyncio
import gc
import struct
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import client as module
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionResponse_v1

from worker.kafka import bootstrap

_API_VERSIONS, _METADATA = 18, 3


class Broker:
    """Answers which versions of requests it knows, and no request for metadata, or closes the connection at one."""

    def __init__(self, *, closes: bool) -> None:
        self.closes = closes
        self.asked_for_metadata = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Broker"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while size := await reader.read(4):
                request = await reader.readexactly(struct.unpack(">i", size)[0])
                key, _, correlation = struct.unpack(">hhi", request[:8])
                if key == _API_VERSIONS:
                    answer = struct.pack(">i", correlation) + ApiVersionResponse_v1(0, [(_METADATA, 0, 5)], 0).encode()
                    writer.write(struct.pack(">i", len(answer)) + answer)
                elif key == _METADATA:
                    self.asked_for_metadata.set()
                    if self.closes:
                        return
        finally:
            writer.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the connections that are made, as aiokafka makes them."""
    connections: list[Any] = []
    create_conn = bootstrap._create_conn

    async def noted(*args: Any, **options: Any) -> Any:
        connections.append(await create_conn(*args, **options))
        return connections[-1]

    monkeypatch.setattr(module, "create_conn", module.create_conn)
    monkeypatch.setattr(AIOKafkaClient, "bootstrap", AIOKafkaClient.bootstrap)
    monkeypatch.setattr(bootstrap, "_create_conn", noted)
    return connections


async def cancelled_while_it_starts(broker: Broker) -> None:
    async with broker.running():
        client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
        start = asyncio.create_task(client.bootstrap())
        asked = asyncio.create_task(broker.asked_for_metadata.wait())
        await asyncio.wait([start, asked], return_when=asyncio.FIRST_COMPLETED)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await client.close()


async def test_a_client_that_is_cancelled_while_it_starts_closes_its_connection(made: list[Any]) -> None:
    bootstrap.close_when_cancelled()
    await cancelled_while_it_starts(Broker(closes=False))
    assert [connection.connected() for connection in made] == [False]


async def test_without_the_change_the_connection_stays_open(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "create_conn", bootstrap._noted)
    monkeypatch.setattr(AIOKafkaClient, "bootstrap", bootstrap._bootstrap)
    await cancelled_while_it_starts(Broker(closes=False))
    [connection] = made
    assert connection.connected()
    await connection.close()


async def test_a_broker_that_hangs_up_is_an_error_as_before(made: list[Any]) -> None:
    bootstrap.close_when_cancelled()
    async with Broker(closes=True).running() as broker:
        client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
        with pytest.raises(KafkaConnectionError):
            await client.bootstrap()
        await client.close()
    assert [connection.connected() for connection in made] == [False]


async def test_what_a_clients_own_tasks_connect_later_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They connect again whenever a connection was idle, for as long as the worker runs."""
    connected, may_end = asyncio.Event(), asyncio.Event()
    found: list[weakref.ref[Any]] = []

    class Connection:
        pass

    async def connect() -> Connection:
        return Connection()

    async def refresh() -> None:
        found.append(weakref.ref(await bootstrap._noted()))
        connected.set()
        await may_end.wait()

    async def start(client: Any) -> None:
        client.task = asyncio.create_task(refresh())

    monkeypatch.setattr(bootstrap, "_create_conn", connect)
    monkeypatch.setattr(bootstrap, "_bootstrap", start)
    client: Any = SimpleNamespace()
    await bootstrap._closing_bootstrap(client)
    await connected.wait()
    gc.collect()
    assert found[0]() is None
    assert bootstrap._made == {}
    may_end.set()
    await client.task


def test_the_change_is_made_once_however_often_it_is_asked_for(made: list[Any]) -> None:
    assert made == []
    bootstrap.close_when_cancelled()
    bootstrap.close_when_cancelled()
    assert AIOKafkaClient.bootstrap is bootstrap._closing_bootstrap
    assert bootstrap._bootstrap is not bootstrap._closing_bootstrap
