"""A mail as its receiver's program sees it."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.digest import Digest
from worker.notify.notice import Shown
from worker.notify.receivers import Address
from worker.routing.receiver import EMAIL, Language, Receiver


def address(*to: str, route: str = "default") -> Address:
    """Return where a mail goes if all addresses of a receiver are left."""
    return Address(Receiver(route, {EMAIL: to}), route, [*to])


ADDRESS = address("support@example.org", "boss@example.org")
DELIVERY = "7b8d1a3e-1111-5222-8333-444455556667"
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-NPS-Alert-Id",
    "MIME-Version",
    "Content-Type",
]
NBSP = "\N{NO-BREAK SPACE}"


def mail(
    told: Shown | Digest, to: Address = ADDRESS, sender: str = "nps@example.org", language: Language = "en"
) -> EmailMessage:
    """Return the mail as a receiver gets it: through bytes."""
    sent = compose(told, to, delivery_id=DELIVERY, letterhead=Letterhead(sender, language))
    return received(sent.data)


def received(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def subject(message: EmailMessage) -> str:
    return str(message["Subject"])


class Elements(HTMLParser):
    """Collects tags with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
