"""The interface of a channel, such as e-mail, the webhook or the chat."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from worker.notify.digest import Content
from worker.notify.receivers import Address

#: The longest time that a server can ask for until it is tried again (Retry-After), in seconds.
LONGEST_RETRY_AFTER = 3_600.0


class Wording(NamedTuple):
    """The words of log lines about a channel."""

    #: What the channel sends, in the singular and in the plural, such as "mail" and "mails".
    one: str
    many: str
    #: What accepts it, such as "the mail server". A channel with several servers adds the name of one.
    server: str
    #: A sentence for the case that the server answers but refuses everything. It names the settings to check.
    refuses_all: str
    #: The name of the setting that limits how long the server may take to accept what it has got.
    slow_setting: str

    def server_called(self, name: str) -> str:
        """Return what accepts it. `name`: the server's name; empty if the channel has only one server."""
        return f"{self.server} {name}" if name else self.server


class Channel(Protocol):
    """A channel formats notices in its own way, and sends them. It has no state: the outbox has the planned ones."""

    @property
    def connections(self) -> int:
        """The largest number of notices that are sent at the same time."""

    @property
    def most_connections(self) -> int:
        """The same number if some notices are slow to be accepted: then further ones may be sent."""

    @property
    def wording(self) -> Wording:
        """The words of log lines about the channel."""

    def server_of(self, route: str) -> str:
        """Return the name of the server to which the notices of a route go; empty if the channel has only one server.

        Each server has outages of its own, and the numbers of connections are those of each.
        """

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> int | None:
        """Send a notice to the receivers of an address; return when it is accepted for every one of them.

        Of a digest, return how many notices the receiver can read, the first ones; None if it can read all of them.

        Each attempt has the same `delivery_id`, so that receivers can recognise a repeat. `begun` is called once the
        server has answered about this notice; later failures say nothing about the server. Raise DeliveryError if the
        notice was not accepted for every receiver.
        """

    async def aclose(self) -> None:
        """Close all connections."""
