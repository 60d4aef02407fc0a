"""The channel chat: it posts a short message about each notice to a room of Slack, Mattermost, Rocket.Chat or Teams."""

import asyncio
import json
import uuid
from collections.abc import Callable
from functools import partial

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.erasure import Erasure
from worker.links.signing import Links
from worker.notify.channel import Wording
from worker.notify.channels.chat import NAME, markup
from worker.notify.channels.chat.digest_message import DigestMessage, digest_message
from worker.notify.channels.chat.message import Message, message_of
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.digest import Content, Digest
from worker.notify.posting import posters
from worker.notify.receivers import Address

#: What `check-config --send-test-event` posts.
_TEST = Message(
    "Test of the detractor alerting worker",
    "This message shows that alerts can be posted here. No customer is unhappy.",
    facts=[],
    comment="",
    left_out="",
    links=[],
    colon=": ",
)


class Chat:
    """The chat as a channel (worker/notify/channel.py). Each room is a route, and has outages of its own.

    Raise SettingsError like Poster.
    """

    wording = Wording(
        one="chat message",
        many="chat messages",
        server="the chat room",
        refuses_all="it refuses every message (chat.endpoints: url, format)",
        slow_setting="chat.timeout_seconds",
    )

    def __init__(self, settings: ChatSettings, links: Links | None = None) -> None:
        self._endpoints = settings.endpoints
        self._posters = posters(NAME, settings.endpoints, settings)
        self._readers = settings.readers
        # What makes the links by which people act on alerts; None if messages have none.
        self._links = links
        self.connections = self.most_connections = settings.connections

    def server_of(self, route: str) -> str:
        """Return the room's name, which is the route's; empty if there is no such room any more."""
        return route if route in self._posters else ""

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> int | None:
        """Post a message; return how many notices of a digest it shows. Raise DeliveryError if it is not accepted."""
        assert not isinstance(notice, Erasure), "a message cannot be called back, so the chat gets no erasures"
        name, readers = address.receiver.name, self._readers.for_receiver(address.receiver)
        if isinstance(notice, Digest):
            message = digest_message(notice, readers, partial(self._acknowledging, name))
            await self._post(name, message, delivery_id, begun)
            return len(message.entries)
        acts = self._links.of(notice, name) if self._links and isinstance(notice, Alert | CaseStep) else {}
        await self._post(name, message_of(notice, readers, acts), delivery_id, begun)
        return None

    def _acknowledging(self, name: str, alert: Alert) -> str:
        """Return the address of the link by which a reader in a room acknowledges an alert; empty if there is none."""
        return "" if self._links is None else self._links.of(alert, name).get(CommandAction.ACKNOWLEDGE, "")

    async def ping(self, name: str) -> None:
        """Post a message to a room which says that it is a test. Raise DeliveryError if it is not accepted."""
        await self._post(name, _TEST, str(uuid.uuid4()), lambda: None)

    async def _post(
        self, name: str, message: Message | DigestMessage, message_id: str, begun: Callable[[], None]
    ) -> None:
        posted = markup.payload(message, self._endpoints[name].format)
        # Chats ignore the key. What stands between them and the worker can recognise a repeat by it.
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message_id}
        await self._posters[name].post(json.dumps(posted, ensure_ascii=False).encode(), headers, begun)

    async def aclose(self) -> None:
        """Close the connections to all rooms."""
        await asyncio.gather(*(one.aclose() for one in self._posters.values()))
