"""Workers are killed, and join and leave, while webhooks have their events: none is lost, and few come twice.

Independently of the worker's own code, the alerts on their topic say which events each endpoint has to get, and the
endpoints say what they have got.
"""

import asyncio
import json
import signal
from collections.abc import Mapping

from chaos.endpoints import HANDS, IN_HAND, Endpoints, endpoints
from chaos.fault_context import FaultContext, Trial
from chaos.saboteur import cut_short
from chaos.world import Worker, World, patience
from integration.reading import read_topic

from worker.flow.ids import make_id
from worker.notify.channels.webhook import NAME

_WORKING_AGAIN_SECONDS = 15.0
_SETTLED = frozenset({"sent", "failed", "cancelled"})
#: Endpoints that take their time, in the fault where workers join and leave, and how long each takes, in seconds.
_SLOW_ONES, _SLOW_SECONDS = 200, 1.0
#: How many events a worker has not written down at most while an endpoint takes its time (docs/limits.md).
_IN_HAND_WHILE_SLOW = 5 * HANDS // 2
#: How many responses are published at a time, so that the endpoints have something to do.
_PORTION = 6
#: How many workers stay at most after each step, in addition to the one that always stays.
_GUESTS = 3
_POLL_SECONDS = 0.2


async def killed(context: FaultContext, trials: int) -> None:
    """Kill a worker when an event has come in full, and before the endpoint has answered."""
    async with endpoints(2) as posts, context.world(**posts.env) as world:
        worker = await world.begin()
        kills = 0
        for number in range(trials):
            async with context.trial(number) as trial:
                rng = context.rng(number)
                _kill_after(posts, worker, rng.randrange(1, 9), accepts=rng.random() < 0.5)
                await world.feed_to_death(worker, 60)
                kills += 1
                posts.on_event = lambda: True
                await trial.heal(world, worker, _WORKING_AGAIN_SECONDS)
                await _check(trial, world, posts, dict.fromkeys(posts.names, kills * IN_HAND))
            if trial.wrong:
                return


def _kill_after(posts: Endpoints, worker: Worker, nth: int, *, accepts: bool) -> None:
    left = [nth]

    def on_event() -> bool:
        left[0] -= 1
        if left[0] == 0:
            worker.tell(signal.SIGKILL)
        return left[0] > 0 or accepts

    posts.on_event = on_event


async def joining(context: FaultContext, trials: int) -> None:
    """One worker stays; `trials` others join and leave, in order, while every endpoint takes its time.

    They do so while as many events as there are endpoints are on their way, and nobody waits in between until all are
    settled.
    """
    async with endpoints(_SLOW_ONES) as posts, context.world(**posts.env) as world:
        posts.seconds = _SLOW_SECONDS
        await world.begin()
        rng, present = context.rng(0), list[Worker]()
        async with context.trial(trials - 1) as trial:
            trial.weight = trials
            for _ in range(trials):
                await _until_busy(world, posts)
                guest = world.worker()
                await guest.start()
                await guest.ready()
                present.append(guest)
                while len(present) > rng.randrange(_GUESTS + 1):
                    await _until_busy(world, posts)
                    trial.expect("exit code", await present.pop(rng.randrange(len(present))).stop(), 0)
            for guest in present:
                await _until_busy(world, posts)
                trial.expect("exit code", await guest.stop(), 0)
            lives = [life for worker in world.workers for life in worker.lives]
            # On a busy machine, the group may exclude a worker. Another one sends again what that one has in hand.
            put_out = sum(life.put_out(NAME) for life in lives) * _IN_HAND_WHILE_SLOW
            allowed = {
                name: put_out + sum(life.process.count(cut_short(name)) for life in lives) for name in posts.names
            }
            await _check(trial, world, posts, allowed)
            await world.caught_up()
            trial.take(await world.check())


async def _until_busy(world: World, posts: Endpoints) -> None:
    """Publish until as many events are on their way as there are endpoints."""
    async with patience("the endpoints to be busy"):
        while posts.in_hand < len(posts.names):
            if await world.is_committed("alerts"):
                await world.feed_some(_PORTION)
            await asyncio.sleep(_POLL_SECONDS)


async def _check(trial: Trial, world: World, posts: Endpoints, allowed: Mapping[str, int]) -> None:
    """Wait until every event is settled, and compare what the endpoints have got with the alerts.

    `allowed`: how many events each endpoint may have got once too often, by its name.
    """
    async with patience("every event to be settled"):
        while (states := await _states(world, posts)) is None:  # noqa: ASYNC110 - Kafka raises no event
            await asyncio.sleep(_POLL_SECONDS)
    later = await _later_steps(world, posts)
    for name, accepted in posts.accepted.items():
        sent = {
            delivery_id for (endpoint, delivery_id), status in states.items() if endpoint == name and status == "sent"
        }
        # A step that was merged into an event gave it its id.
        came = accepted.keys()
        lost = [one for one in sent - came if not (later.get((name, one), set()) - sent) & came]
        trial.expect(f"{name}: events that are sent and were never accepted", sorted(lost), [])
        extra = accepted.total() - len(accepted)
        if extra > allowed[name]:
            trial.wrong.append(f"{name}: {extra} events came once too often, {allowed[name]} are explained")
            repeated = [event_id for event_id, count in accepted.items() if count > 1]
            trial.wrong += [await _story(world, posts, name, event_id) for event_id in repeated]
    failed = [key for key, status in states.items() if status == "failed"]
    trial.expect("events that failed", failed, [])


async def _later_steps(world: World, posts: Endpoints) -> dict[tuple[str, str], set[str]]:
    """Return the ids of the later steps of the same alert, by endpoint and id of a step."""
    found: dict[tuple[str, str], set[str]] = {}
    steps: dict[str, list[str]] = {}
    for record in await read_topic(world.kafka, f"{world.name}.alerts"):
        if record.value is None:
            continue
        earlier = steps.setdefault(json.loads(record.value)["alert_id"], [])
        event_id = dict(record.headers)["ce_id"].decode()
        for name in posts.names:
            own = make_id("delivery", "webhook", event_id, name)
            for one in earlier:
                found.setdefault((name, make_id("delivery", "webhook", one, name)), set()).add(own)
        earlier.append(event_id)
    return found


async def _states(world: World, posts: Endpoints) -> dict[tuple[str, str], str] | None:
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
        if any((name, make_id("delivery", "webhook", event_id, name)) not in states for name in posts.names):
            return None
    return states if _SETTLED.issuperset(states.values()) else None


async def _story(world: World, posts: Endpoints, name: str, event_id: str) -> str:
    """Say when an event came to an endpoint, and what the delivery log says about it."""
    at = [one.at for one in posts.arrived if (one.endpoint, one.event_id) == (name, event_id)]
    lines = (json.loads(record.value) for record in await read_topic(world.kafka, f"{world.name}.deliveries"))
    said = [
        f"{line['status']} ({line['reason']}, attempt {line['attempt']}, {line['at']})"
        for line in lines
        if (line["channel"], line["route"], line["delivery_id"]) == (NAME, name, event_id)
    ]
    return f"{name}: {event_id} came at {at} ms; the log says {', '.join(said)}"
