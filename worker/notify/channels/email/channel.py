"""The channel e-mail: it composes a mail from a notice, and gives it to the mail server."""

from collections.abc import Callable

from schemas.erasure import Erasure
from worker.notify.channel import Wording
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.smtp import EmailChannel, SmtpSettings
from worker.notify.digest import Content
from worker.notify.receivers import Address


class Email:
    """E-mail as a channel (worker/notify/channel.py). Raise SettingsError like EmailChannel."""

    wording = Wording(
        one="mail",
        many="mails",
        server="the mail server",
        refuses_all="the server refuses every mail (smtp.host, smtp.username, email.sender, and the receivers)",
        slow_setting="smtp.accept_timeout_seconds",
    )

    def __init__(self, settings: SmtpSettings, letterhead: Letterhead) -> None:
        self._server = EmailChannel(settings)
        self._letterhead = letterhead
        self.connections = settings.connections
        self.most_connections = settings.most_connections

    def server_of(self, route: str) -> str:  # noqa: ARG002 - the protocol of channels
        """Return the empty name: there is one mail server for all routes."""
        return ""

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        """Send a mail, whose Message-ID follows from `delivery_id`. Raise DeliveryError if it is not accepted."""
        assert not isinstance(notice, Erasure), "a mail cannot be called back, so e-mail gets no erasures"
        letterhead = self._letterhead.for_receiver(address.receiver)
        mail = compose(notice, address, delivery_id=delivery_id, letterhead=letterhead)
        await self._server.send(mail, address.targets, begun)

    def renew(self) -> None:
        """Let the next mails be sent over new connections, which log in with the password that its file has then."""
        self._server.renew()

    async def aclose(self) -> None:
        """Close the connections to the mail server."""
        await self._server.aclose()
