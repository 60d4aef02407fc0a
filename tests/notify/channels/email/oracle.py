"""A mail as the standard library composes it: slower, and known to be right but for the folding of long words."""

from email.header import Header
from email.headerregistry import Address, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from typing import Any, cast

from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, to_ms
from worker.notify.channels.email import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.content.page import FIELD
from worker.notify.content.pages import page_of
from worker.notify.content.plain_text import header_line
from worker.notify.notice import Notice
from worker.notify.receivers import Address as Receivers
from worker.routing.receiver import EMAIL


class _Text(UniqueUnstructuredHeader):
    """Folded by the older class, since the newer one puts an encoded word into the middle of another at some folds."""

    def fold(self: Any, *, policy: Any) -> str:
        text = str(self)
        folded = Header(text, "us-ascii" if text.isascii() else "utf-8", header_name=self.name)
        return f"{self.name}: {folded.encode(linesep=policy.linesep)}{policy.linesep}"


_headers = HeaderRegistry()
for _name in ("subject", "x-nps-alert-id"):
    _headers.map_to_type(_name, cast(Any, _Text))
_POLICY = SMTP.clone(header_factory=_headers, cte_type="7bit")


def library_mail(notice: Notice, to: Receivers, delivery_id: str, letterhead: Letterhead) -> bytes:
    page = page_of(notice, letterhead.readers)
    message = EmailMessage(_POLICY)
    message["From"] = Address(letterhead.sender_name, addr_spec=letterhead.sender)
    if letterhead.reply_to is not None:
        message["Reply-To"] = Address(addr_spec=letterhead.reply_to)
    message["To"] = [Address(addr_spec=address) for address in dict.fromkeys(to.receiver.targets[EMAIL])]
    message["Subject"] = page.subject
    message["Date"] = from_ms(to_ms(notice.occurred_at))
    message["Message-ID"] = f"<{delivery_id}@{letterhead.domain}>"
    thread = f"<{make_id('thread', notice.alert_id)}@{letterhead.domain}>"
    message["In-Reply-To"] = message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["X-NPS-Alert-Id"] = header_line(notice.alert_id, FIELD)
    text, html = compose._texts(page, notice, to, letterhead)
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    message.add_alternative(html, subtype="html", charset="utf-8", cte="quoted-printable")
    for part in message.iter_parts():
        del part["MIME-Version"]  # the library gives one to the second part, where it means nothing (RFC 2045, 4)
    message.set_boundary(f"=_{sha256(delivery_id.encode()).hexdigest()[:32]}")
    return message.as_bytes()
