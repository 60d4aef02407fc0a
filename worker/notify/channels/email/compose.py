"""From an alert or an incident to a mail. Pure: the same event gives the same bytes, so a retry repeats it exactly.

What customers and publishers wrote may be an attack: `EmailMessage` raises for line ends in headers and
decodes those that hide in encoded words, HTML runs what it is given, and texts can be as long as somebody likes.
plain_text.py cleans and bounds it, Jinja2 escapes it, and no text from outside is ever part of a template.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from schemas.alert import Alert
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, to_ms
from worker.notify.channels.email.alert_page import alert_page
from worker.notify.channels.email.headers import POLICY
from worker.notify.channels.email.incident_page import incident_page
from worker.notify.channels.email.language import WORDS
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.page import FIELD, field
from worker.notify.channels.email.plain_text import header_line, quoted, titled, wrapped
from worker.notify.notice import Notice
from worker.notify.routing import Route

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(disabled_extensions=("txt.j2",), default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(quoted=quoted, titled=titled, wrapped=wrapped)


def compose(notice: Notice, route: Route, *, delivery_id: str, letterhead: Letterhead) -> EmailMessage:
    """Return the mail that tells the route's receivers of this step of the alert or the incident.

    `delivery_id` becomes the Message-ID. All steps of an alert are one thread: each refers to the same message, which
    is never sent (RFC 5322, 3.6.4), so that a step finds its thread also if the first mail is not known any more.
    """
    page = alert_page(notice, letterhead) if isinstance(notice, Alert) else incident_page(notice, letterhead)
    words = WORDS[page.language]
    content = {
        "page": page,
        "words": words,
        "route": words.route.format(route=field(route.name)),
        "alert_id": field(notice.alert_id),
        **page.more,
    }
    message = EmailMessage(POLICY)
    message["From"] = Address(letterhead.sender_name, addr_spec=letterhead.sender)
    if letterhead.reply_to is not None:
        message["Reply-To"] = Address(addr_spec=letterhead.reply_to)
    message["To"] = [Address(addr_spec=address) for address in dict.fromkeys(route.to)]
    message["Subject"] = page.subject
    message["Date"] = from_ms(to_ms(notice.occurred_at))
    message["Message-ID"] = f"<{delivery_id}@{letterhead.domain}>"
    thread = f"<{make_id('thread', notice.alert_id)}@{letterhead.domain}>"
    message["In-Reply-To"] = message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"  # Exchange's own, which does not heed Auto-Submitted
    message["X-NPS-Alert-Id"] = header_line(notice.alert_id, FIELD)
    text, html = (_TEMPLATES.get_template(f"{page.template}.{kind}.j2") for kind in ("txt", "html"))
    message.set_content(text.render(content), charset="utf-8", cte="quoted-printable")
    message.add_alternative(html.render(content), subtype="html", charset="utf-8", cte="quoted-printable")
    # Left alone, it is random. "=_" never occurs in quoted-printable text (RFC 2045, 6.7).
    message.set_boundary(f"=_{sha256(delivery_id.encode()).hexdigest()[:32]}")
    return message
