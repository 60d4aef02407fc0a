"""Composing a mail about an alert, an incident or many of them. Pure: the same events give the same bytes.

Texts of customers and publishers may be an attack: a line end could begin another header, HTML could run a script, and
a text may have any length. plain_text.py cleans and shortens them, headers.py refuses what is not clean, Jinja2 escapes
them, and no template contains untrusted text.
"""

from email.utils import format_datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.ext import Extension

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.incident import Incident
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, to_ms
from worker.notify.channels.email import headers
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.mail import Mail, alternatives, text_part
from worker.notify.content.digest_page import digest_page
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import FIELD, Page, field
from worker.notify.content.pages import page_of
from worker.notify.content.plain_text import header_line, quoted, titled, wrapped
from worker.notify.digest import Digest
from worker.notify.notice import Shown
from worker.notify.receivers import Address
from worker.routing.receiver import EMAIL

#: Styles that many elements of the HTML templates have. A template names one as `{{ heading }}`, for instance.
_STYLES = {
    "heading": "margin:24px 0 8px;font-size:16px;font-weight:600",
    "breakable": "overflow-wrap:anywhere;word-break:break-word",
}


class _Styles(Extension):
    """Writes the styles into a template when it is loaded. As variables they would be escaped again in each mail."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja's
        for style, css in _STYLES.items():
            source = source.replace(f"{{{{ {style} }}}}", css)
        return source


_TEMPLATES = Environment(
    extensions=[_Styles],
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(disabled_extensions=("txt.j2",), default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(quoted=quoted, titled=titled, wrapped=wrapped)
# No template uses Jinja's own globals, which would be copied for each text.
_TEMPLATES.globals.clear()


def compose(notice: Shown | Digest, address: Address, *, delivery_id: str, letterhead: Letterhead) -> Mail:
    """Return the mail to a receiver about this step of the alert, the incident or the case, or one that lists several.

    It names all addresses of the receiver, also those that have got it at an earlier attempt. `delivery_id` becomes the
    Message-ID. All mails about an alert are one thread: each refers to the same message, which is never sent (RFC 5322,
    3.6.4), so that the thread does not depend on the first mail. A digest is a thread of its own.
    """
    if isinstance(notice, Digest):
        link_of = partial(_acknowledging, address.receiver.name, letterhead)
        page = digest_page(notice.listed, notice.severity, letterhead.readers, link_of, notice.silences)
        when = notice.closed
    else:
        page, when = page_of(notice, letterhead.readers), to_ms(notice.occurred_at)
    about = _about(notice)
    receivers = list(dict.fromkeys(address.receiver.targets[EMAIL]))
    thread = f"<{make_id('thread', about)}@{letterhead.domain}>"
    head = [
        headers.addresses("From", [(letterhead.sender_name, letterhead.sender)]),
        headers.addresses("Reply-To", [("", letterhead.reply_to)]) if letterhead.reply_to is not None else "",
        headers.addresses("To", [("", receiver) for receiver in receivers]),
        headers.text("Subject", page.subject),
        headers.plain("Date", format_datetime(from_ms(when))),
        headers.plain("Message-ID", f"<{delivery_id}@{letterhead.domain}>"),
        headers.plain("In-Reply-To", thread),
        headers.plain("References", thread),
        headers.plain("Auto-Submitted", "auto-generated"),
        headers.plain("X-Auto-Response-Suppress", "All"),  # Exchange's own, which does not heed Auto-Submitted
        headers.text("X-NPS-Alert-Id", header_line(about, FIELD)),
        headers.plain("MIME-Version", "1.0"),
    ]
    # It is not random, so that it is the same at each attempt.
    boundary = f"=_{sha256(delivery_id.encode()).hexdigest()[:32]}"
    text, html = _texts(page, notice, address, letterhead)
    body = alternatives([text_part(text), text_part(html, "html")], boundary)
    return Mail(letterhead.sender, receivers, "".join(head).encode("ascii") + body)


def _texts(page: Page, notice: Shown | Digest, address: Address, letterhead: Letterhead) -> list[str]:
    """Return the page as plain text and as HTML."""
    words = WORDS[page.language]
    content = {
        "page": page,
        "words": words,
        "route": words.route.format(route=field(address.route)),
        "id_label": words.alert_id if isinstance(notice, Incident) else words.case_number,
        "alert_id": field(_about(notice)),
        "replies": letterhead.replies(words),
        "acts": _acts(notice, address.receiver.name, letterhead, words),
        **page.more,
    }
    return [_TEMPLATES.get_template(f"{page.template}.{kind}.j2").render(content) for kind in ("txt", "html")]


def _about(notice: Shown | Digest) -> str:
    """Return the id of what a mail is about."""
    return notice.digest_id if isinstance(notice, Digest) else notice.alert_id


def _acts(notice: Shown | Digest, receiver: str, letterhead: Letterhead, words: Words) -> list[tuple[str, str]]:
    """Return the name and the address of each link by which the receiver acts on an alert or its case."""
    if letterhead.links is None or isinstance(notice, Incident | Digest):
        return []
    return [(words.acts[action], url) for action, url in letterhead.links.of(notice, receiver).items()]


def _acknowledging(receiver: str, letterhead: Letterhead, alert: Alert) -> str:
    """Return the address of the link by which the receiver acknowledges an alert; empty if there is none."""
    return "" if letterhead.links is None else letterhead.links.of(alert, receiver).get(CommandAction.ACKNOWLEDGE, "")
