"""The process that serves the links' pages is killed while a form is sent, and the person sends the form again."""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession
from chaos import closed_loop
from chaos.fault_context import FaultContext, Trial
from chaos.world import Worker, World, patience
from integration.reading import read_topic

from worker.embedded.inbox import Mail

_WORKING_AGAIN_SECONDS = 15.0
_PORTION = 12
_KEY = "s3cr3t-key-of-the-links-with-32-characters"
#: Nobody listens there: the harness follows the links to where the process has said that it listens.
_BASE = "http://127.0.0.1:9"
_LINK = re.compile(rf"{re.escape(_BASE)}/acknowledge/\S+")
_PORT = re.compile(r"pages are served at http://127\.0\.0\.1:(\d+)")
#: What the page asks while nobody has acknowledged the case, and what it says afterwards.
_ASKS, _SAYS = "Will you look after this customer?", "has looked after this case since"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_POLL_SECONDS = 0.1


class _Link(NamedTuple):
    """A link by which a receiver acknowledges an alert."""

    alert_id: str
    path: str


async def run(context: FaultContext, trials: int, step: str) -> None:
    """Kill the process before or after the form's command is on Kafka; the second form changes nothing further."""
    links: dict[str, Any] = {"NPS_WEB__BASE_URL": _BASE, "NPS_WEB__KEYS": json.dumps([_KEY])}
    async with closed_loop.world(context, **links) as world, ClientSession() as client:
        await world.begin()
        pages = await world.begin("web", NPS_WEB__PORT="0")
        used: set[str] = set()
        for number in range(trials):
            async with context.trial(number) as trial:
                await world.feed_some(_PORTION)
                await world.caught_up()
                link = await _next_link(world, used)
                await _until_said(client, pages, link, _ASKS)
                pages.told(step, 1, "SIGKILL")
                trial.expect("answer of a process that was killed", await _posted(client, pages, link), None)
                await pages.died()
                with trial.healing(_WORKING_AGAIN_SECONDS):
                    await pages.start()
                    await pages.ready()
                    await _until_said(client, pages, link, _ASKS, _SAYS)
                    trial.expect("status of the second form", await _posted(client, pages, link), 200)
                world.commands = len(await read_topic(world.kafka, f"{world.name}.alert-commands"))
                await world.caught_up()
                await _check(trial, world, link)
                trial.take(await world.check())
            if trial.wrong:
                return


async def _next_link(world: World, used: set[str]) -> _Link:
    """Return a link that nobody has used, of an alert that is not withdrawn; publish more if there is none."""
    while True:
        alerts = [event.body for event in await world.events("alerts")]
        over = {alert["alert_id"] for alert in alerts if alert["action"] == "withdrawn"}
        known = {alert["alert_id"] for alert in alerts} - over - used
        for link in _links(world.inbox.mails):
            if link.alert_id in known:
                used.add(link.alert_id)
                return link
        await world.feed_some(_PORTION)
        await world.caught_up()


def _links(mails: Iterable[Mail]) -> Iterable[_Link]:
    """Yield the links in the mails about one alert each, the newest first."""
    for mail in reversed([*mails]):
        body = mail.message.get_body(("plain",))
        assert body is not None
        found = _LINK.findall(body.get_content())
        if len(found) == 1:
            yield _Link(str(mail.message["X-NPS-Alert-Id"]), urlsplit(found[0]).path)


async def _until_said(client: ClientSession, pages: Worker, link: _Link, *texts: str) -> None:
    """Wait until the page of a link has one of some texts: the process has read the cases, and knows this one."""
    async with patience("the page of a link"):
        while True:
            async with client.get(_address(pages, link)) as response:
                shown = await response.text()
                if any(text in shown for text in texts):
                    return
            await asyncio.sleep(_POLL_SECONDS)


async def _posted(client: ClientSession, pages: Worker, link: _Link) -> int | None:
    """Send the form; return the status of the answer, or None if there is none."""
    try:
        async with client.post(_address(pages, link), data={"name": "Anna"}, headers=_FORM) as response:
            return response.status
    except ClientError:
        return None


def _address(pages: Worker, link: _Link) -> str:
    said = next(found for line in pages.process.lines if (found := _PORT.search(line)))
    return f"http://127.0.0.1:{said[1]}{link.path}"


async def _check(trial: Trial, world: World, link: _Link) -> None:
    """The alert was acknowledged once, by a command with one id, however often the form was sent."""
    records = await read_topic(world.kafka, f"{world.name}.alert-commands")
    commands = [json.loads(record.value or b"") for record in records]
    ids = {command["command_id"] for command in commands if command["alert_id"] == link.alert_id}
    steps = {event.id: event.body for event in await world.events("alerts") if event.body["kind"] == "case"}
    acknowledged = [
        step["command_id"]
        for step in steps.values()
        if (step["alert_id"], step["action"]) == (link.alert_id, "acknowledged")
    ]
    trial.expect("commands of the form", len(ids), 1)
    trial.expect("acknowledgements", acknowledged, [*ids])
