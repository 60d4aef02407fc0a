"""The export of spans: what the variables say, what a collector that is away causes, and how the export ends."""

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from tracing.recording import Kept

from worker import __version__
from worker.embedded.kafka import free_port
from worker.tracing.exporting import Exporting, _Watched, named_exporter


def test_the_variable_names_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(named_exporter(), OTLPSpanExporter)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    assert isinstance(named_exporter(), ConsoleSpanExporter)


def resource_of() -> dict[str, object]:
    exporting = Exporting(Kept())
    exporting.stop(10.0)
    return {**exporting.provider.resource.attributes}


def test_the_service_has_a_name_and_a_version_unless_the_variables_say_others(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = resource_of()
    assert (usual["service.name"], usual["service.version"]) == ("detractor-worker", __version__)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=nps,deployment.environment.name=staging")
    named = resource_of()
    assert (named["service.name"], named["deployment.environment.name"]) == ("nps", "staging")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "alerts")
    assert resource_of()["service.name"] == "alerts"


def exported_at_the_end() -> list[str]:
    """Return the names of the spans that are exported, of one that has just ended."""
    kept = Kept()
    exporting = Exporting(kept)
    exporting.provider.get_tracer("t").start_span("last").end()
    exporting.stop(10.0)
    return [span.name for span in kept.get_finished_spans()]


def test_the_last_spans_are_exported_at_the_end() -> None:
    assert exported_at_the_end() == ["last"]


@pytest.mark.parametrize(("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "always_off")])
def test_no_span_is_exported_if_a_variable_says_so(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert exported_at_the_end() == []


class Collector(SpanExporter):
    """An exporter whose collector hangs, or answers what `result` says."""

    def __init__(self) -> None:
        self.result = SpanExportResult.SUCCESS
        self.reached, self.let_go = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        self.reached.set()
        self.let_go.wait()
        return self.result

    def shutdown(self) -> None:
        self.let_go.set()


def test_a_collector_that_hangs_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector()
    exporting = Exporting(collector)
    exporting.provider.get_tracer("t").start_span("last").end()
    exporting.stop(0.01)
    assert collector.let_go.is_set()
    assert ["the last spans are lost: the collector has not taken them within 0.0 s"] == [
        record.message for record in caplog.records if record.name == "worker.tracing.exporting"
    ]


def test_an_outage_of_the_collector_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    collector = Collector()
    collector.let_go.set()
    watched = _Watched(collector)
    for result in ("SUCCESS", "FAILURE", "FAILURE", "SUCCESS", "SUCCESS", "FAILURE"):
        collector.result = SpanExportResult[result]
        assert watched.export([]) is collector.result
    lost = "spans are lost: the collector does not take them (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS)"
    assert [record.message for record in caplog.records] == [lost, "spans are exported again", lost]


@contextmanager
def collector_that_refuses() -> Iterator[str]:
    """Yield the address of a collector that answers each export with 403 and a text."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(403, "s3cret")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def lost_at(endpoint: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what is logged as a warning by the worker when two exports to a collector have failed."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    caplog.clear()
    watched = _Watched(named_exporter())
    for _ in range(2):
        assert watched.export([]) is SpanExportResult.FAILURE
    watched.shutdown()
    return [record.message for record in caplog.records if record.name == "worker.tracing.exporting"]


def test_the_line_says_once_why_the_collector_does_not_take_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with collector_that_refuses() as address:
        [refused] = lost_at(address, monkeypatch, caplog)
    assert "it answered with status 403 (OTEL_" in refused
    assert "s3cret" not in refused
    [away] = lost_at(f"http://127.0.0.1:{free_port()}", monkeypatch, caplog)
    assert "it refused the connection (OTEL_" in away
    [wrong] = lost_at("grpc://127.0.0.1:4317", monkeypatch, caplog)
    assert "its address is no http or https URL (OTEL_" in wrong
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        [late] = lost_at(f"http://127.0.0.1:{deaf.getsockname()[1]}", monkeypatch, caplog)
    assert "it did not answer in time (OTEL_" in late
