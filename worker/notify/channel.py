"""The interface of a channel. E-mail is a channel; a webhook or a chat would be others."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from worker.notify.notice import Notice
from worker.notify.receivers import Address


class Wording(NamedTuple):
    """The words of log lines about a channel."""

    #: What the channel sends, in the singular and in the plural, such as "mail" and "mails".
    one: str
    many: str
    #: What accepts it, such as "the mail server".
    server: str
    #: A sentence for the case that the server answers but refuses everything. It names the settings to check.
    refuses_all: str
    #: The name of the setting that limits how long the server may take to accept what it has got.
    slow_setting: str


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

    async def send(self, notice: Notice, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        """Send a notice to the receivers of an address; return when it is accepted for every one of them.

        Each attempt has the same `delivery_id`, so that receivers can recognise a repeat. `begun` is called once the
        server has answered about this notice; later failures say nothing about the server. Raise DeliveryError if the
        notice was not accepted for every receiver.
        """

    async def aclose(self) -> None:
        """Close all connections."""
