"""The settings of the metrics."""

from typing import NamedTuple

from pydantic import Field, field_validator

from worker.section import Section


class Bind(NamedTuple):
    """An address of this machine, and a port."""

    host: str
    port: int


class MetricsSettings(Section):
    """Where each process serves its metrics for Prometheus, and its probes."""

    bind: str = Field(
        default="",
        description="The address and the port of this machine at which the worker serves /metrics, /livez, /readyz and "
        "/startupz, such as '127.0.0.1:9464', '0.0.0.0:9464' or '[::]:9464'. Port 0 is any free port; the log says "
        "which. Empty: they are not served. Whoever reaches the port sees the metrics, so do not publish it. Processes "
        "on one machine need different ports.",
    )

    @field_validator("bind")
    @classmethod
    def _bind(cls, text: str) -> str:
        if text:
            host, colon, port = text.rpartition(":")
            is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 2**16
            is_bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
            if not (host and colon and is_port) or is_bare_ipv6 or not host.isascii() or not host.isprintable():
                raise ValueError("must be host:port, such as 127.0.0.1:9464; an IPv6 address stands in brackets")
        return text

    @property
    def address(self) -> Bind | None:
        """The address and the port; None if nothing is served."""
        if not self.bind:
            return None
        host, _, port = self.bind.rpartition(":")
        return Bind(host.strip("[]"), int(port))
