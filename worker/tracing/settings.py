"""The settings of traces."""

from pydantic import Field

from worker.section import Section


class TracingSettings(Section):
    """Whether the worker makes spans. Where these go is said by the OTEL_* variables, as docs/tracing.md describes."""

    enabled: bool = Field(
        default=False,
        description="Whether the worker makes spans of its batches and of its attempts to send, and exports them by "
        "OTLP over HTTP. The environment variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT, say where to "
        "and how. It needs the extra otel.",
    )
