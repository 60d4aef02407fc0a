"""What a role is built in: the settings, a clock, and Kafka for a role that asks for it."""

from worker.cancelling import raise_if_cancelled
from worker.clock import Clock
from worker.kafka import topics
from worker.settings import Settings


class Surroundings:
    """What the roles of one worker have in common. A role that does not ask for Kafka starts without one."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._found: topics.KafkaInfo | None = None

    async def kafka(self) -> topics.KafkaInfo:
        """Return what Kafka is like, once it answers and has the worker's topics; the first call waits for that.

        Raise what topics.ensure raises.
        """
        if self._found is None:
            self._found = await topics.ensure(self.settings)
            raise_if_cancelled()
        return self._found

    @property
    def kafka_found(self) -> topics.KafkaInfo | None:
        """What Kafka was found to be like; None if no role has asked for it."""
        return self._found
