"""Spans that workers have exported, to memory or to a collector."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.tracing import exporting


class Kept(InMemorySpanExporter):
    """The spans of workers that run one after the other, or at the same time."""

    def shutdown(self) -> None:
        """Go on: the next worker uses the same exporter."""

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans with a name, in the order in which they have ended."""
        found = [span for span in self.get_finished_spans() if span.name == name]
        return sorted(found, key=lambda span: span.end_time or 0)


@contextmanager
def kept_spans() -> Iterator[Kept]:
    """Let workers of this process export their spans to memory."""
    kept = Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "named_exporter", lambda: kept)
        yield kept


class Collector:
    """What takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[ExportTraceServiceRequest] = []

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/v1/traces"
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(body=ExportTraceServiceResponse().SerializeToString())

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they have arrived."""
        scopes = [scope for request in self.requests for one in request.resource_spans for scope in one.scope_spans]
        return [span for scope in scopes for span in scope.spans]


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Run a collector on a free port of 127.0.0.1."""
    found = Collector()
    runner = web.ServerRunner(web.Server(found.take), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.port = runner.addresses[0][1]
        yield found
    finally:
        await runner.cleanup()


def links(span: ReadableSpan) -> list[str]:
    """Return the contexts that a span has links to, as traceparent has them."""
    contexts = [link.context for link in span.links]
    return [f"00-{one.trace_id:032x}-{one.span_id:016x}-{one.trace_flags:02x}" for one in contexts]


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def own_context(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
