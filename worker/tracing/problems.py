"""Why spans cannot be exported: what is not installed, and which of OpenTelemetry's variables cannot be followed."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import inf
from pathlib import Path

from worker.address import split_url
from worker.tracing.settings import TracingSettings

#: How long an export without spans may take to stop, in seconds.
_STOP_SECONDS = 5.0
#: The exporters that the variable OTEL_TRACES_EXPORTER can name.
EXPORTER, OTLP, CONSOLE = "OTEL_TRACES_EXPORTER", "otlp", "console"
#: The variables that choose the protocol, the strongest first, and the only protocol.
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
#: The longest address of a collector, in characters.
_LONGEST_URL = 2_000
_SAMPLER, _SHARE = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
#: The samplers that keep a share of the traces, and all samplers.
_SAMPLERS_OF_SHARES = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS = ("always_on", "always_off", "parentbased_always_on", "parentbased_always_off", *_SAMPLERS_OF_SHARES)
_COMPRESSIONS = ("none", "gzip", "deflate")
#: A header as a pair: its name is a token of HTTP, and its value is percent-encoded.
_HEADER = re.compile(r"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[\x20-\x7e]*")
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
    return [*_wrong_choices(environment), *_wrong_values(environment)] or _refused()


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


def _is_url(text: str) -> bool:
    parts = split_url(text, _LONGEST_URL)
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_number(text: str, least: float, most: float) -> bool:
    """Say whether a text is a number in a range. An infinite one is none."""
    try:
        return least <= float(text) <= most and float(text) != inf
    except ValueError:
        return False


def _is_time_limit(text: str) -> bool:
    return _is_number(text, 0, inf) and float(text) > 0


def _is_count(text: str) -> bool:
    return text.strip().isdecimal() and int(text) > 0


def _is_sampler(text: str) -> bool:
    return text.lower() in _SAMPLERS


def _is_compression(text: str) -> bool:
    return text.strip().lower() in _COMPRESSIONS


def _are_headers(text: str) -> bool:
    return all(_HEADER.fullmatch(pair) for pair in text.split(",") if pair.strip())


def _is_there(text: str) -> bool:
    return Path(text).exists()


def _of_exporter(end: str) -> tuple[str, str]:
    """Return two variables of the exporter, the stronger one first."""
    return f"OTEL_EXPORTER_OTLP_TRACES_{end}", f"OTEL_EXPORTER_OTLP_{end}"


#: What a variable must be. Of several names, the first one that is set is used.
_Need = tuple[Sequence[str], Callable[[str], bool], str]
_NEEDS_OF_EXPORTER: tuple[_Need, ...] = (
    (_of_exporter("ENDPOINT"), _is_url, "must be an http or https URL, such as http://collector.example.com:4318"),
    (
        _of_exporter("HEADERS"),
        _are_headers,
        "must be pairs with an equals sign, separated by commas: NAME=VALUE,NAME=VALUE",
    ),
    (_of_exporter("TIMEOUT"), _is_time_limit, "must be a number of seconds above 0"),
    (_of_exporter("COMPRESSION"), _is_compression, f"must be one of {', '.join(_COMPRESSIONS)}"),
    *((_of_exporter(end), _is_there, "is not there") for end in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")),
)
_NEEDS: tuple[_Need, ...] = (
    *(
        ([f"OTEL_BSP_{end}"], _is_count, "must be a whole number of at least 1")
        for end in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
    ),
    ([_SAMPLER], _is_sampler, f"must be one of {', '.join(_SAMPLERS)}"),
)


def _wrong_values(environment: Mapping[str, str]) -> list[str]:
    """Return a line for each value in whose place OpenTelemetry would use another one, and only warn of it."""
    exports = environment.get(EXPORTER, "").strip() != CONSOLE
    needs = [*_NEEDS, *(_NEEDS_OF_EXPORTER if exports else ())]
    if environment.get(_SAMPLER, "").lower() in _SAMPLERS_OF_SHARES:
        needs.append(([_SHARE], lambda text: _is_number(text, 0, 1), "must be a number from 0 to 1"))
    found = []
    for names, is_right, must in needs:
        used = next((name for name in names if environment.get(name)), None)
        if used is not None and not is_right(environment[used]):
            found.append(f"{used}: {must}")
    return found


def _refused() -> list[str]:
    """Return a line if OpenTelemetry refuses one of its variables. It does not say which one."""
    from worker.tracing.exporting import Exporting, named_exporter  # noqa: PLC0415 - it may not be installed

    try:
        Exporting(named_exporter()).stop(_STOP_SECONDS)
    except ValueError:
        return ["OpenTelemetry refuses a value of one of its variables (OTEL_BSP_*, OTEL_EXPORTER_OTLP_*, OTEL_SPAN_*)"]
    return []
