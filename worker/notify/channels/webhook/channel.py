"""The channel webhook: it posts each notice to an endpoint, as a signed event."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.ping import Ping
from worker.links.signing import Links
from worker.notify.channel import Wording
from worker.notify.channels.webhook import NAME, event
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.digest import Content, Digest
from worker.notify.notice import Sent
from worker.notify.posting import posters
from worker.notify.receivers import Address


class Webhook:
    """The webhook as a channel (worker/notify/channel.py). Each endpoint is a route, and has outages of its own.

    Raise SettingsError like Poster.
    """

    wording = Wording(
        one="webhook event",
        many="webhook events",
        server="the webhook endpoint",
        refuses_all="it refuses every event (webhook.endpoints: url, secrets)",
        slow_setting="webhook.timeout_seconds",
    )

    def __init__(
        self,
        settings: WebhookSettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        links: Links | None = None,
        trace_headers: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._endpoints = settings.endpoints
        self._posters = posters(NAME, settings.endpoints, settings)
        self._now = now
        # What makes the links of events about alerts; None if they have none.
        self._links = links
        # Returns the header that names the span in which a request is made; None if there are no spans.
        self._trace_headers = trace_headers
        self.connections = self.most_connections = settings.connections

    def server_of(self, route: str) -> str:
        """Return the endpoint's name, which is the route's; empty if there is no such endpoint any more."""
        return route if route in self._posters else ""

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        """Post an event, whose id is `delivery_id`. Raise DeliveryError if it is not accepted."""
        name = address.receiver.name
        if isinstance(notice, Digest):
            body = event.digest_body(notice, delivery_id, partial(self._links_of, name))
        else:
            body = event.body(notice, delivery_id, self._links_of(name, notice))
        await self._post(name, body, delivery_id, begun)

    def _links_of(self, name: str, notice: Sent) -> Mapping[CommandAction, str]:
        """Return the addresses of the pages on which a person can act on a notice, in an event to an endpoint."""
        return self._links.of(notice, name) if self._links and isinstance(notice, Alert | CaseStep) else {}

    async def ping(self, name: str) -> None:
        """Post an event to an endpoint which says nothing. Raise DeliveryError if it is not accepted."""
        event_id = str(uuid.uuid4())
        await self._post(name, event.body(Ping(occurred_at=self._now()), event_id), event_id, lambda: None)

    async def _post(self, name: str, body: bytes, event_id: str, begun: Callable[[], None]) -> None:
        endpoint = self._endpoints[name]
        secrets = [secret.get_secret_value() for secret in endpoint.secrets]
        headers = event.headers(event_id, body, secrets, self._now())
        if endpoint.traceparent and self._trace_headers is not None:
            headers = {**headers, **self._trace_headers()}
        await self._posters[name].post(body, headers, begun)

    async def aclose(self) -> None:
        """Close the connections to all endpoints."""
        await asyncio.gather(*(one.aclose() for one in self._posters.values()))
