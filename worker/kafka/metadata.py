"""What aiokafka asks brokers about topics: where they are, and never that a missing one is made.

With a broker's defaults (`auto.create.topics.enable`), a question about a topic that is not there creates it, with one
partition and a configuration that does not fit. A worker asks again and again. So a topic that somebody deleted would
be back at once, before it can be created as it must be, and a deleted changelog as well.
"""

from functools import partial

from aiokafka import client
from aiokafka.protocol.metadata import MetadataRequest


def create_no_topics() -> None:
    """Have all of aiokafka's clients in this process leave missing topics missing."""
    client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)
