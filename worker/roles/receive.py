"""The role receive: it takes the deliveries of survey tools by HTTP, and publishes what they become.

It is no consumer group. Any number of processes may take deliveries.
"""

from worker.errors import SettingsError
from worker.flow import events
from worker.kafka.producing import Producing
from worker.kafka.topics import topics_of_receiver
from worker.roles.surroundings import Surroundings
from worker.service import Service


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services. Raise SettingsError without sources, and what `Surroundings.kafka` raises."""
    settings = surroundings.settings
    if settings.receive.problem is not None:
        raise SettingsError([settings.receive.problem])
    kafka = await surroundings.kafka()
    topics = [events.RESPONSES, events.DEAD_LETTERS, *topics_of_receiver(settings)]
    return [Producing(settings.kafka, settings.topic_prefix, topics, kafka.partitions)]
