"""Each alarm of deploy/prometheus/rules.yml is raised by a fault of its own, and ends with it.

A Prometheus scrapes the workers, and evaluates the rules with their times divided by `_TIMES`: what takes a quarter of
an hour on call takes 15 seconds here. Only the limit of 3 s in NpsAlertsSlow stays as it is (hastened.py). Nothing else
of the rules is changed. Each trial is an alarm: the fault lasts
until Prometheus raises it, and after the fault nothing fires any more. No other alarm may fire meanwhile, except for
those that the fault explains.
"""

import asyncio
import hmac
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientSession, web
from chaos.endpoints import Endpoints
from chaos.fault_context import FaultContext, Trial
from chaos.world import Worker, World, patience
from deploy.hastened import hastened
from deploy.own_prometheus import HOST, MISSING, Prometheus, configuration, is_installed, prometheus, written
from integration.sampling import Published
from notify.rigs import HttpServer, http_server

from worker.embedded.inbox import Answer, Mail, Step
from worker.embedded.kafka import free_port

#: By how much the times of the rules are divided.
_TIMES = 60
#: A quarter of a second would be in proportion. On a busy machine, a scrape may take longer than that.
_SCRAPED_EVERY = "1s"
_POLL_SECONDS = 0.1
#: How long an alarm may take until it fires, and until it has ended. The longest one looks back an hour, which is a
#: minute here.
_RAISED_SECONDS, _CLEARED_SECONDS = 120.0, 90.0
#: The session of a worker in seconds: longer than a partition may be without an owner.
_SESSION_SECONDS = "12"
#: How long each batch waits while a worker is slow, in seconds, and how many responses come each second meanwhile. A
#: batch has at most 25 responses, and there are four partitions. So alerts are late in the first case, and in the
#: second one twice as many responses come as are decided.
_LATE_SECONDS, _LATE_RATE = 4.0, 8
_BUSY_SECONDS, _BUSY_RATE = 1.0, 200
#: How many responses a second come from a publisher whose payload is wrong, each second one of them.
_WRONG_RATE = 10
#: How many alerts a second come while an endpoint refuses one of them.
_ALERT_RATE = 4
#: The customer about whom an endpoint refuses what it gets.
_UNWANTED = "unwanted"
#: More starts than Prometheus may see within half an hour, without the first one.
_STARTS = 3


@dataclass
class Scene:
    """What the faults work on: a world with a worker, and a Prometheus that scrapes this worker and a second one."""

    world: World
    worker: Worker
    other: Worker
    prometheus: Prometheus
    endpoint: HttpServer
    #: The file that says how long each batch waits.
    slowness: Path
    #: The alarms that have fired since it was emptied.
    fired: set[str] = field(default_factory=set)
    _answers: int = 0

    def slow(self, seconds: float) -> None:
        """Let each batch wait for so long."""
        fresh = self.slowness.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.slowness)

    async def until_fires(self, alarm: str) -> float:
        """Wait until an alarm fires; return after how many seconds."""
        began = time.monotonic()
        async with patience(f"{alarm} to fire", _RAISED_SECONDS):
            while alarm not in await self._firing():  # noqa: ASYNC110 - Prometheus raises no event here
                await asyncio.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    async def until_scraped(self) -> None:
        """Wait until Prometheus has scraped a worker that is ready."""
        async with patience("Prometheus to scrape a worker"):
            while not await self.prometheus.query("nps_ready == 1"):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(_POLL_SECONDS)

    async def until_quiet(self) -> None:
        """Wait until no alarm fires."""
        async with patience("no alarm to fire", _CLEARED_SECONDS):
            while await self._firing():  # noqa: ASYNC110 - likewise
                await asyncio.sleep(_POLL_SECONDS)

    async def _firing(self) -> set[str]:
        firing = await self.prometheus.firing()
        self.fired |= firing
        return firing

    def answers(self, count: int, score: int = 9, customer: str | None = None) -> list[Published]:
        """Return further responses with a score, each of another customer unless it is named."""
        made = []
        for number in range(self._answers, self._answers + count):
            event = {
                "response_id": f"r-{number}",
                "survey_id": "s",
                "customer_id": customer or f"c-{number}",
                "score": score,
                "responded_at": "2025-06-01T10:00:00Z",
                "segment": ["fr", "lyon"],
            }
            is_wrong = score > 10
            made.append(
                Published(
                    str(event["customer_id"]).encode(),
                    json.dumps(event).encode(),
                    [],
                    None if is_wrong else event,
                    "score_out_of_range" if is_wrong else None,
                )
            )
        self._answers += count
        return made

    @asynccontextmanager
    async def published(self, a_second: Callable[[], list[Published]]) -> AsyncIterator[None]:
        """Publish meanwhile, each second what `a_second` returns, evenly over the second."""
        enough = asyncio.Event()

        async def publish() -> None:
            while not enough.is_set():
                await self.world.publish(a_second(), seconds=1.0)

        publishing = asyncio.create_task(publish())
        try:
            yield
        finally:
            enough.set()
            await publishing


Cause = Callable[[Scene], AbstractAsyncContextManager[None]]


class Alarm(NamedTuple):
    """The fault that raises an alarm, and what else it may raise.

    `cause`: the fault begins when it is entered, and is over when it is left. `also`: alarms that it may raise as well.
    `env`: variables of the workers.
    """

    cause: Cause
    also: Collection[str] = ()
    env: tuple[tuple[str, str], ...] = ()


@asynccontextmanager
async def _one_mail_deferred(scene: Scene) -> AsyncIterator[None]:
    """The mail server accepts the worker's logins, and wants to have a mail later."""

    async def later(step: Step, _: Mail) -> Answer:
        return "451 4.3.0 later" if step is Step.DATA else None

    scene.world.inbox.behaviour = later
    await scene.world.publish(scene.answers(1, score=1))
    yield
    scene.world.inbox.behaviour = None


@asynccontextmanager
async def _mail_server_away(scene: Scene) -> AsyncIterator[None]:
    await scene.world.inbox.stop()
    await scene.world.publish(scene.answers(1, score=1))
    yield
    await scene.world.inbox.start()


@asynccontextmanager
async def _one_event_refused(scene: Scene) -> AsyncIterator[None]:
    """An endpoint does not know a customer, and accepts everything about others."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        event = json.loads(await request.read())
        return web.Response(status=404 if event["data"]["customer_id"] == _UNWANTED else 200)

    scene.endpoint.handle = handle  # type: ignore[method-assign]
    await scene.world.publish(scene.answers(1, score=1, customer=_UNWANTED))
    async with scene.published(lambda: scene.answers(_ALERT_RATE, score=1)):
        yield


@asynccontextmanager
async def _worker_slow(scene: Scene) -> AsyncIterator[None]:
    """Each batch waits for seconds, and the unhappy customers with it."""
    async with scene.published(lambda: scene.answers(_LATE_RATE, score=1)):
        scene.slow(_LATE_SECONDS)
        yield
        scene.slow(0.0)


@asynccontextmanager
async def _secret_replaced(scene: Scene) -> AsyncIterator[None]:
    """A survey tool has another secret than the worker, until somebody enters the worker's secret there."""
    port, right, secret = free_port(), "right", "wrong"
    source = {"name": "care", "tool": "template", "secrets": [right]}
    await scene.world.begin(
        "receive",
        NPS_METRICS__BIND=scene.other.env["NPS_METRICS__BIND"],
        NPS_RECEIVE__PORT=str(port),
        NPS_RECEIVE__SOURCES=json.dumps([source]),
    )
    enough = asyncio.Event()

    async def deliver() -> None:
        async with ClientSession() as client:
            while not enough.is_set():
                # It is no answer yet, so it changes nothing. Meanwhile the secret may be replaced.
                address, sent = f"http://{HOST}:{port}/receive/care", secret
                async with client.post(address, json={"score": None}, headers={"Authorization": sent}) as response:
                    assert response.status == (200 if sent == right else 401)
                await asyncio.sleep(_POLL_SECONDS)

    delivering = asyncio.create_task(deliver())
    try:
        yield
        secret = right
        await scene.until_quiet()
    finally:
        enough.set()
        await delivering


@asynccontextmanager
async def _api_away(scene: Scene) -> AsyncIterator[None]:
    """Nobody listens at the address of a survey tool's API, until its answers are served there."""
    port, api, secret = free_port(), free_port(), "right"
    source = {"name": "monkey", "tool": "surveymonkey", "secrets": [secret], "score_question": "11"}
    await scene.world.begin(
        "receive",
        NPS_METRICS__BIND=scene.other.env["NPS_METRICS__BIND"],
        NPS_RECEIVE__PORT=str(port),
        NPS_RECEIVE__SOURCES=json.dumps([{**source, "api_token": "token", "api_url": f"http://{HOST}:{api}"}]),
    )
    event = {"event_type": "response_completed", "object_type": "response", "object_id": "7"}
    body = json.dumps({**event, "resources": {"survey_id": "1"}}).encode()
    signature = b64encode(hmac.digest(secret.encode(), body, "sha1")).decode()
    async with ClientSession() as client:
        address, headers = f"http://{HOST}:{port}/receive/monkey", {"Sm-Signature": signature}
        async with client.post(address, data=body, headers=headers) as response:
            assert response.status == 200
    yield

    async def unanswered(_: web.Request) -> web.Response:
        # It is no answer yet, so it changes nothing.
        return web.json_response({"id": "7", "survey_id": "1", "date_modified": "2026-03-02T10:00:05+00:00"})

    application = web.Application()
    application.router.add_get("/{path:.*}", unanswered)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, api).start()
        await scene.until_quiet()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _worker_overloaded(scene: Scene) -> AsyncIterator[None]:
    """More responses come than the worker decides."""
    scene.slow(_BUSY_SECONDS)
    async with scene.published(lambda: scene.answers(_BUSY_RATE)):
        yield
        scene.slow(0.0)


@asynccontextmanager
async def _publisher_wrong(scene: Scene) -> AsyncIterator[None]:
    def a_second() -> list[Published]:
        half = _WRONG_RATE // 2
        return scene.answers(half) + scene.answers(half, score=11)

    async with scene.published(a_second):
        yield


@asynccontextmanager
async def _one_of_two_killed(scene: Scene) -> AsyncIterator[None]:
    """Until the session of the killed worker has expired, nobody else gets its partitions."""
    await scene.other.start()
    await scene.other.ready()
    await scene.other.settles(1)
    await scene.until_quiet()
    await scene.other.kill()
    yield


@asynccontextmanager
async def _only_one_killed(scene: Scene) -> AsyncIterator[None]:
    await scene.worker.kill()
    yield
    await scene.worker.start()
    await scene.worker.ready()


@asynccontextmanager
async def _wrong_address(scene: Scene) -> AsyncIterator[None]:
    """A second worker has a wrong address of Kafka in its settings, and waits for somebody to answer there."""
    right = scene.other.env["NPS_KAFKA__BOOTSTRAP_SERVERS"]
    scene.other.env["NPS_KAFKA__BOOTSTRAP_SERVERS"] = f"{HOST}:{free_port()}"
    await scene.other.start()
    yield
    await scene.other.kill()
    scene.other.env["NPS_KAFKA__BOOTSTRAP_SERVERS"] = right
    await scene.other.start()
    await scene.other.ready()


@asynccontextmanager
async def _again_and_again(scene: Scene) -> AsyncIterator[None]:
    """A second worker is killed whenever it has started."""
    began = set[str]()
    for _ in range(_STARTS):
        await scene.other.start()
        await _until_seen(scene, began)
        await scene.other.kill()
    await scene.other.start()
    await _until_seen(scene, began)
    yield
    await scene.other.ready()


async def _until_seen(scene: Scene, began: set[str]) -> None:
    """Wait until Prometheus has scraped a start of the second worker that it had not before."""
    port = _port(scene.other)
    async with patience("Prometheus to scrape a worker that has just started"):
        while True:
            for series in await scene.prometheus.query(f'process_start_time_seconds{{instance="{HOST}:{port}"}}'):
                if (value := series["value"][1]) not in began:
                    began.add(value)
                    return
            await asyncio.sleep(_POLL_SECONDS)


#: By the alarms' names, in the order of the rules.
ALARMS = {
    "NpsNoticesOverdue": Alarm(
        _one_mail_deferred,
        env=(("NPS_EMAIL__RETRY__FIRST_SECONDS", "1"), ("NPS_EMAIL__RETRY__LONGEST_SECONDS", "2")),
    ),
    "NpsOutage": Alarm(_mail_server_away, also={"NpsNoticesOverdue"}),
    "NpsNoticesFailed": Alarm(_one_event_refused),
    "NpsAlertsSlow": Alarm(_worker_slow),
    "NpsDeadLetters": Alarm(_publisher_wrong),
    "NpsDeliveriesNotTaken": Alarm(_secret_replaced),
    "NpsFetchOutage": Alarm(_api_away),
    "NpsLagGrowing": Alarm(_worker_overloaded),
    "NpsPartitionUnowned": Alarm(_one_of_two_killed, env=(("NPS_KAFKA__SESSION_TIMEOUT_SECONDS", _SESSION_SECONDS),)),
    # Until a worker that starts has its state, it owns nothing.
    "NpsNoWorker": Alarm(_only_one_killed, also={"NpsPartitionUnowned"}),
    "NpsNotReady": Alarm(_wrong_address, also={"NpsPartitionUnowned"}),
    "NpsRestarts": Alarm(_again_and_again, also={"NpsPartitionUnowned"}),
}


async def run(context: FaultContext, trials: int) -> None:
    """Raise the first `trials` alarms; after the last one, begin with the first one again."""
    if not is_installed():
        async with context.trial(0) as trial:
            trial.wrong.append(f"no alarm was tried: {MISSING}")
        return
    names = list(ALARMS)
    for number in range(trials):
        name = names[number % len(names)]
        async with _scene(context, name, number) as scene, context.trial(number) as trial:
            await _raise(context, trial, scene, name)


async def _raise(context: FaultContext, trial: Trial, scene: Scene, name: str) -> None:
    alarm = ALARMS[name]
    await scene.until_scraped()
    await scene.until_quiet()
    scene.fired.clear()
    async with alarm.cause(scene):
        seconds = await scene.until_fires(name)
        context.say(f"{name} fires after {seconds:.1f} s")
    with trial.healing(_CLEARED_SECONDS):
        await scene.until_quiet()
    trial.expect(f"alarms that fire with {name}", sorted(scene.fired.difference(alarm.also, {name})), [])
    await scene.world.caught_up()
    trial.take(await scene.world.check())


@asynccontextmanager
async def _scene(context: FaultContext, name: str, number: int) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(http_server())
        env = {**dict(ALARMS[name].env), **Endpoints(endpoint, 1).env}
        world = await stack.enter_async_context(context.world(f"{number}", **env))
        slowness = world.folder / "slowness"
        worker, other = (
            world.worker(NPS_METRICS__BIND=f"{HOST}:{free_port()}", CHAOS_SLOWNESS=str(slowness)) for _ in range(2)
        )
        await worker.start()
        await worker.ready()
        rules = written(world.folder / "rules.yml", hastened(_TIMES))
        config = configuration(map(_port, (worker, other)), rules, every=_SCRAPED_EVERY)
        file = written(world.folder / "prometheus.yml", config)
        watching = await stack.enter_async_context(prometheus(file, world.folder / "prometheus"))
        yield Scene(world, worker, other, watching, endpoint, slowness)


def _port(worker: Worker) -> int:
    return int(worker.env["NPS_METRICS__BIND"].rpartition(":")[2])
