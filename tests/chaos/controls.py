"""Negative controls: bugs, put in on purpose. A harness that does not find one of them proves nothing."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from chaos import closed_loop
from chaos.closed_loop import ClosedLoop, now
from chaos.fault_context import FaultContext
from chaos.faults import crashed, judging, poison, rebuilt, renewed, smtp, transactions
from chaos.faults.judging import BETWEEN_ROWS, Shop
from chaos.faults.silences import READING_SECONDS
from chaos.saboteur import CHECKPOINT_DUE, PAUSE, RAISE, WATCHES_SENT
from chaos.silence_steps import END_DUE, HANDED_OVER, READ
from chaos.silenced import Silence
from chaos.world import PATIENCE_SECONDS, PATIENCE_WITH_BUG_SECONDS, NotHealed, Worker, World, in_vain, patience

_PORTION = 120
_TRIES = 3
_ENOUGH_SECONDS = 15.0
_PAUSE_SECONDS = 8.0
#: Mails that the server refuses for a while.
_REFUSED = 4
#: Where most alerts are silenced, and for how long, in seconds.
_SILENCED, _SILENCE_SECONDS = "fr", 3_600.0


class Control(NamedTuple):
    """A bug that the harness must find.

    `tried` lets it do harm, in a context whose workers have the bug or not, and returns what is wrong. `breaks` says
    how the lines begin that find the bug.
    """

    bug: str
    tried: Callable[[FaultContext], Awaitable[list[str]]]
    breaks: tuple[str, ...]


async def missed(context: FaultContext, control: Control) -> str | None:
    """Return None if the harness finds the bug, by one of the things that it breaks; else what was seen instead."""
    wrong: list[str] = []
    for number in range(_TRIES):
        wrong += await control.tried(context.part(f"{number}", control.bug))
        hit = [line for line in wrong if line.startswith(control.breaks)]
        if hit:
            context.say(f"control {control.bug}: red ({hit[0]})")
            return None
    missed = f"control {control.bug}, seed {context.seed}: GREEN, the harness has not found it; it saw {wrong}"
    context.say(missed)
    return missed


async def without_bugs(context: FaultContext, trials: int) -> None:
    """Do the same with a worker that has none of the bugs: nothing may be wrong then."""
    for number, control in enumerate(CONTROLS[:trials]):
        async with context.trial(number) as trial:
            trial.wrong += await control.tried(context.part(f"{number}"))


async def _fault(
    run: Callable[[FaultContext, int], Awaitable[None]], context: FaultContext, trials: int = 1
) -> list[str]:
    """Try a fault; return what its trials say, and what is wrong afterwards if they say anything."""
    await run(context, trials)
    return await context.found()


async def _provoked(
    provoke: Callable[[World, Worker], Awaitable[None]],
    context: FaultContext,
    world: Callable[[FaultContext], contextlib.AbstractAsyncContextManager[World]] = FaultContext.world,
) -> list[str]:
    """Do in a world what lets a bug do harm; return what is wrong then."""
    async with world(context) as made:
        return await _wrong(made, provoke)


async def _wrong(world: World, provoke: Callable[[World, Worker], Awaitable[None]]) -> list[str]:
    """Return what is wrong after the bug was provoked."""
    worker = world.worker()
    await worker.start()
    try:
        await worker.ready()
        await provoke(world, worker)
        # A worker that stops by itself is started again, once: it may have found its state lost.
        caught_up, ended = (asyncio.create_task(work) for work in (world.caught_up(), worker.died()))
        await asyncio.wait([caught_up, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await worker.start()
            ended = asyncio.create_task(worker.died())
            await asyncio.wait([caught_up, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            caught_up.cancel()
        else:
            ended.cancel()
            await caught_up
        await asyncio.gather(caught_up, ended, return_exceptions=True)
    except NotHealed as error:
        return [str(error), *(await world.check()).wrong]
    found = (await world.check()).wrong
    await worker.kill()
    return found


async def _work(world: World, worker: Worker) -> None:
    del worker
    await world.feed_some(_PORTION)


async def _crash_with_a_batch_in_hand(world: World, worker: Worker) -> None:
    """Let a batch wait with its outputs sent."""
    await _crash_after_a_commit(world, worker, "outputs_acked")


async def _crash_before_a_checkpoint(world: World, worker: Worker) -> None:
    """Let batches wait that are decided, and whose rows are not written."""
    await _crash_after_a_commit(world, worker, CHECKPOINT_DUE)


async def _crash_after_a_commit(world: World, worker: Worker, step: str) -> None:
    """Let the worker wait at a step for longer than commits take; then kill it."""
    worker.told(step, 2, PAUSE, _PAUSE_SECONDS)
    await world.feed_some(_PORTION)
    with contextlib.suppress(NotHealed):
        async with patience("offsets to be committed too early", _PAUSE_SECONDS / 2):
            while not await world.is_committed("responses"):  # noqa: ASYNC110 - the broker's offsets raise no event
                await asyncio.sleep(0.05)
    await worker.kill()
    await worker.start()


async def _raise_once(world: World, worker: Worker) -> None:
    worker.told("validated", 3, RAISE)
    await world.feed_some(_PORTION)


async def _restart_when_all_is_mailed(world: World, worker: Worker) -> None:
    await world.feed_some(_PORTION)
    await world.caught_up()
    before = world.inbox.accepted
    await worker.kill()
    await worker.start()
    await worker.ready()
    # Without the bug they do not come, and somebody has to say when that is certain.
    seconds = PATIENCE_SECONDS if worker.has_bug else _ENOUGH_SECONDS
    with contextlib.suppress(NotHealed):
        async with patience("every mail a second time", seconds):
            await world.inbox.wait_for(2 * before)


async def _crash_in_a_judgement(world: World, worker: Worker) -> None:
    """Kill the worker when one of the two desks that fell is written down, and the other is not."""
    shop = Shop(world, _TRIES)
    await shop.open()
    await shop.fall()
    worker.told(WATCHES_SENT, BETWEEN_ROWS, "SIGKILL")
    await world.tick_to_death(worker, shop.now)
    await worker.start()


async def _odd_header_name(world: World, worker: Worker) -> None:
    del worker
    async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer:
        await poison.publish_odd_name(world, producer)
    await world.feed_some(_PORTION)


async def _stray_tally(world: World, worker: Worker) -> None:
    del worker
    async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer:
        await poison.publish_stray(world, producer, "tallies", b"hello")
    await world.feed_some(_PORTION)


async def _refused_for_a_while(context: FaultContext, trials: int) -> None:
    await smtp.one_mail(context, trials, smtp.ONE_MAIL["421_at_data"])


async def _acknowledge_all(world: World, worker: Worker) -> None:
    """Acknowledge every case before a step of its escalation is due."""
    del worker
    await world.feed_some(_PORTION)
    await world.committed()
    await world.command(await _commands(world, {"action": "acknowledge"}))


async def _note_twice(world: World, worker: Worker) -> None:
    """Give each command twice, as a program does that was not answered in time."""
    del worker
    await world.feed_some(_PORTION)
    await world.committed()
    commands = await _commands(world, {"action": "note", "note": "by phone"})
    await world.command([*commands, *commands])


async def _revive_a_silence(world: World, worker: Worker) -> None:
    """Silence most alerts, end the silence, and write the state before its end again, as a replay may do."""
    loop, silence = await _begin_a_silence(world, worker)
    await loop.command(world, silence.end(now()))
    await loop.published(world, silence)
    first = next(event for event in await world.events("silences") if event.body["version"] == 1)
    await world.send("silences", [(silence.silence_id.encode(), first.value)], [("ce_id", first.id.encode())])
    await world.feed_some(_PORTION)


async def _restart_before_the_silences_are_read(world: World, worker: Worker) -> None:
    """Publish while a worker that knows a silence is not there; when it is back, it reads the silences late."""
    await _begin_a_silence(world, worker)
    await worker.kill()
    await world.feed_some(_PORTION)
    worker.told(READ, 1, PAUSE, READING_SECONDS)
    await worker.start()


async def _crash_while_handing_over(world: World, worker: Worker) -> None:
    """Kill the worker when a notice was handed over to its receiver's plan, and end the silence before it is back."""
    loop, silence = await _begin_a_silence(world, worker)
    worker.told(HANDED_OVER, 1, "SIGKILL")
    await world.feed_some(_PORTION)
    await worker.died()
    deciding = await world.begin("process")
    await loop.command(world, silence.end(now()))
    await loop.published(world, silence)
    await deciding.stop()
    await worker.start()


async def _crash_when_a_silence_ends(world: World, worker: Worker) -> None:
    """Kill the worker when it is about to tell a plan that what waits there waits no more.

    When it is back, it has the plan before it has read the silences, and nothing else happens.
    """
    loop, silence = await _begin_a_silence(world, worker)
    await world.feed_some(_PORTION)
    await world.caught_up()
    worker.told(END_DUE, 1, "SIGKILL")
    await loop.command(world, silence.end(now()))
    await worker.died()
    worker.told(READ, 1, PAUSE, READING_SECONDS)
    await worker.start()


async def _begin_a_silence(world: World, worker: Worker) -> tuple[ClosedLoop, Silence]:
    """Silence most alerts, and wait until the worker knows it."""
    assert world.loop is not None
    silence, _ = await world.loop.silence(world, _SILENCED, _SILENCE_SECONDS)
    await world.loop.known(worker, silence)
    return world.loop, silence


async def _commands(world: World, what: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return a command about each alert, with its key."""
    alerts = {event.body["alert_id"]: event.body["customer_id"] for event in await world.events("alerts")}
    return [
        (
            customer.encode(),
            json.dumps(
                {"command_id": f"c-{alert_id}", "alert_id": alert_id, "customer_id": customer, "actor": "ann", **what}
            ).encode(),
        )
        for alert_id, customer in alerts.items()
    ]


def _not_seen(what: str) -> str:
    return in_vain(what, PATIENCE_WITH_BUG_SECONDS)


def _silenced(provoke: Callable[[World, Worker], Awaitable[None]]) -> Callable[[FaultContext], Awaitable[list[str]]]:
    return partial(_provoked, provoke, world=closed_loop.world)


CONTROLS = (
    Control("dedup_off", partial(_provoked, _work), ("I1",)),
    Control("commit_before_flush", partial(_provoked, _crash_with_a_batch_in_hand), ("I5", "I1")),
    Control("commit_before_checkpoint", partial(_provoked, _crash_before_a_checkpoint), ("I5", "I1")),
    Control("exception_swallowed", partial(_provoked, _raise_once), ("I1", "I2")),
    Control("no_delivery_log", partial(_provoked, _restart_when_all_is_mailed), ("I3",)),
    Control("autoescape_off", partial(_provoked, _work), ("I3",)),
    Control("rows_torn", partial(_provoked, _crash_in_a_judgement, world=judging.world), ("I6",)),
    Control("crash_unheard", partial(_fault, crashed.run), (_not_seen("a worker to end"),)),
    Control("header_names_unguarded", partial(_provoked, _odd_header_name), ("I1",)),
    Control("strays_unguarded", partial(_provoked, _stray_tally), ("I1", "I4")),
    Control(
        "refusal_is_outage", partial(_fault, _refused_for_a_while, trials=_REFUSED), ("other mails accepted while",)
    ),
    Control("logs_unchecked", partial(_fault, renewed.run), ("I1",)),
    Control("rebuild_mails_again", partial(_fault, rebuilt.outbox), ("I3",)),
    Control("markers_awaited", partial(_fault, transactions.run), (_not_seen("a tick behind the marker"),)),
    Control(
        "acknowledgement_unheard",
        partial(_provoked, _acknowledge_all, world=partial(closed_loop.world, timed=True)),
        ("I8 escalations behind an acknowledgement",),
    ),
    Control("commands_forgotten", partial(_provoked, _note_twice), ("I7 commands that were carried out twice",)),
    Control("digest_short", partial(_provoked, _work, world=closed_loop.world), ("I9 digest",)),
    Control("silence_revived", _silenced(_revive_a_silence), ("I9 alert for",)),
    Control("silences_unawaited", _silenced(_restart_before_the_silences_are_read), ("I10 opened of",)),
    Control("held_in_one_step", _silenced(_crash_while_handing_over), ("I9 alert for desk",)),
    Control("silence_end_missed", _silenced(_crash_when_a_silence_ends), ("waited in vain for",)),
)
#: Those of the short form.
QUICK = ("dedup_off", "no_delivery_log")
