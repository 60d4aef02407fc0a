"""The export of spans: the environment variables of OpenTelemetry say where they go, and how many there are."""

import logging
import os
from collections.abc import Sequence
from threading import Thread

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from worker import __version__
from worker.tracing.otlp import OtlpExporter
from worker.tracing.problems import CONSOLE, EXPORTER

log = logging.getLogger(__name__)

_SERVICE = "detractor-worker"


def named_exporter() -> SpanExporter:
    """Return the exporter that OTEL_TRACES_EXPORTER names; by default the one for OTLP over HTTP."""
    return ConsoleSpanExporter() if os.environ.get(EXPORTER, "").strip() == CONSOLE else OtlpExporter()


class Exporting:
    """Exports spans in a thread. If the collector does not take them, they are lost, and nothing waits for it.

    Raise ValueError if OpenTelemetry refuses one of its variables.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        resource = Resource.create(
            {SERVICE_NAME: _SERVICE, SERVICE_VERSION: __version__, **OTELResourceDetector().detect().attributes}
        )
        #: What makes tracers. It samples, and limits spans, as the variables say.
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = _Watched(exporter)
        self._processor = BatchSpanProcessor(self._exporter)
        self.provider.add_span_processor(self._processor)

    def stop(self, seconds: float) -> None:
        """Export what is left, for at most this time, and stop. This blocks the thread that calls it."""
        # OpenTelemetry would wait for half a minute. A daemon does not keep the process from ending.
        stopping = Thread(target=self._processor.shutdown, name="the last spans", daemon=True)
        stopping.start()
        stopping.join(seconds)
        if stopping.is_alive():
            self._exporter.shutdown()
            log.warning("the last spans are lost: the collector has not taken them within %.1f s", seconds)


class _Watched(SpanExporter):
    """Logs when spans begin to be lost and why, and when they are exported again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        result = self._exporter.export(spans)
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing and not self._is_failing:
            failure = self._exporter.failure if isinstance(self._exporter, OtlpExporter) else ""
            log.warning(
                "spans are lost: the collector does not take them%s (OTEL_EXPORTER_OTLP_ENDPOINT, "
                "OTEL_EXPORTER_OTLP_HEADERS)",
                f": {failure}" if failure else "",
            )
        elif self._is_failing and not is_failing:
            log.info("spans are exported again")
        self._is_failing = is_failing
        return result

    def shutdown(self) -> None:
        """Stop, also if spans are being exported."""
        self._exporter.shutdown()
