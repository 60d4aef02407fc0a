"""Two hundred comments that would run a script go the whole way: from a survey tool to mails, digests and chats.

What the page makes of them is tested in tests/web/test_xss.py.
"""

import json
from typing import get_args

import pytest
from flow.carrying import Partition, numbered
from flow.records import Record, of
from notify.channels.chat.test_markup import mentions
from notify.channels.email.mails import Elements, mail, part
from notify.channels.email.test_digest_mail import listed
from receive.deliveries import AT, deliveries, reader
from web.xss import XSS

from schemas.alert import Alert
from worker.flow import events
from worker.flow.responses.formats.outcome import Accepted
from worker.notify.channels.chat.digest_message import DigestMessage, digest_message
from worker.notify.channels.chat.markup import payload
from worker.notify.channels.chat.message import Message, message_of
from worker.notify.channels.chat.settings import Format
from worker.notify.content.readers import Readers
from worker.receive.signatures import Unauthentic


@pytest.fixture(scope="module")
def alerts() -> list[Alert]:
    """The alerts about 200 unhappy customers, whose answers a survey tool has delivered."""
    [delivery, *_] = deliveries("template")
    usual, tool, records = json.loads(delivery.request.body), reader("template"), []
    for number, comment in enumerate(XSS):
        answer = {**usual, "response_id": f"r-{number}", "customer_id": f"c-{number}", "comment": comment}
        found = tool.read("source", delivery.request._replace(body=json.dumps(answer).encode()), AT)
        assert not isinstance(found, Unauthentic)
        [accepted] = found
        assert isinstance(accepted, Accepted)
        records.append(Record(accepted.value, accepted.key, timestamp=AT))
    outputs = Partition().carry(numbered(records))
    return [Alert.model_validate(event, strict=False) for event in of(events.ALERTS, outputs)]


def is_harmless(html: Elements) -> bool:
    """Say whether nothing in a mail runs or is fetched, and every link is one to a telephone, a mailbox or the web."""
    for tag, attributes in html.tags:
        names = {name for name in attributes if name.startswith("on") or name in {"src", "srcdoc", "action"}}
        href = attributes.get("href") or ""
        leads_away = bool(href) and not href.startswith(("https://survey.example/", "tel:", "mailto:"))
        if tag in {"script", "img", "iframe", "svg", "form", "object", "embed", "base", "link"} or names or leads_away:
            return False
    return True


def test_each_comment_arrives_as_it_was_written(alerts: list[Alert]) -> None:
    assert [alert.comment for alert in alerts] == [*XSS]


def test_no_comment_is_more_than_text_in_a_mail(alerts: list[Alert]) -> None:
    for alert in alerts:
        got = mail(alert)
        html = Elements(part(got, "html"))
        assert is_harmless(html), alert.comment
        assert (alert.comment or "").strip() in html.text


def test_no_comment_is_more_than_text_in_a_digest(alerts: list[Alert]) -> None:
    html = Elements(part(mail(listed(*alerts)), "html"))
    assert is_harmless(html)
    assert "<script>alert(1)</script>" in html.text


@pytest.mark.parametrize("kind", get_args(Format))
def test_no_comment_is_more_than_text_in_a_chat(kind: Format, alerts: list[Alert]) -> None:
    readers = Readers("en")
    messages: list[Message | DigestMessage] = [message_of(alert, readers) for alert in alerts]
    messages.append(digest_message(listed(*alerts), readers, lambda _: ""))
    for message in messages:
        posted = payload(message, kind)
        if kind == "teams":
            [attachment] = posted["attachments"]
            assert {run["type"] for block in attachment["content"]["body"] for run in block["inlines"]} == {"TextRun"}
        else:
            # Slack takes what is in angle brackets for markup, the others take it for HTML.
            assert "<" not in posted["text"]
            assert not mentions(posted["text"])
