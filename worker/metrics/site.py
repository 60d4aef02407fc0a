"""The pages that Prometheus and probes ask for. They are served at an address of their own, away from public pages."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from worker.metrics.exposition import CONTENT_TYPE, Exposition
from worker.metrics.probes import Answer, Probes

#: The headers of every answer.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def application(exposition: Exposition, probes: Probes) -> web.Application:
    """Return the application. It answers GET and HEAD only, and no request changes anything."""
    made = web.Application()
    made.router.add_get("/metrics", _metrics(exposition))
    made.router.add_get("/livez", _probe(probes.live))
    made.router.add_get("/readyz", _probe(probes.readiness))
    made.router.add_get("/startupz", _probe(probes.startup))
    return made


def _metrics(exposition: Exposition) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        text = bytearray()
        for piece in exposition.pieces():
            text += piece
            await asyncio.sleep(0)  # alerts do not wait until all of it is made
        return _closing(web.Response(body=bytes(text), headers={"Content-Type": CONTENT_TYPE}))

    return answer


def _probe(ask: Callable[[], Answer]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        found = ask()
        return _closing(web.Response(status=200 if found.fine else 503, text=f"{found.text}\n"))

    return answer


def _closing(response: web.Response) -> web.Response:
    """Let a connection serve one request, so that idle clients hold none."""
    response.force_close()
    return response
