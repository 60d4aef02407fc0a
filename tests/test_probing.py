"""Asking a worker's probes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from worker import probing
from worker.metrics.settings import Bind
from worker.server import Server
from worker.service import Failure


@asynccontextmanager
async def answering(**statuses: int) -> AsyncIterator[int]:
    """Answer each probe with a status; yield the port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=statuses[request.path.removeprefix("/")], text="so it is\x1b\n")

    site = web.Application()
    site.router.add_get("/{path}", answer)
    server = Server(site, "127.0.0.1", 0, Failure(), headers={})
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("live", "ready", "expected"),
    [
        (200, 200, None),
        (200, 503, "the worker is not ready: so it is "),
        (503, 503, "the worker is not alive: so it is "),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_the_first_probe_that_is_not_fine_is_the_problem(
    host: str, live: int, ready: int, expected: str | None
) -> None:
    async with answering(livez=live, readyz=ready) as port:
        assert await asyncio.to_thread(probing.problem, Bind(host, port)) == expected


async def test_a_worker_whose_event_loop_is_blocked_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_PATIENCE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as blocked:
        port = blocked.getsockname()[1]
        expected = f"the worker does not answer at 127.0.0.1, port {port}: TimeoutError"
        assert await asyncio.to_thread(probing.problem, Bind("127.0.0.1", port)) == expected


async def test_a_port_at_which_nobody_listens_is_a_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    expected = f"the worker does not answer at 127.0.0.1, port {port}: Connection refused"
    assert await asyncio.to_thread(probing.problem, Bind("127.0.0.1", port)) == expected


def test_all_addresses_of_a_machine_are_asked_at_its_own() -> None:
    assert [probing._reachable(host) for host in ("0.0.0.0", "::", "::1", "10.0.0.1", "example.com")] == [
        *("127.0.0.1", "::1", "::1", "10.0.0.1", "example.com")
    ]
