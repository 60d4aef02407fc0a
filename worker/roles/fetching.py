"""The service that fetches answers of which a survey tool has delivered the ids only.

It exists only if a source of the settings needs it.
"""

from collections.abc import Awaitable, Callable, Collection

from worker.flow import events
from worker.ingest.fetching import Fetcher, Needs
from worker.ingest.tool_api import CONNECTIONS, ToolApi
from worker.kafka import topics
from worker.kafka.member import Member
from worker.kafka.producing import Publish
from worker.receive.deliveries import Deliveries
from worker.roles.surroundings import Surroundings


def build(surroundings: Surroundings, publish: Publish) -> Fetcher:
    """Return the fetcher. `publish`: publishes what the answers become.

    Each source that needs it must have an address and a token of its API (ReceiveSettings.problem).
    """
    settings, clock, meters = surroundings.settings, surroundings.clock, surroundings.meters
    receive, kafka = settings.receive, settings.kafka
    apis = {source.name: ToolApi(source, clock) for source in receive.sources if source.api is not None}
    needs = Needs(
        deliveries=Deliveries(receive),
        apis=apis,
        publish=publish,
        retry=receive.fetch_retry,
        policy=settings.intake,
        clock=clock,
        connections=CONNECTIONS,
        observer=None if meters is None else meters.of_fetcher(apis),
    )
    topic = topics.topic_name(settings.topic_prefix, events.FETCHES)

    def member(on_revoked: Callable[[Collection[int]], Awaitable[None]]) -> Member:
        return Member(kafka, topics.group_id(kafka.group, topics.FETCH), topic, on_revoked)

    return Fetcher(needs, member)
