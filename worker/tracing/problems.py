"""Why spans cannot be exported: what is not installed, and which of OpenTelemetry's variables cannot be followed."""

from collections.abc import Mapping
from importlib import import_module

from worker.tracing.settings import TracingSettings

#: How long an export without spans may take to stop, in seconds.
_STOP_SECONDS = 5.0
#: The exporters that the variable OTEL_TRACES_EXPORTER can name.
EXPORTER, OTLP, CONSOLE = "OTEL_TRACES_EXPORTER", "otlp", "console"
#: The variables that choose the protocol, the strongest first, and the only protocol.
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_NOT_INSTALLED = (
    "tracing.enabled: OpenTelemetry is not installed: install the worker with its extra otel (pip install "
    "'detractor-worker[otel]'), or set tracing.enabled to false"
)
_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def problems(settings: TracingSettings, environment: Mapping[str, str]) -> list[str]:
    """Return a line for each reason for which spans cannot be exported; nothing if they can, or are switched off.

    `environment`: the environment variables of this process.
    """
    if not settings.enabled:
        return []
    try:
        for module in _NEEDED:
            import_module(module)
    except ImportError:
        return [_NOT_INSTALLED]
    return _wrong_choices(environment) or _refused()


def _wrong_choices(environment: Mapping[str, str]) -> list[str]:
    found = []
    exporter = environment.get(EXPORTER, "").strip() or OTLP
    if exporter not in {OTLP, CONSOLE}:
        found.append(
            f"{EXPORTER}: must be {OTLP} or {CONSOLE}; if nothing is to be exported, set tracing.enabled to false"
        )
    chosen = next((name for name in _PROTOCOLS if environment.get(name, "").strip()), None)
    if chosen is not None and environment[chosen].strip() != _PROTOCOL:
        found.append(f"{chosen}: must be {_PROTOCOL}, which collectors accept at port 4318")
    return found


def _refused() -> list[str]:
    """Return a line if OpenTelemetry refuses one of its variables. It does not say which one."""
    from worker.tracing.exporting import Exporting, named_exporter  # noqa: PLC0415 - it may not be installed

    try:
        Exporting(named_exporter()).stop(_STOP_SECONDS)
    except ValueError:
        return ["OpenTelemetry refuses a value of one of its variables (OTEL_BSP_*, OTEL_EXPORTER_OTLP_*, OTEL_SPAN_*)"]
    return []
