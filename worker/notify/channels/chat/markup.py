"""The markup of each kind of chat. Texts from outside can neither mention anybody, nor hide where a link leads. Pure.

Slack has an escape for the three characters that begin its mentions and links. Mattermost and Rocket.Chat have Markdown
without a reliable escape: there, what would begin a mention, a link or an image is broken by a character that shows
nothing. Teams shows the texts of a RichTextBlock as they are.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from worker.notify.channels.chat.digest_message import DigestMessage
from worker.notify.channels.chat.message import Message
from worker.notify.channels.chat.settings import Format
from worker.notify.content.links import Link

_ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
#: An @ that may begin a mention. In an address it follows a letter or a digit of ASCII.
_MENTION = re.compile("(?<![0-9A-Za-z])@")
#: In Markdown, these begin or end what is more than text; a guillemet or an apostrophe looks alike.
_LOOKS_ALIKE = str.maketrans({"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
                              ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
                              "`": "'", "\\": "\N{SET MINUS}"})  # fmt: skip

#: Before each notice in a message that lists several. It is no markup.
_BULLET = "\N{BULLET}"
#: In the address of a link in Markdown, these are quoted.
_QUOTED = str.maketrans({c: quote(c) for c in "()[]|"})


def payload(message: Message | DigestMessage, kind: Format) -> dict[str, Any]:
    """Return what is posted to the incoming webhook of a chat, as JSON."""
    return _PAYLOADS[kind](message)


def _slack(message: Message | DigestMessage) -> dict[str, Any]:
    def link(one: Link) -> str:
        href = _slack_escaped(one.href).replace("|", "%7C")
        return f"<{href}|{_slack_escaped(one.text)}> ({_slack_escaped(one.host)})"

    text = _text(message, _slack_escaped, f"*{_slack_escaped(message.title)}*", link)
    return {"text": text, "unfurl_links": False, "unfurl_media": False}


def _slack_escaped(text: str) -> str:
    """Return a text escaped as Slack asks for it; an @ that may begin a mention is broken as in Markdown."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub(f"@{_ZERO_WIDTH_SPACE}", escaped)


def _mattermost(message: Message | DigestMessage) -> dict[str, Any]:
    def link(one: Link) -> str:
        href = one.href.translate(_QUOTED)
        return f"[{_markdown_escaped(one.text)}]({href}) ({_markdown_escaped(one.host)})"

    return {"text": _text(message, _markdown_escaped, f"**{_markdown_escaped(message.title)}**", link)}


def _markdown_escaped(text: str) -> str:
    """Return a text that Markdown shows as text, without mentions, links, images and code."""
    broken = text.translate(_LOOKS_ALIKE).replace("]", f"]{_ZERO_WIDTH_SPACE}")
    return _MENTION.sub(f"@{_ZERO_WIDTH_SPACE}", broken)


def _text(
    message: Message | DigestMessage, escaped: Callable[[str], str], title: str, link: Callable[[Link], str]
) -> str:
    """Return a message as lines of text. `title` has its markup already."""
    if isinstance(message, DigestMessage):
        return _digest_text(message, escaped, title, link)
    comment = [f"> {escaped(line)}" for line in message.comment.split("\n")] if message.comment else []
    return "\n".join(
        [
            title,
            *([escaped(message.sentence)] if message.sentence else []),
            *comment,
            # Without an empty line, Markdown would take what follows for a part of the quotation.
            *([""] if comment else []),
            *([f"({message.left_out})"] if message.left_out else []),
            *(f"{fact.label}{message.colon}{escaped(fact.value)}" for fact in message.facts),
            *map(link, message.links),
        ]
    )


def _digest_text(message: DigestMessage, escaped: Callable[[str], str], title: str, link: Callable[[Link], str]) -> str:
    """Return a message that lists notices, one in each line."""
    lines = [
        " ".join(
            [
                f"{_BULLET} {escaped(entry.text)}",
                *(
                    [f"\N{LEFT DOUBLE QUOTATION MARK}{escaped(entry.comment)}\N{RIGHT DOUBLE QUOTATION MARK}"]
                    if entry.comment
                    else []
                ),
                *([link(entry.link)] if entry.link else []),
            ]
        )
        for entry in message.entries
    ]
    left_out = [f"({message.left_out})"] if message.left_out else []
    return "\n".join([title, *map(escaped, message.sentences), *lines, *left_out])


def _teams(message: Message | DigestMessage) -> dict[str, Any]:
    if isinstance(message, DigestMessage):
        return _card(_digest_blocks(message), [])
    blocks = [
        _block(message.title, weight="Bolder", size="Medium"),
        *([_block(message.sentence)] if message.sentence else []),
        *(_block(line, italic=True) for line in message.comment.split("\n") if line),
        *([_block(f"({message.left_out})", isSubtle=True)] if message.left_out else []),
        *(_block(f"{fact.label}{message.colon}{fact.value}") for fact in message.facts),
    ]
    links = [{"type": "Action.OpenUrl", "title": f"{one.text} ({one.host})", "url": one.href} for one in message.links]
    return _card(blocks, links)


def _digest_blocks(message: DigestMessage) -> list[dict[str, Any]]:
    entries = []
    for entry in message.entries:
        runs = [_run(f"{_BULLET} {entry.text}")]
        if entry.comment:
            runs.append(_run(f" {entry.comment}", italic=True))
        if (link := entry.link) is not None:
            action = {"type": "Action.OpenUrl", "url": link.href}
            runs += [_run(" "), _run(f"{link.text} ({link.host})", selectAction=action)]
        entries.append({"type": "RichTextBlock", "inlines": runs})
    return [
        _block(message.title, weight="Bolder", size="Medium"),
        *map(_block, message.sentences),
        *entries,
        *([_block(f"({message.left_out})", isSubtle=True)] if message.left_out else []),
    ]


def _card(blocks: list[dict[str, Any]], links: list[dict[str, Any]]) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        **({"actions": links} if links else {}),
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _block(text: str, **style: Any) -> dict[str, Any]:
    """Return a paragraph. Teams applies no markup to a text run."""
    return {"type": "RichTextBlock", "inlines": [_run(text, **style)]}


def _run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


_PAYLOADS: Mapping[Format, Callable[[Message | DigestMessage], dict[str, Any]]] = {
    "slack": _slack,
    "mattermost": _mattermost,
    "rocketchat": _mattermost,
    "teams": _teams,
}
