"""Workers are killed, and join and leave, while webhooks have their events: none is lost, and few come twice.

Independently of the worker's own code, the alerts on their topic say which events each endpoint has to get, and the
endpoints say what they have got.
"""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from chaos.fault_context import FaultContext, Trial
from chaos.saboteur import CUT_SHORT
from chaos.world import Worker, World, patience
from integration.reading import read_topic
from notify.rigs import HOST, HttpServer, http_server

from worker.flow.ids import make_id

_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#: How many events a worker sends at a time to each endpoint (webhook.connections), and how many it has not written down
#: at most: those that it sends, and those whose results wait.
_HANDS = 2
_IN_HAND = 2 * _HANDS
_WORKING_AGAIN_SECONDS = 15.0
_SETTLED = frozenset({"sent", "failed", "cancelled"})
#: Endpoints that take their time, in the fault where workers join and leave, and how long each takes, in seconds.
_SLOW_ONES, _SLOW_SECONDS = 200, 0.2
_POLL_SECONDS = 0.2


class Endpoints:
    """Endpoints of one server, by the last part of their address; what each has accepted, by the id of the event."""

    def __init__(self, server: HttpServer, count: int) -> None:
        self._port = server.port
        self.names = [f"e{number}" for number in range(count)]
        self.accepted: dict[str, Counter[str]] = {name: Counter() for name in self.names}
        self.seconds = 0.0
        #: Is called with each event that has come in full; returns whether it is accepted.
        self.on_event: Callable[[], bool] = lambda: True
        server.handle = self._handle  # type: ignore[method-assign]

    @property
    def env(self) -> dict[str, str]:
        """The variables that name them."""
        url = f"http://{HOST}:{self._port}"
        endpoints = {name: {"url": f"{url}/{name}", "secrets": [_SECRET]} for name in self.names}
        return {
            "NPS_WEBHOOK__ENDPOINTS": json.dumps(endpoints),
            "NPS_WEBHOOK__CONNECTIONS": str(_HANDS),
            "NPS_WEBHOOK__RETRY__FIRST_SECONDS": "0.5",
            "NPS_WEBHOOK__RETRY__LONGEST_SECONDS": "1",
        }

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.on_event():
            self.accepted[request.path.strip("/")][request.headers["webhook-id"]] += 1
            return web.Response()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@asynccontextmanager
async def _endpoints(count: int) -> AsyncIterator[Endpoints]:
    async with http_server() as server:
        endpoints = Endpoints(server, count)
        server.port = endpoints._port
        yield endpoints


async def killed(context: FaultContext, trials: int) -> None:
    """Kill a worker when an event has come in full, and before the endpoint has answered."""
    async with _endpoints(2) as endpoints, context.world(**endpoints.env) as world:
        worker = await world.begin()
        kills = 0
        for number in range(trials):
            async with context.trial(number) as trial:
                rng = context.rng(number)
                _kill_after(endpoints, worker, rng.randrange(1, 9), accepts=rng.random() < 0.5)
                await world.feed_to_death(worker, 60)
                kills += 1
                endpoints.on_event = lambda: True
                await trial.heal(world, worker, _WORKING_AGAIN_SECONDS)
                await _check(trial, world, endpoints, allowed=kills * _IN_HAND)
            if trial.wrong:
                return


def _kill_after(endpoints: Endpoints, worker: Worker, nth: int, *, accepts: bool) -> None:
    left = [nth]

    def on_event() -> bool:
        left[0] -= 1
        if left[0] == 0:
            worker.tell(signal.SIGKILL)
        return left[0] > 0 or accepts

    endpoints.on_event = on_event


async def joining(context: FaultContext, trials: int) -> None:
    """One worker stays; others come and go, in order, while every endpoint takes its time."""
    async with _endpoints(_SLOW_ONES) as endpoints, context.world(**endpoints.env) as world:
        endpoints.seconds = _SLOW_SECONDS
        stays = await world.begin()
        guests = [world.worker(), world.worker()]
        present = [False, False]
        for number in range(trials):
            async with context.trial(number) as trial:
                which = context.rng(number).randrange(len(guests))
                await world.feed_some(12)
                if present[which]:
                    trial.expect("exit code", await guests[which].stop(), 0)
                else:
                    await guests[which].start()
                    await guests[which].ready()
                present[which] = not present[which]
                lives = [life.process for worker in (stays, *guests) for life in worker.lives]
                cut_short = sum(process.count(CUT_SHORT) for process in lives)
                await _check(trial, world, endpoints, allowed=cut_short)
            if trial.wrong:
                return


async def _check(trial: Trial, world: World, endpoints: Endpoints, *, allowed: int) -> None:
    """Wait until every event is settled, and compare what the endpoints have got with the alerts.

    `allowed`: how many events each endpoint may have got once too often.
    """
    async with patience("every event to be settled"):
        while (states := await _states(world, endpoints)) is None:  # noqa: ASYNC110 - Kafka raises no event
            await asyncio.sleep(_POLL_SECONDS)
    later = await _later_steps(world, endpoints)
    for name, accepted in endpoints.accepted.items():
        sent = {
            delivery_id for (endpoint, delivery_id), status in states.items() if endpoint == name and status == "sent"
        }
        # A step that was merged into an event gave it its id.
        came = accepted.keys()
        lost = [one for one in sent - came if not (later.get((name, one), set()) - sent) & came]
        trial.expect(f"{name}: events that are sent and were never accepted", sorted(lost), [])
        extra = accepted.total() - len(accepted)
        if extra > allowed:
            trial.wrong.append(f"{name}: {extra} events came once too often, {allowed} were in flight at a kill")
    failed = [key for key, status in states.items() if status == "failed"]
    trial.expect("events that failed", failed, [])


async def _later_steps(world: World, endpoints: Endpoints) -> dict[tuple[str, str], set[str]]:
    """Return the ids of the later steps of the same alert, by endpoint and id of a step."""
    found: dict[tuple[str, str], set[str]] = {}
    steps: dict[str, list[str]] = {}
    for record in await read_topic(world.kafka, f"{world.name}.alerts"):
        if record.value is None:
            continue
        earlier = steps.setdefault(json.loads(record.value)["alert_id"], [])
        event_id = dict(record.headers)["ce_id"].decode()
        for name in endpoints.names:
            own = make_id("delivery", "webhook", event_id, name)
            for one in earlier:
                found.setdefault((name, make_id("delivery", "webhook", one, name)), set()).add(own)
        earlier.append(event_id)
    return found


async def _states(world: World, endpoints: Endpoints) -> dict[tuple[str, str], str] | None:
    """Return the last status of each event, by endpoint and id; None if one is open, or is not planned yet."""
    records = await read_topic(world.kafka, f"{world.name}.deliveries")
    lines = [line for line in (json.loads(record.value) for record in records) if line["channel"] == "webhook"]
    states: dict[tuple[str, str], str] = {}
    for line in lines:
        key = (line["route"], line["delivery_id"])
        if states.get(key) not in _SETTLED:
            states[key] = line["status"]
    for record in await read_topic(world.kafka, f"{world.name}.alerts"):
        if record.value is None or json.loads(record.value)["action"] != "opened":
            continue
        event_id = dict(record.headers)["ce_id"].decode()
        if any((name, make_id("delivery", "webhook", event_id, name)) not in states for name in endpoints.names):
            return None
    return states if _SETTLED.issuperset(states.values()) else None
