"""The role receive: it takes the deliveries of survey tools by HTTP, and publishes what they become.

Any number of processes may take deliveries: each answers for itself, and nothing is kept between two deliveries.
Deliveries that another program has put on a topic are read as well, by a consumer group for each topic.
"""

from worker.errors import SettingsError
from worker.flow import events
from worker.ingest.certificate import server_context
from worker.ingest.site import HEADERS, Needs, Site
from worker.kafka import topics
from worker.kafka.producing import Producing
from worker.receive.entries import entries
from worker.roles import fetching, merging
from worker.roles.foreign import foreign_topics
from worker.roles.surroundings import Surroundings
from worker.server import Server
from worker.service import Failure, Service

ROLE = "receive"


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: the producer, the HTTP server, and what reads foreign topics and fetches answers.

    Raise SettingsError without sources, or if a source lacks what is needed to fetch its answers. Wait for Kafka, and
    raise what `Surroundings.kafka` raises.
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
    fetchers = [fetching.build(surroundings, producing.publish)] if receive.has_fetches else []
    return [producing, *foreign_topics(surroundings, kafka), server, *fetchers]


async def build_further(surroundings: Surroundings) -> dict[str, list[Service]]:
    """Return the services of the role's further groups that the settings need, by the ends of the groups' names."""
    return {topics.MERGE: await merging.build(surroundings)} if surroundings.settings.receive.has_parts else {}
