"""The surroundings of the roles of one worker: the settings, a clock, and Kafka for the roles that need it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.cancelling import raise_if_cancelled
from worker.clock import Clock
from worker.kafka import topics
from worker.roles.courier import Courier
from worker.roles.meters import Meters
from worker.roles.silences import FollowedSilences
from worker.settings import Settings
from worker.streams.observer import ShellObserver, ShellObservers

if TYPE_CHECKING:
    from worker.tracing.spans import Spans


class Surroundings:
    """What the roles of one worker share. If no role asks for Kafka, the worker starts without Kafka."""

    def __init__(
        self, settings: Settings, clock: Clock, meters: Meters | None = None, spans: "Spans | None" = None
    ) -> None:
        """Without `meters`, nothing is counted; without `spans`, no spans are made."""
        self.settings = settings
        self.clock = clock
        self.meters = meters
        self.spans = spans
        #: What is called when somebody asks the worker to read secrets anew (SIGHUP).
        self.renewals: list[Callable[[], None]] = []
        self._found: topics.KafkaInfo | None = None
        self._silences: FollowedSilences | None = None
        #: The couriers of all channels.
        self.couriers: list[Courier] = []

    def observer_of(self, role: str) -> ShellObserver | None:
        """Return what learns what a shell does; None if nothing does. `role`: the end of its group's name."""
        found = [one.of_shell(role) for one in (self.meters, self.spans) if one is not None]
        return ShellObservers(found) if len(found) > 1 else next(iter(found), None)

    async def kafka(self) -> topics.KafkaInfo:
        """Return what services have to know about Kafka. The first call waits until Kafka has the worker's topics.

        Raise what topics.ensure raises.
        """
        if self._found is None:
            self._found = await topics.ensure(self.settings)
            raise_if_cancelled()
        return self._found

    def silences(self) -> FollowedSilences:
        """Return the silences that all couriers share. What follows them runs if any role has asked for them."""
        if self._silences is None:
            self._silences = FollowedSilences(self.settings)
        return self._silences

    @property
    def silences_asked_for(self) -> FollowedSilences | None:
        """The silences; None if no role has asked for them."""
        return self._silences

    @property
    def kafka_found(self) -> topics.KafkaInfo | None:
        """What services have to know about Kafka; None if no role has asked for it."""
        return self._found
