"""The demo's page has the links of the latest alerts, and shows texts of customers as texts."""

import json
import re

from aiohttp import ClientSession
from pydantic import SecretStr

from schemas import examples
from schemas.alert_command import CommandAction
from worker.demo import page
from worker.demo.spectator import Seen
from worker.flow import events
from worker.links.signing import Link, Links, Refusal

LINKS = Links((SecretStr("k" * 32),), 30, "http://127.0.0.1:1")


async def read(seen: Seen) -> str:
    async with page.served(LINKS, seen) as address, ClientSession() as client, client.get(address) as response:
        assert response.status == 200
        assert response.headers["Referrer-Policy"] == "no-referrer"
        return await response.text()


def of(*notices: dict[str, object]) -> Seen:
    seen = Seen()
    for notice in notices:
        seen.take(events.ALERTS, json.dumps(notice).encode())
    return seen


async def test_each_alert_has_the_links_of_its_mail_and_the_state_of_its_case() -> None:
    text = await read(of(examples.ALERT, examples.INCIDENT, examples.CASE | {"state": "acknowledged"}))
    urls = re.findall('href="([^"]+)"', text)

    assert len(urls) == 2
    assert "acknowledged <a" in text
    for action, url in zip((CommandAction.ACKNOWLEDGE, CommandAction.RESOLVE), urls, strict=True):
        token = url.removeprefix(f"http://127.0.0.1:1/{action.value}/")
        link = LINKS.read(action, token, 1_772_439_246_000)
        assert not isinstance(link, Refusal)
        assert link == Link(action, examples.ALERT["alert_id"], link.at, "support")


async def test_an_escalation_has_the_links_of_its_own_mail_also_when_its_alert_is_no_longer_among_the_latest() -> None:
    step = examples.CASE | {"action": "escalated", "state": "open", "escalation_step": 1, "escalated_to": ["lead"]}
    text = await read(of(step))
    urls = re.findall('href="([^"]+)"', text)

    assert "critical, score 2 at fr/lyon/delivery, to lead" in text
    token = urls[0].removeprefix("http://127.0.0.1:1/acknowledge/")
    link = LINKS.read(CommandAction.ACKNOWLEDGE, token, 1_772_439_246_000)
    assert not isinstance(link, Refusal)
    assert (link.receiver, link.opening) == ("lead", 1)


async def test_texts_of_customers_are_texts_and_a_withdrawn_alert_has_no_links() -> None:
    alert = examples.ALERT | {"comment": "<script>", "segment": '"><b>', "action": "withdrawn"}
    text = await read(of(alert))

    assert "<script" not in text
    assert "<b>" not in text
    assert "href" not in text
    assert "withdrawn" in text


async def test_an_answer_by_hand_has_neither_a_segment_nor_a_comment() -> None:
    step = examples.CASE | {"action": "escalated", "state": "open", "segment": "", "escalated_to": ["lead"]}
    text = await read(of(examples.ALERT | {"segment": "", "comment": None}, step))

    assert "score 2 at the root segment, Camille Moreau<br>" in text
    assert "score 2 at the root segment, to lead<br>" in text


async def test_before_the_first_alert_that_is_said() -> None:
    assert "Nobody is unhappy yet." in await read(Seen())
