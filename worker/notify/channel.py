"""What a channel is to whoever sends by it: e-mail is one, and a webhook or a chat would be others."""

from collections.abc import Callable
from typing import Protocol

from worker.notify.notice import Notice
from worker.notify.receivers import Address


class Channel(Protocol):
    """Gives notices the form of its own, and sends them. It keeps nothing: what is planned lies in the outbox."""

    @property
    def connections(self) -> int:
        """Largest number of notices that are sent at the same time."""

    @property
    def most_connections(self) -> int:
        """The same, with those that go beyond it while some are slow to be accepted."""

    @property
    def refuses_all(self) -> str:
        """A sentence for the log when the server answers but refuses everything, with the settings to check."""

    @property
    def slow_setting(self) -> str:
        """The setting that says how long the server may take to accept what it has got."""

    async def send(self, notice: Notice, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        """Send a notice to the receivers of an address; return when it is accepted for every one of them.

        The same `delivery_id` comes again with each further attempt, so that receivers can recognise a repeat. `begun`
        is called once the server talks about this notice: what comes after that says nothing about the server. Raise
        DeliveryError if the notice was not accepted, or not for everybody.
        """

    async def aclose(self) -> None:
        """Close what is open."""
