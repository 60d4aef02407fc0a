"""A short message about an alert or an incident, before a chat's markup is applied. Pure.

It shows less of a customer than the mail about the same notice, and nothing else.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.incident import Incident
from worker.notify.content.alert_page import links_of
from worker.notify.content.language import WORDS, Words
from worker.notify.content.links import Link
from worker.notify.content.page import Page, field
from worker.notify.content.pages import page_of
from worker.notify.content.plain_text import lines, one_line
from worker.notify.content.readers import Readers
from worker.notify.content.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french
from worker.routing.receiver import Language

#: The longest comment, and the longest value of a fact, in characters. With them, a message has at most 4,000
#: characters, which is what Slack recommends, and less than what the other chats accept.
_COMMENT, _VALUE = 800, 150
#: The largest number of links, and the longest one that a publisher gives, in characters.
_LINKS, _LINK = 3, 500


class Fact(NamedTuple):
    """A line of a message. `value` may come from outside."""

    label: str
    value: str


class Message(NamedTuple):
    """A message. Its texts are cleaned of control characters, but no markup in them is escaped yet."""

    title: str
    sentence: str
    facts: list[Fact]
    #: The customer's comment; empty if there is none.
    comment: str
    #: Says how many characters of the comment, or how many links, were left out; empty if none were.
    left_out: str
    links: list[Link]
    #: The text between a label and its value.
    colon: str


class _Counting(NamedTuple):
    """How a language says how much was left out."""

    characters: str
    links: str
    numerals: Numerals


_COUNTING: Mapping[Language, _Counting] = {
    "en": _Counting("{count} more characters are not shown here", "{count} more links are not shown here", NUMERALS_EN),
    "fr": _Counting(
        french("{count} caractères de plus ne figurent pas ici"),
        french("{count} liens de plus ne figurent pas ici"),
        NUMERALS_FR,
    ),
}


def message_of(
    notice: Alert | Incident | CaseStep, readers: Readers, acts: Mapping[CommandAction, str] = MappingProxyType({})
) -> Message:
    """Return the message about a notice, in the language that a mail about it has.

    `acts`: the address of the page for each thing that a person can do about it. These links come first.
    """
    page = page_of(notice, readers)
    words = WORDS[page.language]
    to_act = [Link(url, words.acts[action], urlsplit(url).netloc) for action, url in acts.items()]
    if not isinstance(notice, Alert):
        rows = page.sections[0].rows
        facts = [Fact(row.label, one_line(row.value, _VALUE)) for row in rows]
        return Message(page.subject, page.why, facts, "", "", to_act, words.colon)
    comment = lines(notice.comment or "")
    shown = comment if len(comment) <= _COMMENT else comment[:_COMMENT].rstrip()
    found = links_of(notice, words)
    links = [link for link in found if len(link.href) <= _LINK][: _LINKS - len(to_act)]
    left_out = _left_out(page, len(comment) - len(shown), len(found) - len(links))
    return Message(page.subject, page.why, _facts(notice, words), shown, left_out, [*to_act, *links], words.colon)


def _facts(alert: Alert, words: Words) -> list[Fact]:
    callback = words.callback_yes if alert.consent.callback else words.callback_no
    customer = alert.customer
    known = [(words.phone, customer.phone), (words.email, customer.email), (words.owner, customer.owner)]
    return [
        Fact(words.callback, callback),
        *(Fact(label, one_line(shown, _VALUE)) for label, value in known if (shown := field(value))),
    ]


def _left_out(page: Page, characters: int, links: int) -> str:
    said = _COUNTING[page.language]
    found = [(said.characters, characters), (said.links, links)]
    return "; ".join(text.format(count=said.numerals.count(count)) for text, count in found if count)
