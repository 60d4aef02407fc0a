"""The server gives no client much of its time, and stops in an orderly way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from serving import Hold, listening
from web.sites import ACKNOWLEDGE, FORM, LINKS, Desk, served, site_of

from worker.errors import CannotListen
from worker.server import Server
from worker.service import Failure
from worker.web.site import HEADERS

HEAD = f"POST {LINKS.url(ACKNOWLEDGE)} HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM['Content-Type']}\r\n"


async def ask(desk: Desk, sent: bytes) -> bytes:
    """Send something, and then nothing more; return the answer when the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("sent", [b"", b"GET /", HEAD.encode()])
async def test_a_client_that_does_not_send_its_request_is_left_alone(sent: bytes) -> None:
    desk = Desk()
    async with served(desk, head_seconds=0.05):
        assert await ask(desk, sent) == b""


async def test_a_client_that_does_not_send_its_form_gets_an_answer_and_acts_on_nothing() -> None:
    desk = Desk()
    async with served(desk, body_seconds=0.05):
        answer = await ask(desk, f"{HEAD}Content-Length: 10\r\n\r\nname".encode())

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Content-Security-Policy: default-src 'none'" in answer
    assert desk.given == []


async def test_a_request_that_waits_for_its_answer_is_not_a_slow_client() -> None:
    desk, hold = Desk(), Hold()
    desk.give = hold.wait
    async with served(desk, head_seconds=0.05) as client:
        posting = asyncio.create_task(client.post(desk.url(ACKNOWLEDGE), headers=FORM))
        await hold.begun.acquire()
        assert await ask(desk, b"") == b"", "by now, the time of the first connection is over as well"
        hold.go_on.set()
        assert (await posting).status == 202


async def test_a_connection_serves_one_request() -> None:
    desk = Desk()
    async with served(desk):
        answer = await ask(desk, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 2)

    assert answer.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\r\n\r\n", b"GET /\xff\xfe HTTP/9.9\r\n\r\n", b"A: b\r\n\r\n"])
async def test_what_is_no_http_is_refused_and_not_logged(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    async with served(desk):
        assert (await ask(desk, sent)).startswith(b"HTTP/1.")

    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"GET /acknowledge/{'a' * 9_000} HTTP/1.1\r\nHost: a\r\n\r\n", b"400 Bad Request"),
        (f"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {'a' * 9_000}\r\n\r\n", b"400 Bad Request"),
        ("GET / HTTP/9.9 aaa\r\n\r\n", b"400 Bad Request"),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"200 OK"),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", b"404 Not Found"),
    ],
)
async def test_no_answer_shows_the_library_and_each_has_the_headers_of_pages(sent: str, status: bytes) -> None:
    desk = Desk()
    async with served(desk):
        answer = await ask(desk, sent.encode())
    head, _, _body = answer.partition(b"\r\n\r\n")

    assert head.split(b" ", 1)[1].startswith(status)
    assert b"\r\nServer: detractor-worker\r\n" in head + b"\r\n"
    assert all(f"{name}: {text}".encode() in head for name, text in HEADERS.items())
    assert not any(word in answer.lower() for word in (b"aiohttp", b"python", b"bytearray", b"aaa"))


async def test_a_stop_finishes_the_requests_that_are_being_answered() -> None:
    desk, hold = Desk(), Hold()
    desk.give = hold.wait
    async with ClientSession() as client:
        async with served(desk):
            posting = asyncio.create_task(client.post(desk.url(ACKNOWLEDGE), headers=FORM))
            await hold.begun.acquire()
            asyncio.get_running_loop().call_later(0.01, hold.go_on.set)
        assert (await posting).status == 202


async def test_an_address_that_is_taken_stops_the_worker_with_what_to_do() -> None:
    desk = Desk()
    async with served(desk):
        other = Server(site_of(desk).application(), "127.0.0.1", desk.port, Failure(), headers={})
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1, port {desk.port} \(web\.host, web\.port\): "):
            await other.start()
        await other.stop()


async def test_it_is_ready_when_it_listens_and_its_pages_can_be_shown() -> None:
    known: list[str] = []
    server = Server(site_of(Desk()).application(), "127.0.0.1", 0, Failure(), headers={}, is_ready=lambda: bool(known))
    found = [server.ready]
    await server.start()
    found.append(server.ready)
    known.append("the cases")
    found.append(server.ready)
    await server.stop()
    found.append(server.ready)

    assert found == [False, False, True, False]


async def test_a_server_that_was_never_started_can_be_stopped() -> None:
    await Server(site_of(Desk()).application(), "127.0.0.1", 0, Failure(), headers={}).stop()


@asynccontextmanager
async def posted_to(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[Server]:
    """Serve an application that answers POST by a handler."""
    application = web.Application()
    application.router.add_post("/", handler)
    server = Server(application, "127.0.0.1", 0, Failure(), headers={})
    async with listening(server):
        yield server


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Server, asyncio.Event]]:
    """Serve an application that answers with the body; yield the server, and what says that a request has begun."""
    begun = asyncio.Event()

    async def echo(request: web.Request) -> web.Response:
        begun.set()
        return web.Response(body=await request.read())

    async with posted_to(echo) as server:
        yield server, begun


@pytest.mark.parametrize(("error", "status"), [(ValueError("c-1 says: Trop lent."), 500), (TimeoutError(), 504)])
async def test_a_bug_is_an_error_of_the_log(error: Exception, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: web.Request) -> web.Response:
        raise error

    async with posted_to(broken) as server, ClientSession() as client:
        answer = await client.post(f"http://127.0.0.1:{server.port}/")
        text = await answer.text()
    [line] = [record for record in caplog.records if record.levelname == "ERROR"]

    assert (answer.status, line.exc_info and line.exc_info[1]) == (status, error)
    assert "bug in the worker" in line.getMessage()
    assert not [said for said in (text, line.getMessage()) if "Trop lent" in said]


async def test_a_client_that_is_gone_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    async def gone(_: web.Request) -> web.Response:
        raise ConnectionResetError

    async with posted_to(gone) as server, ClientSession() as client:
        assert (await client.post(f"http://127.0.0.1:{server.port}/")).status == 500
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_stop_reads_the_rest_of_a_request_that_has_begun() -> None:
    async with echoing() as (server, begun):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf ")
        await begun.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)  # the stop begins
        writer.write(b"whole")
        answer = await reader.read()
        await stopping
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"half whole")
    assert b"Connection: close" in answer


async def test_a_connection_too_many_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.server._MOST_CONNECTIONS", 1)
    async with echoing() as (server, _):
        first = await asyncio.open_connection("127.0.0.1", server.port)
        first[1].write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        second = await asyncio.open_connection("127.0.0.1", server.port)
        assert await second[0].read() == b""
        first[1].write(b"once")
        assert (await first[0].readuntil(b"once")).startswith(b"HTTP/1.1 200 ")
        for _, writer in (first, second):
            writer.close()
