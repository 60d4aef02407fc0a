"""The role receive: it takes the deliveries of survey tools by HTTP, and publishes what they become.

Any number of processes may take deliveries: each answers for itself, and nothing is kept between two deliveries.
"""

from worker.errors import SettingsError
from worker.flow import events
from worker.ingest.certificate import server_context
from worker.ingest.site import HEADERS, Needs, Site
from worker.kafka import topics
from worker.kafka.producing import Producing
from worker.receive.entries import entries
from worker.roles.surroundings import Surroundings
from worker.server import Server
from worker.service import Failure, Service


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: the producer, and the HTTP server. Raise SettingsError without sources.

    Wait for Kafka, and raise what `Surroundings.kafka` raises.
    """
    settings = surroundings.settings
    receive = settings.receive
    if receive.problem is not None:
        raise SettingsError([receive.problem])
    kafka = await surroundings.kafka()
    published = [events.RESPONSES, events.DEAD_LETTERS, *topics.topics_of_receiver(settings)]
    producing = Producing(settings.kafka, settings.topic_prefix, published, kafka.partitions)
    accepting = entries(receive)
    meters = surroundings.meters
    site = Site(
        Needs(
            settings=receive,
            entries=accepting,
            policy=settings.intake,
            publish=producing.publish,
            clock=surroundings.clock,
            observer=None if meters is None else meters.of_receiver(accepting),
            is_ready=lambda: producing.ready,
        )
    )
    server = Server(
        site.application(),
        receive.host,
        receive.port,
        Failure(),
        headers=HEADERS,
        what="deliveries",
        set_by="receive.host, receive.port",
        tls=server_context(receive),
        as_sent=True,
    )
    return [producing, server]
