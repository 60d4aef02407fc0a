"""A message that lists many notices, before a chat's markup is applied. Pure.

Chats refuse or cut what is too long, and nobody reads a hundred messages. So there is one message, with the most urgent
notices, and the number of the others by severity.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from worker.notify.content.digest_page import Entry, LinkOf, entry_of, heading_of
from worker.notify.content.language import WORDS, Words
from worker.notify.content.links import Link
from worker.notify.content.plain_text import one_line
from worker.notify.content.readers import Readers
from worker.notify.content.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french
from worker.notify.digest import Digest
from worker.routing.matching import RANK
from worker.routing.receiver import Language

#: The longest message, in characters without markup. Slack recommends at most 4,000 characters, and the other chats
#: accept more than that.
_MOST = 3_500
#: The longest line about a notice without its comment, and the longest sentence about a silence, in characters.
_LINE = 300
#: The largest number of sentences about silences. Each notice names its silence in any case.
_SILENCES = 3


class Listed(NamedTuple):
    """A notice in a message. Its texts are on one line each, and no markup in them is escaped yet."""

    text: str
    #: The beginning of the customer's comment; empty if there is none.
    comment: str
    #: The link by which a reader acknowledges the alert; None if there is none.
    link: Link | None


class DigestMessage(NamedTuple):
    """A message that lists notices, the most urgent first."""

    title: str
    sentences: list[str]
    entries: list[Listed]
    #: Says how many notices are not listed; empty if all are.
    left_out: str


class _Counting(NamedTuple):
    """How a language says how many notices are left out."""

    #: {count} {severities}
    left_out: str
    #: {severity} {count}
    of_severity: str
    numerals: Numerals


_COUNTING: Mapping[Language, _Counting] = {
    "en": _Counting("{count} more are not shown here ({severities})", "{severity}: {count}", NUMERALS_EN),
    "fr": _Counting(
        french("{count} de plus ne figurent pas ici ({severities})"), french("{severity} : {count}"), NUMERALS_FR
    ),
}


def digest_message(digest: Digest, readers: Readers, link_of: LinkOf) -> DigestMessage:
    """Return the message about a digest. `link_of`: as in digest_page.py."""
    listed = digest.listed
    heading = heading_of(listed, digest.severity, readers, digest.silences)
    words = WORDS[heading.language]
    sentences = [heading.why, *(one_line(said, _LINE) for said in heading.silences[:_SILENCES])]
    room = _MOST - len(heading.subject) - sum(map(len, sentences))
    entries: list[Listed] = []
    for one in listed:
        entry = _listed(entry_of(one, readers, link_of), words, is_alert=isinstance(one[0], Alert))
        room -= _length(entry)
        if entries and room < 0:
            break
        entries.append(entry)
    hidden = [notice.severity for notice, *_ in listed[len(entries) :]]
    return DigestMessage(heading.subject, sentences, entries, _left_out(hidden, heading.language, words))


def _listed(entry: Entry, words: Words, *, is_alert: bool) -> Listed:
    """Return a notice in a message. The text of an incident quotes nobody."""
    about = entry.details if is_alert else entry.comment
    said = ", ".join(filter(None, (entry.title, about, entry.act_by, entry.held)))
    comment = entry.comment if is_alert else ""
    link = Link(entry.link, words.acts[CommandAction.ACKNOWLEDGE], urlsplit(entry.link).netloc) if entry.link else None
    return Listed(one_line(said, _LINE), comment, link)


def _length(entry: Listed) -> int:
    link = entry.link
    return len(entry.text) + len(entry.comment) + (0 if link is None else len(link.href + link.text + link.host))


def _left_out(hidden: Iterable[str], language: Language, words: Words) -> str:
    """Return how many notices are not listed. `hidden`: their severities."""
    counts, said = Counter(hidden), _COUNTING[language]
    if not counts:
        return ""
    severities = ", ".join(
        said.of_severity.format(severity=words.severities[severity], count=said.numerals.count(counts[severity]))
        for severity in sorted(RANK, key=RANK.__getitem__, reverse=True)
        if counts[severity]
    )
    return said.left_out.format(count=said.numerals.count(counts.total()), severities=severities)
