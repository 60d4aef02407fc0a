"""Posting to a real HTTP server on 127.0.0.1: what each answer means, and what the worker does not do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from notify.rigs import HOST, HttpServer, certificate, http_server
from pydantic import SecretStr, ValidationError

from worker.errors import DeliveryError, SettingsError
from worker.notify import posting
from worker.notify.channel import LONGEST_RETRY_AFTER
from worker.notify.endpoint import Endpoint
from worker.notify.posting import Poster


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with http_server() as found:
        found.accepted = []
        yield found


@pytest.fixture
async def poster(server: HttpServer) -> AsyncIterator[Poster]:
    made = poster_to(server.port)
    yield made
    await made.aclose()


def poster_to(port: int, **changes: Any) -> Poster:
    options: dict[str, Any] = {"timeout_seconds": 30.0, "connections": 2} | changes
    endpoint = Endpoint(url=SecretStr(f"http://{HOST}:{port}/hook"))
    return Poster(endpoint, "webhook crm", "webhook.endpoints.crm", **options)


async def post(poster: Poster, begun: Callable[[], None] = lambda: None) -> None:
    await poster.post(b"{}", {"webhook-id": "d-1"}, begun)


async def refusal(poster: Poster) -> DeliveryError:
    with pytest.raises(DeliveryError) as refused:
        await post(poster)
    return refused.value


def answers(server: HttpServer, status: int, headers: dict[str, str] | None = None, body: bytes = b"no") -> None:
    server.answer = lambda: web.Response(status=status, headers=headers, body=body)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_success_is_one(server: HttpServer, poster: Poster, status: int) -> None:
    answers(server, status, body=b"")
    await post(poster)

    assert server.accepted == ["d-1"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 499, 300, 301, 302, 303, 307, 308, 304])
async def test_a_permanent_refusal_is_an_alarm(server: HttpServer, poster: Poster, status: int) -> None:
    answers(server, status, {"Location": f"http://{HOST}:{server.port}/elsewhere"}, b"")
    error = await refusal(poster)

    assert (error.reason, error.retry, error.unavailable, error.alarm) == (f"http_{status}", False, False, True)
    assert "webhook.endpoints.crm" in error.hint
    assert len(server.requests) == 1, "redirects are not followed"


@pytest.mark.parametrize("status", [408, 425, 500, 501, 502, 504, 599])
async def test_a_transient_refusal_is_about_the_notice(server: HttpServer, poster: Poster, status: int) -> None:
    answers(server, status)
    error = await refusal(poster)

    assert (error.reason, error.retry, error.unavailable, error.alarm) == (f"http_{status}", True, False, False)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_takes_nothing_now_is_unavailable(server: HttpServer, poster: Poster, status: int) -> None:
    answers(server, status)
    error = await refusal(poster)

    assert (error.reason, error.retry, error.unavailable, error.alarm) == (f"http_{status}", True, True, False)


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("999999999999999999999", LONGEST_RETRY_AFTER),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("٣", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
async def test_retry_after_in_seconds_is_respected_up_to_an_hour(
    server: HttpServer, poster: Poster, status: int, text: str, seconds: float
) -> None:
    answers(server, status, {"Retry-After": text})

    assert (await refusal(poster)).retry_after == seconds


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        (timedelta(seconds=7), 7.0),
        (timedelta(days=400), LONGEST_RETRY_AFTER),
        (timedelta(seconds=-60), 0.0),
    ],
)
async def test_retry_after_as_a_date_counts_from_the_servers_own_clock(
    server: HttpServer, poster: Poster, later: timedelta, seconds: float
) -> None:
    theirs = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)  # their clock is years ahead
    headers = {
        "Date": format_datetime(theirs, usegmt=True),
        "Retry-After": format_datetime(theirs + later, usegmt=True),
    }
    answers(server, 429, headers)

    assert (await refusal(poster)).retry_after == seconds


@given(
    text=st.text(max_size=60)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,30} [A-Z][a-z]{2} \d{1,30} [\d:]{1,30} [-+]?\w{1,9}")
)
def test_no_text_in_place_of_a_date_is_a_failure_of_the_worker(text: str) -> None:
    moment = posting._moment(text)

    assert moment is None or moment.tzinfo is not None


async def test_an_answer_without_end_is_not_read_to_its_end(server: HttpServer, poster: Poster) -> None:
    written = 0

    class Endless(web.StreamResponse):
        async def write_eof(self, data: bytes = b"") -> None:
            del data
            nonlocal written
            while True:
                await self.write(b"x" * 65_536)
                written += 65_536

    server.answer = Endless
    await post(poster)
    await post(poster)

    assert server.accepted == ["d-1", "d-1"]
    assert written < 64 * 1024 * 1024


async def test_connections_are_kept_and_bounded(server: HttpServer, poster: Poster) -> None:
    for _ in range(3):
        await post(poster)
    assert len({id(request.transport) for request, _ in server.requests}) == 1

    gate, waiting = asyncio.Event(), asyncio.Semaphore(0)
    handle = server.handle

    async def at_gate(request: web.BaseRequest) -> web.StreamResponse:
        waiting.release()
        await gate.wait()
        return await handle(request)

    async with _served(at_gate) as port:
        busy = poster_to(port)
        posts = [asyncio.create_task(post(busy)) for _ in range(5)]
        await waiting.acquire()
        await waiting.acquire()
        assert waiting.locked(), "no more than two at a time"
        gate.set()
        await asyncio.gather(*posts)
        await busy.aclose()


async def test_an_idle_connection_that_the_server_has_closed_is_no_failure() -> None:
    """The server takes one request on each connection, and closes it without saying so once the next one comes."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n{}")
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read(1)  # the next request
        writer.transport.abort()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        poster = poster_to(listening.sockets[0].getsockname()[1])
        for _ in range(3):
            await post(poster)
        await poster.aclose()

    assert requests == 3


@pytest.mark.parametrize(
    ("answer", "reason", "unavailable"), [(None, "refused", True), (503, "http_503", True), (404, "http_404", False)]
)
async def test_what_an_idle_connection_may_have_brought_is_not_forgotten_whatever_the_repeat_gets(
    answer: int | None, reason: str, unavailable: bool
) -> None:
    """The server takes a second request on its first connection, and closes that one without an answer."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        status = answer if connections > 1 else 200
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
        if connections == 1:
            await reader.readuntil(b"\r\n\r\n{}")
            if answer is None:
                listening.close()  # so that the repeat is refused
            writer.transport.abort()
        writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    async with listening:
        poster = poster_to(listening.sockets[0].getsockname()[1])
        await post(poster)
        error = await refusal(poster)
        await poster.aclose()

    assert (error.reason, error.unavailable, error.unsure) == (reason, unavailable, True)


async def test_what_is_no_http_server_is_an_alarm() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        poster = poster_to(listening.sockets[0].getsockname()[1])
        error = await refusal(poster)
        await poster.aclose()

    assert (error.reason, error.retry, error.unsure, error.alarm) == ("protocol_error", True, True, True)


@pytest.mark.parametrize(
    ("answer", "reason", "alarm", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", "protocol_error", True, "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n", "protocol_error", True, "headers are too large"),
        (b"", "disconnected", False, "the connection broke"),
    ],
)
async def test_a_bad_answer_of_an_http_server_is_called_what_it_is(
    answer: bytes, reason: str, alarm: bool, said: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        poster = poster_to(listening.sockets[0].getsockname()[1])
        error = await refusal(poster)
        await poster.aclose()
    assert (error.reason, error.retry, error.unsure, error.alarm) == (reason, True, True, alarm)
    assert said in error.hint
    assert "not an HTTP server" not in error.hint


@pytest.mark.parametrize(("status", "is_redirect"), [(301, True), (302, True), (307, True), (308, True), (304, False)])
async def test_only_a_redirect_is_called_one(
    server: HttpServer, poster: Poster, status: int, is_redirect: bool
) -> None:
    answers(server, status, {"Location": f"http://{HOST}:{server.port}/elsewhere"}, b"")

    assert ("redirects to another address" in (await refusal(poster)).hint) is is_redirect


async def test_a_proxy_of_the_environment_is_not_used(
    server: HttpServer, poster: Poster, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{HOST}:{unused_tcp_port}")
    await post(poster)

    assert server.accepted == ["d-1"]


async def test_cookies_are_not_kept(server: HttpServer, poster: Poster) -> None:
    answers(server, 200, {"Set-Cookie": "a=b"})
    await post(poster)
    await post(poster)

    assert "Cookie" not in server.requests[-1][0].headers


async def test_the_check_connects_and_posts_nothing(server: HttpServer, poster: Poster, unused_tcp_port: int) -> None:
    await poster.check()
    with pytest.raises(DeliveryError, match="refused") as refused:
        await poster_to(unused_tcp_port).check()

    assert "webhook.endpoints.crm.url" in refused.value.hint
    assert server.requests == []


async def test_the_check_finds_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    tls, cafile = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    async with http_server(tls) as server:
        for file, reason in ((cafile, None), (other, "tls_failed")):
            endpoint = Endpoint(url=SecretStr(f"https://{HOST}:{server.port}/"), cafile=file)
            poster = Poster(endpoint, "chat care", "chat.endpoints.care", timeout_seconds=30.0, connections=1)
            if reason is None:
                await poster.check()
            else:
                with pytest.raises(DeliveryError, match=reason):
                    await poster.check()


def test_a_file_without_a_certificate_is_an_error_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    endpoint = Endpoint(url=SecretStr("https://crm.example.org/"), cafile=tmp_path / "empty.pem")
    with pytest.raises(SettingsError, match=r"webhook\.endpoints\.crm\.cafile"):
        Poster(endpoint, "webhook crm", "webhook.endpoints.crm", timeout_seconds=1.0, connections=1)


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com/hooks?token=a",
        "https://crm.example.com:8443/",
        "https://10.0.0.7/hook",
        "http://localhost:8080/hook",
        "http://127.0.0.1/hook",
        "http://[::1]:9000/hook",
    ],
)
def test_these_addresses_are_taken(url: str) -> None:
    assert Endpoint(url=SecretStr(url)).url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://crm.example.com/hook", "must begin with https"),
        ("http://10.0.0.7/hook", "must begin with https"),
        ("ftp://crm.example.com/", "must be an https address"),
        ("crm.example.com/hook", "must be an https address"),
        ("https://", "must be an https address"),
        ("https://crm.example.com/#part", "must be an https address"),
        ("https://crm.example.com:port/", "must be an https address"),
        ("https://crm.example.com/a b", "must be an https address"),
        ("https://crm.exämple.com/", "must be an https address"),
        ("https://crm..example.com/", "must be an https address"),
        (f"https://{'a' * 64}.example.com/", "must be an https address"),
        ("https://crm.example.com/\nHost: other", "must be an https address"),
        ("https://user:s3cr3t@crm.example.com/", "no user name and no password"),
        (f"https://crm.example.com/{'a' * 2_000}", "must be an https address"),
    ],
)
def test_these_are_not_and_the_message_does_not_repeat_them(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as wrong:
        Endpoint(url=SecretStr(url))

    [found] = wrong.value.errors(include_input=False)
    assert "s3cr3t" not in str(found["msg"])


def test_plain_http_to_another_machine_has_to_be_allowed() -> None:
    endpoint = Endpoint(url=SecretStr("http://crm.internal:8080/hook"), allow_http=True)

    assert (endpoint.is_encrypted, endpoint.host, endpoint.port) == (False, "crm.internal", 8080)


class _served:  # noqa: N801 - it is used like a function
    """An HTTP server with this handler; yields its port."""

    def __init__(self, handler: Callable[[web.BaseRequest], Any]) -> None:
        self._runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1.0)

    async def __aenter__(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
