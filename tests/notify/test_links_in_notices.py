"""Each channel gives its receivers the links by which they act on an alert or its case, and no links without keys."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from notify.rigs import HOST, SECRET_KEY, http_server
from pydantic import SecretStr

from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.examples import CASE
from schemas.incident import Incident
from worker.links.signing import Links
from worker.notify.channels.chat.channel import Chat
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.webhook.channel import Webhook
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.notice import Shown
from worker.notify.receivers import Address
from worker.routing.receiver import Receiver

LINKS = Links((SecretStr("k" * 32),), 30, "https://nps.example.com/care")
_REMINDED = {"action": "reminded", "reason": "due_soon", "state": "acknowledged"}
STEP = CaseStep.model_validate(CASE | _REMINDED, strict=False)


async def posted(channel: str, notice: Shown, links: Links | None) -> Any:
    """Return what the endpoint `care` of a channel gets."""
    async with http_server() as server:
        url = f"http://{HOST}:{server.port}/"
        if channel == "chat":
            made: Chat | Webhook = Chat(ChatSettings(endpoints={"care": {"url": url}}), links)
        else:
            endpoint = {"url": url, "secrets": [f"whsec_{SECRET_KEY}"]}
            made = Webhook(WebhookSettings(endpoints={"care": endpoint}), links=links)
        try:
            await made.send(notice, Address(Receiver("care", {channel: ["care"]}), "r", ["care"]), "d-1", lambda: None)
        finally:
            await made.aclose()
        [(_, body)] = server.requests
        return json.loads(body)


@pytest.mark.parametrize("channel", ["chat", "webhook"])
async def test_an_alert_and_a_reminder_have_the_links_of_their_endpoint(
    channel: str, make_alert: Callable[..., Alert], make_incident: Callable[..., Incident]
) -> None:
    alert = make_alert()
    got = json.dumps(await posted(channel, alert, LINKS))
    assert [url in got for url in LINKS.of(alert, "care").values()] == [True, True]

    got = json.dumps(await posted(channel, STEP, LINKS))
    assert LINKS.of(STEP, "care").keys() == {CommandAction.RESOLVE}
    assert [url in got for url in LINKS.of(STEP, "care").values()] == [True]

    for notice, links in ((alert, None), (STEP, None), (make_incident(), LINKS)):
        assert LINKS.base_url not in json.dumps(await posted(channel, notice, links))
