"""A change to aiokafka's requests for metadata: they do not create missing topics.

With a broker's defaults (`auto.create.topics.enable`), a request for the metadata of a missing topic creates it, with
one partition and a configuration that does not fit. A worker sends such requests repeatedly. So a topic or a changelog
that was deleted would be created again at once, before it can be created with the right configuration.
"""

from functools import partial

from aiokafka import client
from aiokafka.protocol.metadata import MetadataRequest


def create_no_topics() -> None:
    """Prevent all of aiokafka's clients in this process from creating missing topics."""
    client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)
