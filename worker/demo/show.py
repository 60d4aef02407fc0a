"""`make demo`: it publishes responses and shows what happens, live until Ctrl-C, or once with a result."""

import asyncio
import contextlib
import json
import random
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.status import Status

from worker import logs
from worker.cancelling import cancel_all
from worker.demo import page, samples
from worker.demo.environment import Environment, set_up
from worker.demo.history import history
from worker.demo.publishing import bring
from worker.demo.receivers import SUPPORT_ADDRESS
from worker.demo.spectator import Digest, Seen, Spectator
from worker.demo.tools import FORM, FORM_SECRET, Tools, corrected
from worker.demo.view import LATEST_MAILS, Snapshot, dashboard
from worker.embedded import EmbeddedError
from worker.errors import WorkerError
from worker.flow import events
from worker.kafka.publishing import lines, publish
from worker.kafka.topics import topic_name
from worker.receive.settings import PATH
from worker.roles.courier import Courier
from worker.settings import Settings

_FRAMES_PER_SECOND = 4
_POLL_SECONDS = 0.05
#: How long `--once` waits before each line about its progress, in seconds.
_SILENT_SECONDS = 2.0
#: How long the demo waits for its last picture to be complete after Ctrl-C, in seconds.
_LAST_SECONDS = 2.0
#: The longest line that a user is asked to type, if the names in it allow that.
_HINT_COLUMNS = 78


@dataclass(frozen=True)
class Options:
    """The options of the demo."""

    path: Path | None = None  # the file with the responses to publish; None for samples
    rate: float = 4.0  # responses per second
    kafka: str | None = None  # host:port of a running Kafka; None for an embedded one
    mails: Path | None = None  # the folder to which mails are written
    as_json: bool = False
    history: bool = True  # whether the live demo begins with a sample history, if it publishes samples
    started: list[str] = field(default_factory=list)  # the parts that the demo has started itself, in order


def main(options: Options, *, once: bool) -> int:
    """Run the demo; return the exit code."""
    logs.configure("CRITICAL")
    screen = Console(stderr=options.as_json)
    play = _once(screen, options) if once else _live(screen, options)
    try:
        asyncio.run(_until_signal(play))
    except asyncio.CancelledError:
        screen.print(_ending(options.started))
    except (EmbeddedError, WorkerError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    return 0


def _ending(started: list[str]) -> str:
    """Return the last line after Ctrl-C, which names only the parts that the demo had started."""
    if not started:
        return "stopped"
    *others, last = started
    names, verb = (f"{', '.join(others)} and {last}", "are") if others else (last, "is")
    return f"stopped; {names} {verb} gone"


async def _until_signal(play: Coroutine[Any, Any, None]) -> None:
    """Await `play` until SIGINT or SIGTERM cancels this task. A second signal ends the process at once.

    A shell lets programs in the background ignore SIGINT. Here both signals work nevertheless.
    """
    loop, playing = asyncio.get_running_loop(), asyncio.current_task()
    assert playing is not None

    def stop() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await play


@contextlib.asynccontextmanager
async def _set_up(
    screen: Console, options: Options, *, live: bool, tools: Tools | None, past: Sequence[bytes] = ()
) -> AsyncIterator[tuple[Environment, Spectator]]:
    """Set the environment up, and show each step: on a terminal in one line that changes, elsewhere in a line each.

    `past`: the sample history, which is counted before anything else is published.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as showing:
        say: Callable[[str], None] = screen.print
        if screen.is_terminal:
            say = showing.enter_context(Status("starting", console=screen)).update
        async with set_up(say, options.started, options.kafka, options.mails, live=live, tools=tools) as environment:
            spectator = Spectator(environment.settings, {json.loads(value)["response_id"] for value in past})
            await spectator.start()
            try:
                if past:
                    say(f"counting {len(past):,} sample answers of the past year")
                    await _unless_failing(environment, _count(environment, spectator, past))
                showing.close()
                screen.print(f"ready after {time.monotonic() - began:.1f} s", style="dim")
                yield environment, spectator
            finally:
                await spectator.stop()


def values_to_publish(path: Path | None, now: datetime) -> list[bytes]:
    """Return what `--once` publishes: the lines of a file, which keep their times, or the samples with new times."""
    return samples.shipped(now) if path is None else lines(path)


async def _once(screen: Console, options: Options) -> None:
    values = values_to_publish(options.path, datetime.now().astimezone())
    # The lines of a file are published unchanged, each as one record.
    tools = Tools(corrected(values)) if options.path is None else None
    async with _set_up(screen, options, live=False, tools=tools) as (environment, spectator):
        await _unless_failing(environment, _publish_and_settle(screen, environment, values, tools))
        await spectator.catch_up()
        result = spectator.seen.result(len(values), environment.inbox.accepted)
        if not options.as_json:
            screen.print(dashboard(_snapshot(environment, spectator, len(values)), width=screen.width))
            for reason, number in sorted(spectator.seen.reasons.items()):
                screen.print(f"  {number:>5} dead letter{'' if number == 1 else 's'}: {reason}")
            if spectator.seen.too_old:
                answers = logs.counted(spectator.seen.too_old, "unhappy answer")
                screen.print(f"  {answers} raised no alert, being older than alerts.max_age_days")
    if options.as_json:
        print(json.dumps(result, ensure_ascii=False), flush=True)


async def _unless_failing(environment: Environment, play: Coroutine[Any, Any, None]) -> None:
    """Await `play`. Raise what a worker fails with before that."""
    tasks = [asyncio.create_task(play), *(asyncio.create_task(worker.failure()) for worker in environment.workers)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_all(tasks)


async def _count(environment: Environment, spectator: Spectator, past: Sequence[bytes]) -> None:
    """Publish the sample history, and wait until the scores count it."""
    settings = environment.settings
    await publish(settings.kafka, topic_name(settings.topic_prefix, events.RESPONSES), past)
    await spectator.until_past_is_counted()


async def _publish_and_settle(
    screen: Console, environment: Environment, values: list[bytes], tools: Tools | None
) -> None:
    """Publish, and wait until everything is processed and delivered. Show the progress from time to time."""
    settings = environment.settings
    topic = topic_name(settings.topic_prefix, events.RESPONSES)
    published = 0
    if tools is not None and environment.delivers_to is not None:
        delivered = [value for value in values if tools.delivery(value) is not None]
        values = [value for value in values if tools.delivery(value) is None]
        await bring(_each(delivered), tools, environment.delivers_to, settings.kafka, topic)
        published = len(delivered)
        screen.print(f"{published:,} answers delivered by HTTP as Typeform and Formbricks do", style="dim")
    published += await publish(settings.kafka, topic, values, lambda n: screen.print(f"{n:,} published"))
    screen.print(f"{published:,} published, waiting until they are processed and delivered", style="dim")
    shown_at = time.monotonic()
    while (waiting := await environment.backlog.waiting()) != 0:
        if waiting is not None and time.monotonic() - shown_at > _SILENT_SECONDS:
            screen.print(f"{waiting:,} on their way, {environment.inbox.accepted:,} mails arrived", style="dim")
            shown_at = time.monotonic()
        await asyncio.sleep(_POLL_SECONDS)


async def _each(values: list[bytes]) -> AsyncIterator[bytes]:
    for value in values:
        yield value


def _snapshot(environment: Environment, spectator: Spectator, published: int) -> Snapshot:
    inbox, seen = environment.inbox, spectator.seen
    of_desk = (mail.message for mail in reversed(inbox.mails) if SUPPORT_ADDRESS in mail.recipients)
    latest = [*islice(of_desk, LATEST_MAILS)][::-1]
    # Records that are published from another terminal count as well, once they are decided.
    published = max(published, seen.records.total())
    return Snapshot(seen, published, latest, inbox.accepted, has_lead=bool(environment.settings.receivers))


async def _live(screen: Console, options: Options) -> None:
    tools = Tools()
    # The lines of a file are about segments of its own.
    past = list(history(datetime.now().astimezone())) if options.history and options.path is None else []
    async with (
        _set_up(screen, options, live=True, tools=tools, past=past) as (environment, spectator),
        _page(environment, spectator) as address,
    ):
        published = Published(options.path, options.rate)
        settings = environment.settings
        topic = topic_name(settings.topic_prefix, events.RESPONSES)
        delivers_to = environment.delivers_to
        assert delivers_to is not None
        publishing: asyncio.Task[object] = asyncio.create_task(
            publish(settings.kafka, topic, published)
            if options.path is not None
            else bring(published, tools, delivers_to, settings.kafka, topic)
        )
        tasks = [
            *(asyncio.create_task(worker.failure()) for worker in environment.workers),
            asyncio.create_task(spectator.follow()),
            publishing,
            asyncio.create_task(_show(screen, environment, spectator, published, address)),
        ]
        try:
            while True:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                    tasks.remove(task)  # the whole file is published; the picture stays
        except asyncio.CancelledError:
            publishing.cancel()
            await asyncio.wait([publishing])
            await _until_complete(environment, spectator.seen, published)
            raise
        finally:
            await cancel_all(tasks)


def _page(environment: Environment, spectator: Spectator) -> contextlib.AbstractAsyncContextManager[str]:
    """Return what serves the page with the links of the latest alerts."""
    links = environment.settings.web.links_in_notices
    assert links is not None
    return page.served(links, spectator.seen)


async def _until_complete(environment: Environment, seen: Seen, published: "Published") -> None:
    """Wait until every published record is decided, counted and mailed; at most for _LAST_SECONDS.

    The picture shows what is missing then.
    """
    until = time.monotonic() + _LAST_SECONDS
    while time.monotonic() < until:
        decided = seen.records.total() >= published.count
        if decided and not seen.being_counted and not environment.worker.of(Courier)["notify"].pending:
            return
        await asyncio.sleep(_POLL_SECONDS)


class Published(AsyncIterator[bytes]):
    """The values to publish, `rate` per second: the lines of a file, or samples without end."""

    def __init__(self, path: Path | None, rate: float) -> None:
        self.count = 0
        self._pause = 1 / rate
        self._values: Iterator[bytes]
        if path is not None:
            self._values = iter(lines(path))
        else:
            rng = random.Random()  # noqa: S311 - samples, no secret
            self._values = samples.endless(rng, int(time.time()), lambda: datetime.now().astimezone())

    async def __anext__(self) -> bytes:
        """Return the next value when it is due."""
        value = next(self._values, None)
        if value is None:
            raise StopAsyncIteration
        await asyncio.sleep(self._pause)
        self.count += 1
        return value


def _call() -> str:
    """Return the command by which the user calls the worker in this directory."""
    python = Path(sys.executable)
    named = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return f"{shlex.quote(str(named))} -m worker"


def _hints(settings: Settings, address: str, metrics: str) -> list[str]:
    """Return lines that say how to take part: which page to open, and what to type in another terminal.

    `metrics`: where the metrics are.
    """
    receive = settings.receive
    by_hand = f"http://{receive.host}:{receive.port}{PATH}/{FORM}/{FORM_SECRET}"
    names = {"TOPIC_PREFIX": settings.topic_prefix, "KAFKA__GROUP": settings.kafka.group}
    is_usual = settings.topic_prefix == "nps"
    exports = [] if is_usual else [f"  export NPS_{variable}={name}" for variable, name in names.items()]
    publishing, also = f"  {_call()} publish --sample 2", "  (or: alerts list, scores)"
    return [
        "In another terminal, in this directory (Ctrl-C stops everything here):",
        f"  export NPS_KAFKA__BOOTSTRAP_SERVERS={settings.kafka.bootstrap_servers}",
        *exports,
        *([publishing + also] if len(publishing + also) <= _HINT_COLUMNS else [publishing, also]),
        f'  curl -d "score=2&at=$(date +%s)" {by_hand}',
        f"Open {settings.web.base_url} to see scores and work on cases (docs/page.md),",
        f"or {address} to acknowledge an alert before it escalates.",
        f"Prometheus can scrape {metrics} (docs/demo.md)",
    ]


async def _show(
    screen: Console, environment: Environment, spectator: Spectator, published: Published, address: str
) -> None:
    """Show what happens until cancelled: on a terminal as a changing picture, elsewhere as lines.

    `address`: that of the page with the links of the latest alerts.
    """
    seen, hints = spectator.seen, _hints(environment.settings, address, environment.metrics)
    if not screen.is_terminal:
        for hint in hints:
            screen.print(hint, soft_wrap=True)
        await _print(screen, environment, seen, published)
    with Live(console=screen, refresh_per_second=_FRAMES_PER_SECOND, screen=False) as live:

        def draw(below: Sequence[str]) -> None:
            snapshot = _snapshot(environment, spectator, published.count)
            live.update(dashboard(snapshot, below, call=_call(), width=screen.width, height=screen.height - 1))

        try:
            while True:
                draw(hints)
                await asyncio.sleep(1 / _FRAMES_PER_SECOND)
        finally:
            draw(())  # the last picture has no hints, since nobody can take part any more


async def _print(screen: Console, environment: Environment, seen: Seen, published: Published) -> None:
    """Print a line when there are new alerts, acknowledgements, escalations or digests, until cancelled.

    If there are several new ones, the line is about the last one.
    """
    alerts = acknowledged = escalations = 0
    digest = seen.last_digest
    printed: Digest | None = None
    while True:
        await asyncio.sleep(1 / _FRAMES_PER_SECOND)
        if len(seen.alerts) != alerts:
            alerts, alert, mails = len(seen.alerts), seen.latest[0], environment.inbox.accepted
            screen.print(f"{published.count} published, {mails} mails; {alert.severity}: {alert.summary}")
        if len(seen.acknowledged) != acknowledged:
            acknowledged = len(seen.acknowledged)
            screen.print(f"{logs.counted(acknowledged, 'alert')} acknowledged")
        if len(seen.escalations) != escalations:
            escalations, step = len(seen.escalations), seen.latest_escalations[0]
            screen.print(f"escalated to {', '.join(step.escalated_to or [])}: {step.severity}, {step.summary}")
        # The delivery log has a record for each notice in a digest. They may not all be read at once.
        before, digest = digest, seen.last_digest
        if digest is not None and digest == before and digest[0] != printed:
            printed, notices = digest
            screen.print(f"digest to {printed.receiver}: {logs.counted(notices, 'notice')}")
