"""A small API of survey tools on 127.0.0.1, which answers as it is told."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

HOST = "127.0.0.1"
TOKEN = "token-of-the-fake-api"

#: Answers a request; None leaves it to the usual answer.
Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Asked(NamedTuple):
    """A request that came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


def details(answer: str, **changes: Any) -> dict[str, Any]:
    """Return an answer of SurveyMonkey: its score is the last digit of its id, and its customer is named after it."""
    return {
        "id": answer,
        "survey_id": "1",
        "custom_variables": {"cid": f"c-{answer}"},
        "date_created": "2026-03-02T10:00:00+00:00",
        "date_modified": "2026-03-02T10:00:05+00:00",
        "pages": [{"questions": [{"id": "11", "answers": [{"text": answer[-1]}]}]}],
        **changes,
    }


class FakeApi:
    """Answers with `details` of any answer that is asked for with the right token, unless `answer` says otherwise."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Answer = _as_usual
        self.token = TOKEN
        self.port = 0
        #: How often each path was answered with 200.
        self.answered: Counter[str] = Counter()
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, which is looked at after each request."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(Asked(request.path, dict(request.query), dict(request.headers)))
        self._changed.set()
        found = await self.answer(request)
        if found is None:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return web.json_response({"error": "no"}, status=401)
            found = web.json_response(details(request.path.split("/")[-2]))
        if found.status == 200:
            self.answered[request.path] += 1
        self._changed.set()
        return found


async def _as_usual(_: web.Request) -> None:
    return None


def status(number: int, **headers: str) -> Answer:
    """Answer everything with a status."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=number, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answer


def body(content: bytes) -> Answer:
    """Answer everything with a body."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/json")

    return answer


async def hangs(_: web.Request) -> web.Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(request: web.Request) -> web.Response:
    """Break the connection."""
    assert request.transport is not None
    request.transport.close()
    raise asyncio.CancelledError


async def endless(request: web.Request) -> web.StreamResponse:
    """Send without end, and without saying how much."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(json.dumps("x" * 100_000).encode())


@asynccontextmanager
async def fake_api() -> AsyncIterator[FakeApi]:
    """Serve the API on a free port."""
    api = FakeApi()
    application = web.Application()
    application.router.add_get("/{path:.*}", api.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        _, api.port = runner.addresses[0][:2]
        yield api
    finally:
        await runner.cleanup()
