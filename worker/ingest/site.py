"""The HTTP server of the role receive: each delivery is verified, read and published before it is acknowledged.

An answer 2xx means that Kafka has acknowledged every record that the delivery becomes. Everything that a sender can
cause by itself is answered without an error of the worker, and nothing that it has sent is logged: bodies have personal
data, and headers and paths may have secrets.
"""

import asyncio
import json
import logging
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from worker.clock import Clock
from worker.errors import Unreachable
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcome, Part, Refused
from worker.flow.trace_context import HEADER as TRACE_HEADER
from worker.flow.trace_context import trace_context
from worker.ingest.bodies import body_of, decompressed
from worker.ingest.counting import UNKNOWN, word_of
from worker.ingest.problems import Problems
from worker.ingest.refusals import NotTaken, Refusal
from worker.kafka.producing import Publish
from worker.receive.entries import Entry
from worker.receive.proxies import Proxies, is_private, url_of
from worker.receive.records import Delivery, Recorded, records
from worker.receive.settings import PATH, ReceiveSettings
from worker.receive.signatures import MEANING, Request

log = logging.getLogger(__name__)

#: The headers of every answer.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_REQUEST_ID = "X-Request-Id"
_HARMLESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: The largest number of outcomes that an answer lists.
_MOST_LISTED = 20
#: What Formbricks posts when somebody adds a webhook, without a signature since there is no secret yet. Unless it is
#: answered with 2xx, the webhook cannot be added.
_TRIAL = b'{"event":"testEndpoint"}'
#: The number of bytes of a body beyond which its reading may take longer than other deliveries should wait.
_LARGE = 20_000
_NO_TIME_LEFT = "its reading has taken all the time (receive.answer_seconds), so nothing was published"
_NO_SUCH_SOURCE = "there is no such source"
_PLAIN_HTTP = (
    "the secret came over http, so others may know it now: replace it, and let the tool deliver by https (TLS, or a "
    "proxy that is one of receive.trusted_proxies and sends X-Forwarded-Proto)"
)


class Observer(Protocol):
    """What counts deliveries."""

    def on_outcome(self, source: str, outcome: str, count: int = 1) -> None:
        """Count what deliveries of a source have become, or why one was not taken."""

    def on_acknowledged(self, source: str, seconds: float) -> None:
        """Note that a delivery of a source is acknowledged, and how long that took."""


@dataclass(frozen=True)
class Needs:
    """What deliveries are handled with."""

    settings: ReceiveSettings
    #: The paths to which deliveries are posted, by the part that follows `/receive/`.
    entries: Mapping[str, Entry]
    policy: IntakePolicy
    publish: Publish
    clock: Clock
    observer: Observer | None
    is_ready: Callable[[], bool]


class Site:
    """Answers requests."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._limits = needs.settings
        self._proxies = Proxies(needs.settings.proxies)
        self._problems = Problems()
        # The number of deliveries that are being handled.
        self._in_hand = 0

    def application(self) -> web.Application:
        """Return what serves the paths."""
        application = web.Application(middlewares=[self._answered], client_max_size=self._limits.body_bytes)
        router = application.router
        router.add_get("/healthz", self._health)
        for path in (f"{PATH}/{{source}}", f"{PATH}/{{source}}/{{secret:.*}}"):
            resource = router.add_resource(path)
            resource.add_route("POST", self._take, expect_handler=self._expect)
            resource.add_route("GET", self._show)
            resource.add_route("HEAD", self._show)
            resource.add_route("OPTIONS", self._permit)
        # Any other path: somebody has mistyped the address in the tool, or a slash comes twice.
        elsewhere = router.add_resource("/{path:.*}")
        elsewhere.add_route("POST", self._take_nothing)
        elsewhere.add_route("GET", self._nothing_here)
        return application

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, also one of a path or a method that does not exist."""
        try:
            return await handler(request)
        except web.HTTPException as error:  # there is no such path or method
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return web.Response(text=f"{error.status} {error.reason}\n", status=error.status, headers=allow)

    async def _health(self, _: web.Request) -> web.Response:
        """Say whether deliveries are taken."""
        ready = self._needs.is_ready()
        return web.Response(text="ready\n" if ready else "not ready\n", status=200 if ready else 503)

    async def _take_nothing(self, request: web.Request) -> web.Response:
        """Answer POST to a path that no source can have, like one to a source that does not exist."""
        return self._refused(request, _request_id(request), NotTaken(Refusal.UNAUTHENTIC, _NO_SUCH_SOURCE))

    async def _nothing_here(self, _: web.Request) -> web.Response:
        raise web.HTTPNotFound

    async def _show(self, _: web.Request) -> web.Response:
        """Answer GET and HEAD, by which some tools try whether an address exists. All sources are alike here."""
        return web.Response(text="Survey tools deliver to this address by POST.\n")

    async def _permit(self, request: web.Request) -> web.Response:
        """Answer OPTIONS, by which a sender of CloudEvents asks whether it may deliver (handshake.py)."""
        entry = self._needs.entries.get(request.match_info["source"])
        asked = {name.lower(): value for name, value in request.headers.items()}
        permission = None if entry is None else entry.permission(asked)
        if permission is None:
            raise web.HTTPMethodNotAllowed("OPTIONS", ["GET", "HEAD", "OPTIONS", "POST"])
        return web.Response(headers=permission)

    async def _expect(self, request: web.Request) -> web.Response | None:
        """Answer the header Expect: a client that asks first need not send a body that is too large."""
        if (request.content_length or 0) > self._limits.body_bytes:
            return self._refused(request, _request_id(request), NotTaken(Refusal.TOO_LARGE))
        if request.headers["Expect"].lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        return None

    async def _take(self, request: web.Request) -> web.Response:
        """Answer POST: take a delivery, or say why not.

        No delivery can stop the worker: a bug is an error in the log, without its text, and the tool delivers again.
        """
        request_id = _request_id(request)
        if self._in_hand >= self._limits.concurrent_requests:
            return self._refused(request, request_id, NotTaken(Refusal.OVERLOADED))
        self._in_hand += 1
        try:
            return await self._taken(request, request_id)
        except NotTaken as not_taken:
            return self._refused(request, request_id, not_taken)
        except Exception:
            log.exception("a delivery could not be read because of a bug in the worker: please report this line")
            return self._refused(request, request_id, NotTaken(Refusal.BUG))
        finally:
            self._in_hand -= 1

    async def _taken(self, request: web.Request, request_id: str) -> web.Response:
        """Take a delivery. Raise NotTaken if that is not possible."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + self._limits.answer_seconds
        try:
            async with asyncio.timeout_at(deadline):
                body = await body_of(request, self._limits.body_bytes)
        except TimeoutError:
            raise NotTaken(Refusal.TOO_SLOW) from None
        name, arrived = request.match_info["source"], self._needs.clock.now()
        sent = self._sent(request, body)
        try:
            entry = self._verified(name, request, sent, arrived)
        except NotTaken:
            if body == _TRIAL:
                return _answer(request_id, [{"outcome": "ignored", "reason": "endpoint_test"}])
            raise
        plain = decompressed(body, sent.headers.get("content-encoding", ""), self._limits.body_bytes)
        found = await self._read(entry, name, sent._replace(body=plain, arrived_at=arrived), arrived)
        await self._publish(found, deadline - loop.time())
        self._count(name, found, loop.time() - began)
        if refused := [one.outcome for one in found if isinstance(one.outcome, Refused)]:
            said = f"{refused[0].reason}: {refused[0].detail}; it became a dead letter"
            self._problems.report(name, word_of(refused[0]), request_id, said)
        if left_out := {path for one in found if isinstance(one.outcome, Accepted) for path in one.outcome.left_out}:
            said = f"answers do without these fields, whose values no response can have: {', '.join(sorted(left_out))}"
            self._problems.report(name, "left_out", request_id, said)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request %s of source %s was taken: %s", request_id, name, _summary(found))
        return _answer(request_id, [_listed(one.outcome) for one in found[:_MOST_LISTED]])

    async def _read(self, entry: Entry, name: str, sent: Request, arrived: int) -> list[Recorded]:
        """Return what a delivery becomes. A large one is read in a thread, so that the others need not wait for it."""
        trace = trace_context(sent.headers.get(TRACE_HEADER, ""))

        def read() -> list[Recorded]:
            return records(entry.read(sent), Delivery(name, sent.body, arrived, trace), self._needs.policy)

        return await asyncio.to_thread(read) if len(sent.body) > _LARGE else read()

    async def _publish(self, found: Sequence[Recorded], seconds: float) -> None:
        outputs = [one.output for one in found if one.output is not None]
        if outputs and seconds <= 0:
            raise NotTaken(Refusal.UNAVAILABLE, _NO_TIME_LEFT)
        if outputs:
            try:
                await self._needs.publish(outputs, seconds)
            except Unreachable as error:
                raise NotTaken(Refusal.UNAVAILABLE, str(error)) from None

    def _verified(self, name: str, request: web.Request, sent: Request, arrived: int) -> Entry:
        """Return the entry of a delivery. Raise NotTaken if there is none, or if the delivery is not authentic."""
        entry = self._needs.entries.get(name)
        if entry is None:
            raise NotTaken(Refusal.UNAUTHENTIC, _NO_SUCH_SOURCE)
        if entry.has_secret:
            peer = self._proxies.peer(_peer_of(request))
            if not is_private(peer, sent.headers, is_encrypted=request.secure):
                raise NotTaken(Refusal.PLAIN_HTTP, _PLAIN_HTTP)
        if (why := entry.verify(sent, arrived)) is not None:
            raise NotTaken(Refusal.UNAUTHENTIC, f"{why}: {MEANING[why]}")
        return entry

    def _sent(self, request: web.Request, body: bytes) -> Request:
        """Return a request as it was sent, with the address to which its sender has posted it."""
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            lower = name.lower()
            # As RFC 9110 (5.3) has it. A signature that comes twice is thereby not one that fits.
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        peer = self._proxies.peer(_peer_of(request))
        url = url_of(self._limits.public_url, peer, headers, request.raw_path)
        return Request(body, headers, url=url, path_secret=request.match_info.get("secret", ""))

    def _count(self, source: str, found: Sequence[Recorded], seconds: float) -> None:
        observer = self._needs.observer
        if observer is not None:
            for outcome, count in Counter(word_of(one.outcome) for one in found).items():
                observer.on_outcome(source, outcome, count)
            observer.on_acknowledged(source, seconds)

    def _refused(self, request: web.Request, request_id: str, not_taken: NotTaken) -> web.Response:
        """Count and log that a delivery is not taken, and return the answer that says so."""
        refusal, name = not_taken.refusal, request.match_info.get("source", "")
        source = name if name in self._needs.entries else UNKNOWN
        if self._needs.observer is not None:
            self._needs.observer.on_outcome(source, refusal.outcome)
        self._problems.report(source, refusal.outcome, request_id, not_taken.why or refusal.text)
        response = web.Response(text=f"{refusal.text}\n", status=refusal.status, headers={_REQUEST_ID: request_id})
        if refusal.retry_after is not None:
            response.headers["Retry-After"] = str(refusal.retry_after)
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if refusal is Refusal.ENCODING_UNKNOWN:
            response.headers["Accept-Encoding"] = "gzip, deflate"
        if refusal.closes:
            response.force_close()
        return response


def _listed(outcome: Outcome) -> dict[str, str]:
    """Return what an answer says of an outcome. The tool may show it to whoever has set it up."""
    word = word_of(outcome)
    if isinstance(outcome, Accepted) and outcome.left_out:
        return {"outcome": word, "left_out": ", ".join(outcome.left_out)}
    if isinstance(outcome, Accepted | Part | Fetch):
        return {"outcome": word}
    reason = outcome.why if isinstance(outcome, Ignored) else outcome.reason
    return {"outcome": word, "reason": reason, **({"detail": outcome.detail} if outcome.detail else {})}


def _answer(request_id: str, outcomes: list[dict[str, str]]) -> web.Response:
    body: dict[str, Any] = {"request_id": request_id, "outcomes": outcomes}
    return web.Response(
        body=json.dumps(body).encode() + b"\n",
        headers={"Content-Type": "application/json", _REQUEST_ID: request_id},
    )


def _summary(found: Sequence[Recorded]) -> str:
    counts = Counter(word_of(one.outcome) for one in found)
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _request_id(request: web.Request) -> str:
    """Return the id that the sender or a proxy has given to a request, if it is short and harmless, or a new one."""
    given = request.headers.get(_REQUEST_ID, "")
    return given if _HARMLESS_ID.fullmatch(given) else secrets.token_hex(8)


def _peer_of(request: web.Request) -> str:
    """Return the address of the other end of a connection; empty if it is not known."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) else ""
