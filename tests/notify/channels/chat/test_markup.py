"""The markup of each chat: what comes from outside mentions nobody, hides no address, and cannot grow without bound."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Alert, Link
from schemas.response import Customer
from worker.notify.channels.chat.markup import payload
from worker.notify.channels.chat.message import Fact, Message, message_of
from worker.notify.channels.chat.settings import Format
from worker.notify.content.links import Link as Shown
from worker.notify.content.readers import Readers

MakeAlert = Callable[..., Alert]
FORMATS: tuple[Format, ...] = get_args(Format)
MARKDOWN = pytest.mark.parametrize("kind", ["mattermost", "rocketchat"])
HOSTILE = (
    "<!channel> <!here|x> <@U123> @channel @all @here .@all -@everyone <https://evil.example|bank> "
    "[bank](https://evil.example) ![x](https://evil.example/x.png) [bank][1]\n[1]: https://evil.example\n"
    "&lt;!channel&gt; <at>everyone</at> `code` ```block ~all \\<!channel\\>"
)


def hostile(make_alert: MakeAlert) -> Message:
    links = [Link(href="https://survey.example/r?a=1&b=(2)|c]", text=HOSTILE)]
    customer = Customer(name=HOSTILE, phone=HOSTILE, email=HOSTILE, owner=HOSTILE)
    alert = make_alert(language="en", comment=HOSTILE, customer=customer, segment="fr/<!channel>/@all", links=links)
    return message_of(alert, Readers("en"))


def text_of(message: Message, kind: Format) -> str:
    text: str = payload(message, kind)["text"]
    return text


def mentions(text: str) -> list[str]:
    """Return each @ that a chat could take for the beginning of a mention."""
    return re.findall(r"(?:^|[^0-9A-Za-z])@\w", text)


def test_slack_reads_no_mention_and_no_link_but_ours(make_alert: MakeAlert) -> None:
    text = text_of(hostile(make_alert), "slack")

    # Slack takes what is in angle brackets for a mention or a link.
    assert re.findall(r"<[^>]*>", text) == [
        "<https://survey.example/r?a=1&amp;b=(2)%7Cc]|" + text.partition("%7Cc]|")[2].partition(">")[0] + ">"
    ]
    assert not mentions(text)
    assert "&amp;lt;!channel&amp;gt;" in text, "what looks like an escape is shown as it was written"
    assert payload(hostile(make_alert), "slack")["unfurl_links"] is False


@MARKDOWN
def test_markdown_reads_no_mention_no_image_and_no_link_but_ours(kind: Format, make_alert: MakeAlert) -> None:
    text = text_of(hostile(make_alert), kind)

    assert re.findall(r"\]\([^)]*\)", text) == ["](https://survey.example/r?a=1&b=%282%29%7Cc%5D)"]
    assert not re.search(r"\]\[|\]:|!\[[^\]]*\]\(", text)
    assert not mentions(text)
    assert not set("<`\\") & set(text)
    assert "`" not in text


def test_teams_gets_texts_only_in_runs_which_have_no_markup(make_alert: MakeAlert) -> None:
    [attachment] = payload(hostile(make_alert), "teams")["attachments"]
    card = attachment["content"]

    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert [action["url"] for action in card["actions"]] == ["https://survey.example/r?a=1&b=(2)|c]"]
    assert "msteams" not in json.dumps(card), "without entities, nothing is a mention"


@pytest.mark.parametrize("kind", ["slack", "mattermost", "rocketchat"])
def test_an_address_can_be_copied(kind: Format, make_alert: MakeAlert) -> None:
    customer = Customer(email="jean_paul.d+a@example.org", phone="+33 6 12 34 56 78")
    text = text_of(message_of(make_alert(language="en", customer=customer), Readers("en")), kind)

    assert "\nE-mail: jean_paul.d+a@example.org\n" in text
    assert "\nPhone: +33 6 12 34 56 78\n" in text


EXPECTED: dict[Format, dict[str, Any]] = {
    "slack": {
        "text": "*Title &amp; more*\nWhy.\n> one\n> two\n\n(1 more)\nPhone: 123\n"
        "<https://a.example/|Read &lt;it&gt;> (a.example)",
        "unfurl_links": False,
        "unfurl_media": False,
    },
    "mattermost": {
        "text": "**Title & more**\nWhy.\n> one\n> two\n\n(1 more)\nPhone: 123\n"
        "[Read ‹it›](https://a.example/) (a.example)"
    },
    "teams": {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {"type": "TextRun", "text": "Title & more", "weight": "Bolder", "size": "Medium"}
                            ],
                        },
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "Why."}]},
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "one", "italic": True}]},
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "two", "italic": True}]},
                        {
                            "type": "RichTextBlock",
                            "inlines": [{"type": "TextRun", "text": "(1 more)", "isSubtle": True}],
                        },
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "Phone: 123"}]},
                    ],
                    "actions": [
                        {"type": "Action.OpenUrl", "title": "Read <it> (a.example)", "url": "https://a.example/"}
                    ],
                },
            }
        ],
    },
}
EXPECTED["rocketchat"] = EXPECTED["mattermost"]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_posted(kind: Format) -> None:
    links = [Shown("https://a.example/", "Read <it>", "a.example")]
    message = Message("Title & more", "Why.", [Fact("Phone", "123")], "one\ntwo", "1 more", links, ": ")

    assert EXPECTED[kind] == payload(message, kind)


@given(text=st.text(max_size=6_000), name=st.text(max_size=400))
def test_no_text_makes_a_message_too_long_or_unfit_for_json(text: str, name: str, make_alert: MakeAlert) -> None:
    customer = Customer(name=name, phone=name, email=name, owner=name)
    message = message_of(make_alert(comment=text, customer=customer), Readers("fr"))
    for kind in FORMATS:
        posted = payload(message, kind)
        assert len(json.dumps(posted, ensure_ascii=False).encode()) < 28_000, "what Teams accepts"
        if kind in {"mattermost", "rocketchat"}:
            assert len(posted["text"]) <= 5_000, "what Rocket.Chat accepts"
            assert not mentions(posted["text"])
        if kind == "slack":
            assert len(posted["text"]) < 40_000, "where Slack cuts"
            assert not mentions(posted["text"])
            assert not re.search(r"<[!@#]", posted["text"])
