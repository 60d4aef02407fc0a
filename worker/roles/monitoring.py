"""The monitoring of a process: its metrics and probes at an address of their own, from before it asks for Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.clock import Clock
from worker.metrics import catalogue
from worker.metrics.exposition import Exposition
from worker.metrics.figures import Values
from worker.metrics.probes import Probes
from worker.metrics.settings import Bind
from worker.metrics.site import HEADERS, application
from worker.roles.meters import Meters
from worker.server import Server
from worker.service import Failure
from worker.settings import Settings


class Monitoring:
    """The probes and meters of a process, and where they are served. Without `meters`, they are not served."""

    def __init__(self, meters: Meters | None, address: Bind | None) -> None:
        self.probes = Probes()
        self.meters = meters
        self.address = address


@asynccontextmanager
async def monitored(settings: Settings, role: str, clock: Clock) -> AsyncIterator[Monitoring]:
    """Serve the metrics and probes of a process, if `metrics.bind` says where. Raise CannotListen if it is not free."""
    bind = settings.metrics.address
    if bind is None:
        yield Monitoring(None, None)
        return
    meters = Meters(settings, clock)
    monitoring = Monitoring(meters, bind)

    def sample() -> Values:
        return {**meters.sample(), catalogue.READY.name: {(): int(monitoring.probes.ready)}}

    site = application(Exposition(meters.figures, role, sample), monitoring.probes)
    what = "metrics and probes"
    server = Server(site, bind.host, bind.port, Failure(), headers=HEADERS, what=what, set_by="metrics.bind")
    await server.start()
    monitoring.address = Bind(bind.host, server.port)
    try:
        yield monitoring
    finally:
        await server.stop()
