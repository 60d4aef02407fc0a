"""The exporter for OTLP over HTTP, which also knows why the last request to the collector failed."""

import os
from collections.abc import Iterator
from socket import gaierror
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

#: The variables that name a maker of sessions, for a collector that wants another login than a header.
_SESSION_MAKERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)
#: What the errors of a request mean. The first one that fits is meant: those that follow may be more general.
_MEANINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (requests.exceptions.Timeout, "it did not answer in time"),
    (requests.exceptions.ProxyError, "the proxy did not answer as it should"),
    (requests.exceptions.SSLError, "TLS failed; see OTEL_EXPORTER_OTLP_CERTIFICATE"),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema),
        "its address is no http or https URL",
    ),
)
#: What the causes of an error mean.
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "it refused the connection"),
    (gaierror, "the name of its host is not known"),
)


class OtlpExporter(OTLPSpanExporter):
    """Exports spans by OTLP over HTTP, as the variables of OpenTelemetry say."""

    def __init__(self) -> None:
        self._session = None if any(map(os.environ.get, _SESSION_MAKERS)) else _Session()
        super().__init__(session=self._session)

    @property
    def failure(self) -> str:
        """Why the last request failed: a status, or the kind of an error. Empty if it did not, or is not known."""
        return "" if self._session is None else self._session.failure


class _Session(requests.Session):
    """Remembers why its last request failed, without what the collector has answered, and without addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.failure = ""

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Make a request. Raise what requests raises."""
        try:
            response = super().request(*args, **options)
        except Exception as error:
            self.failure = _meaning(error)
            raise
        self.failure = "" if response.ok else f"it answered with status {response.status_code}"
        return response


def _meaning(error: BaseException) -> str:
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind):
            return meaning
    for cause in _causes(error):
        for kind, meaning in _CAUSES:
            if isinstance(cause, kind):
                return meaning
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those from which it was made, the newest first."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
