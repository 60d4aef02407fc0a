"""The program that posts deliveries for `python -m bench.receiving`, in a process of its own.

It reads its plan as JSON from its input, and writes what it found as JSON. A delivery is due at its time, whatever
became of those before it, and its delay counts from that time: a receiver that stops for a moment delays all that are
due meanwhile, as it would in an installation.
"""

import asyncio
import base64
import hmac
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

import uvloop

#: The name of the header with the length of an answer's body.
_LENGTH = b"content-length:"
_HEAD_END = b"\r\n\r\n"
_COMMENT = "Livraison en retard, et personne ne répond au téléphone depuis trois jours."


def delivery(number: int, host: str, secret: str, at: str) -> bytes:
    """Return a request as Typeform makes it, with its signature."""
    field = {"id": "why", "ref": "why", "type": "long_text"}
    form: dict[str, Any] = {
        "form_id": "bench",
        "token": f"r-{number:08d}",
        "submitted_at": at,
        "hidden": {"customer_id": f"c-{number % 50_000}", "segment": f"fr/shop-{number % 20}/delivery"},
        "definition": {"id": "bench", "title": "NPS", "fields": [{"id": "nps", "type": "nps"}, field]},
        "answers": [
            {"type": "number", "number": number % 11, "field": {"id": "nps", "ref": "nps", "type": "nps"}},
            {"type": "text", "text": _COMMENT, "field": field},
        ],
    }
    body = json.dumps({"event_id": f"e-{number}", "event_type": "form_response", "form_response": form}).encode()
    signature = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    head = (
        f"POST /receive/typeform HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Typeform-Signature: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """A connection that stays open. It has one request at a time."""

    def __init__(self, on_answer: Callable[["Connection", int], None]) -> None:
        """`on_answer` gets the status of each answer; 0 if the connection was closed before it."""
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type

    def send(self, request: bytes) -> None:
        """Send a request."""
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._got += data
        head, end, body = self._got.partition(_HEAD_END)
        if not end:
            return
        lower = head.lower()
        length = int(lower.partition(_LENGTH)[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._got = b""
            self._on_answer(self, int(head[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        """Tell that no answer comes any more."""
        self._on_answer(self, 0)

    def close(self) -> None:
        """Close the connection."""
        assert self._transport is not None
        self._transport.abort()


class Posting:
    """Posts requests at a steady rate over a fixed number of connections."""

    def __init__(self, requests: list[bytes], rate: float, first: int) -> None:
        """`first`: the number of the first request whose delay counts."""
        self._requests = requests
        self._rate = rate
        self._first = first
        self._idle: deque[Connection] = deque()
        self._due: deque[int] = deque()
        self._of: dict[Connection, int] = {}
        self._began = 0.0
        self._all = asyncio.Event()
        self._is_over = False
        self.delays: list[float] = []
        self.statuses = Counter[int]()
        #: The largest number of requests that waited for a connection.
        self.most_waiting = 0

    async def run(self, host: str, port: int, connections: int) -> float:
        """Post all requests; return how many seconds that took."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _transport, connection = await loop.create_connection(lambda: Connection(self._answered), host, port)
            self._idle.append(connection)
        open_ones = list(self._idle)
        self._began = time.perf_counter()
        for number in range(len(self._requests)):
            ahead = self._began + number / self._rate - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._due.append(number)
            self._post()
        await self._all.wait()
        seconds = time.perf_counter() - self._began
        self._is_over = True
        for connection in open_ones:
            connection.close()
        return seconds

    def _post(self) -> None:
        while self._due and self._idle:
            connection, number = self._idle.popleft(), self._due.popleft()
            self._of[connection] = number
            connection.send(self._requests[number])
        self.most_waiting = max(self.most_waiting, len(self._due))

    def _answered(self, connection: Connection, status: int) -> None:
        if self._is_over:
            return
        number = self._of.pop(connection, None)
        if number is None:  # it was idle, and is closed
            self._idle.remove(connection)
            return
        self.statuses[status] += 1
        if number >= self._first:
            self.delays.append(time.perf_counter() - self._began - number / self._rate)
        if status:
            self._idle.append(connection)
        self._post()
        if self.statuses.total() == len(self._requests):
            self._all.set()


async def _main(plan: dict[str, Any]) -> dict[str, Any]:
    warm_up = plan["warm_up_seconds"] * plan["rate"]
    count = warm_up + plan["seconds"] * plan["rate"]
    host, port = plan["host"], plan["port"]
    requests = [delivery(number, f"{host}:{port}", plan["secret"], plan["at"]) for number in range(count)]
    posting = Posting(requests, plan["rate"], warm_up)
    busy = time.process_time()
    seconds = await posting.run(host, port, plan["connections"])
    return {
        "seconds": seconds,
        "statuses": posting.statuses,
        "delays": posting.delays,
        "most_waiting": posting.most_waiting,
        "cpu_seconds": time.process_time() - busy,
        "request_bytes": len(requests[0]),
    }


if __name__ == "__main__":
    json.dump(uvloop.run(_main(json.load(sys.stdin))), sys.stdout)
