"""Damaged deliveries of all tools, the same at each run: whoever sends them has the right secret."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from receive.deliveries import SOURCES, deliveries, settings

from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import Request

#: What stands where something else was: values of other types, numbers that no float has, and texts that mislead.
_STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 11, 6.5, 10**30, -(2**63), 1e308, "", " ", "7", "6.5", "..", "a/b", "\ud83d", "\x00", "\u202e",
    "a@b.fr", "é" * 500, [], {}, [[]], {"": None}, [1, "a", None], "2026-03-02T10:00:00Z", "9999-12-31T23:59:59+99:99",
)  # fmt: skip
#: Bodies that have nothing of a tool's.
_FOREIGN = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"[]", b"null", b"NaN", b"-", b'"', b"%", b"a=b&a[]=c&a[b]=d",
    b"[" * 100_000, b'{"a":' * 50_000, b"1" * 100_000, b'"' + b"\\u0000" * 10_000 + b'"', b"&" * 20_000,
    b"<xml/>", b'{"a":1e999999}', b'{"a":"\\ud800"}', b"a[b][c][d][e][f][g][h][i][j]=k",
)  # fmt: skip
_CONTENT_TYPES = (
    "", "application/json", "application/x-www-form-urlencoded", "application/cloudevents+json",
    "application/cloudevents-batch+json", "application/cloudevents+avro", "text/plain; charset=utf-16", ";", "a" * 500,
)  # fmt: skip
_ENCODINGS = ("gzip", "deflate", "br", "identity", "x")


class Damaged(NamedTuple):
    """A damaged delivery, and the name of its source."""

    source: str
    request: Request


def of_all_tools(**changes: Any) -> ReceiveSettings:
    """Return settings with a source for each tool, which is called as the tool, with underscores."""
    sources = [one.model_copy(update={"name": name_of(tool)}) for tool in SOURCES for one in settings(tool).sources]
    return settings("template", name="x").model_copy(update={"sources": sources, **changes})


def name_of(tool: str) -> str:
    return tool.replace("-", "_")


def damaged(count: int, seed: int) -> Iterator[Damaged]:
    """Yield damaged deliveries."""
    rng = random.Random(seed)
    known = [(name_of(tool), [delivery.request for delivery in deliveries(tool)]) for tool in SOURCES]
    for _ in range(count):
        source, requests = rng.choice(known)
        request = rng.choice(requests)
        request = request._replace(body=_body(rng, request))
        yield Damaged(source, request._replace(headers=_headers(rng, request)))


def _headers(rng: random.Random, request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if rng.random() < 0.1:
        headers["content-type"] = rng.choice(_CONTENT_TYPES)
    if rng.random() < 0.05:
        headers["content-encoding"] = rng.choice(_ENCODINGS)
    for name in [*headers]:
        if name.startswith("ce-") and rng.random() < 0.2:
            headers[name] = rng.choice(("", "%ff", "%C0%A0", '"', '"\\', "é", "x" * 300))
    return headers


def _body(rng: random.Random, request: Request) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice(_FOREIGN)
    if kind < 0.5:
        return _bytes(rng, request.body)
    if "form" in request.headers.get("content-type", ""):
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if "MSG" in fields:
            fields["MSG"] = json.dumps(_value(rng, json.loads(fields["MSG"])))
        fields[rng.choice([*fields])] = str(rng.choice(_STRANGE))
        return urlencode(fields, errors="replace").encode()
    try:
        return json.dumps(_value(rng, json.loads(request.body))).encode()
    except ValueError:  # one of the deliveries is no JSON
        return _bytes(rng, request.body)


def _bytes(rng: random.Random, body: bytes) -> bytes:
    """Return a body in which bytes are missing, others are between them, or a part is there twice."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(body))
        end = min(len(body), start + rng.randint(0, 12))
        between = rng.choice((rng.randbytes(rng.randint(0, 4)), body[start:end] * 2))
        body = body[:start] + between + body[end:]
    return body[: rng.randint(0, len(body))] if rng.random() < 0.2 else body


def _value(rng: random.Random, value: Any) -> Any:
    """Return a value in which something stands at a place where something else was, or is missing."""
    whole = [deepcopy(value)]
    for _ in range(rng.randint(1, 3)):
        *outer, last = (0, *rng.choice(_places(whole[0])))
        inside: Any = whole
        for key in outer:
            inside = inside[key]
        if outer and rng.random() < 0.3:
            del inside[last]
        else:
            inside[last] = deepcopy(rng.choice(_STRANGE))
    return whole[0]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]
