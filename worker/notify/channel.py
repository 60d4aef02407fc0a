"""What a channel is to whoever sends by it: e-mail is one, and a webhook or a chat would be others."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from worker.notify.notice import Notice
from worker.notify.receivers import Address


class Wording(NamedTuple):
    """How the log speaks of a channel."""

    #: What is sent, as one and as many, such as "mail" and "mails".
    one: str
    many: str
    #: What accepts it, such as "the mail server".
    server: str
    #: A sentence that follows when the server answers but refuses everything, with the settings to check.
    refuses_all: str
    #: The setting that says how long the server may take to accept what it has got.
    slow_setting: str


class Channel(Protocol):
    """Gives notices the form of its own, and sends them. It keeps nothing: what is planned lies in the outbox."""

    @property
    def connections(self) -> int:
        """Largest number of notices that are sent at the same time."""

    @property
    def most_connections(self) -> int:
        """The same, with those that go beyond it while some are slow to be accepted."""

    @property
    def wording(self) -> Wording:
        """How the log speaks of it."""

    async def send(self, notice: Notice, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        """Send a notice to the receivers of an address; return when it is accepted for every one of them.

        The same `delivery_id` comes again with each further attempt, so that receivers can recognise a repeat. `begun`
        is called once the server talks about this notice: what comes after that says nothing about the server. Raise
        DeliveryError if the notice was not accepted, or not for everybody.
        """

    async def aclose(self) -> None:
        """Close what is open."""
