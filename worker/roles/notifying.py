"""The services that send alerts and incidents by one channel.

Each channel has a consumer group, an outbox and plans of receivers of its own. So an unreachable or slow server does
not delay other channels, caps are counted for each channel, and the rows of an outbox need not name their channel.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import NamedTuple

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.kafka import changelogs, topics
from worker.kafka.partitioner import partition_of
from worker.kafka.rows import PartitionState
from worker.notify import forgetting, receiver_planning
from worker.notify.channel import Channel
from worker.notify.forwarded import Spread
from worker.notify.outage import Outages
from worker.notify.planning import Planner
from worker.notify.retry import RetryPolicy
from worker.roles.courier import Courier, OnAccepted, Traced
from worker.roles.derived import Derived
from worker.roles.overfull import Overfull
from worker.roles.plan_rows import PlanRows
from worker.roles.silence_changes import SilenceChanges
from worker.roles.surroundings import Surroundings
from worker.roles.trouble import Trouble
from worker.roles.unaddressed import Unaddressed
from worker.roles.wakeups import WaitingForDigests, Wakeups
from worker.roles.watermark import Watermark
from worker.service import Background, Service
from worker.streams.shell import Shell

log = logging.getLogger(__name__)


class Sending(NamedTuple):
    """A channel, the planning of its notices, and the times at which they are tried again."""

    channel: Channel
    planner: Planner
    retry: RetryPolicy


class Common(NamedTuple):
    """What the couriers of a channel have in common."""

    overfull: Overfull
    outages: Outages
    trouble: Trouble
    on_accepted: OnAccepted | None
    traced: Traced | None


async def build_further(surroundings: Surroundings, name: str, sending: Sending, plans: Sending) -> list[Service]:
    """Return the services of a further channel. A channel that is new begins with the alerts from now on."""
    await surroundings.kafka()
    table = topics.CHANNELS[name]
    at, settings = topics.PLANS_OF[table], surroundings.settings
    # If the channel was given up before, its plans must not go on with notices of that time. They come first: a channel
    # whose outbox has begun is not new any more.
    await changelogs.begin_at_end(settings, at.topic, topics.Consumed(name, at.table))
    if await changelogs.begin_at_end(settings, events.ALERTS, topics.Consumed(name, table)):
        log.info("%s is new: it gets the alerts and incidents from now on, and no earlier ones", name)
    return await build(surroundings, name, table, sending, plans)


async def build(
    surroundings: Surroundings, name: str, table_name: str, sending: Sending, plans: Sending
) -> list[Service]:
    """Return the services of a channel: its shell, the log line of each minute, and the courier.

    `name`: the end of the consumer group's name; `table_name`: the name of the channel's outbox. `plans`: how the
    digests of the receivers' plans are sent, over connections of their own. The courier of the outbox is the last
    service.
    """
    channel, planner, retry = sending
    words, kafka = channel.wording, await surroundings.kafka()
    meters, spans = surroundings.meters, surroundings.spans
    on_accepted = None if meters is None else meters.of_channel(planner.deliveries.channel)
    observer = surroundings.observer_of(name)
    shell = Shell(surroundings.settings, name, kafka, sends=(words.one, words.many), observer=observer)
    table = shell.table(table_name)
    unaddressed = Unaddressed()
    at = topics.PLANS_OF[table_name]
    traced = None if spans is None else partial(spans.sending, planner.deliveries.channel)
    common = Common(Overfull(words, planner.most_open), Outages(), Trouble(words), on_accepted, traced)
    spread = Spread(kafka.partitions, partition_of(kafka.partitions), at.topic)

    days = surroundings.settings.history.days
    sweeps = Derived(lambda state: forgetting.Sweep(state.rows))

    def decide(records: list[Record], _: int, state: PartitionState) -> Decided:
        decided = forgetting.plan(records, planner, state.rows, sweeps.of(state), days, spread)
        common.overfull.note(decided.outputs)
        unaddressed.note(decided.outputs)
        return decided

    shell.agent(events.ALERTS, table, decide)
    courier = Courier(
        shell,
        table,
        channel,
        surroundings.clock,
        planner=planner,
        retry=retry,
        silences=surroundings.silences(),
        spread=spread,
        outages=common.outages,
        trouble=common.trouble,
        on_accepted=on_accepted,
        traced=traced,
        together=surroundings.couriers,
    )
    table.observe(courier)
    return [
        shell,
        Background(shell.activity.report),
        *_plans(shell, plans, at, surroundings, common),
        courier,
    ]


def _plans(
    shell: Shell, sending: Sending, at: topics.PlansOfReceivers, surroundings: Surroundings, common: Common
) -> list[Service]:
    """Return the services of the receivers' plans: what wakes them, and a courier. `at`: where the plans are."""
    channel, planner, retry = sending
    table, waiting = shell.table(at.table, atomic=True), WaitingForDigests()
    days = surroundings.settings.history.days
    sweeps = Derived(lambda state: forgetting.Sweep(state.rows))

    def decide(records: list[Record], partition: int, state: PartitionState) -> Decided:
        batch = receiver_planning.Batch(records, state.head.rerouted, partial(waiting.members.of, partition))
        decided = forgetting.plan_receivers(batch, planner, state.rows, sweeps.of(state), days)
        common.overfull.note(decided.outputs)
        return decided

    def alerts_decided() -> Callable[[], Awaitable[bool]]:
        sources = (events.ALERTS,)
        settings, clock = surroundings.settings, surroundings.clock
        return Watermark(settings, shell.role, shell.partitions, clock, sources=sources, fresh_ms=inf).passed

    shell.agent(at.topic, table, decide)
    courier = Courier(
        shell,
        table,
        channel,
        surroundings.clock,
        planner=planner,
        retry=retry,
        silences=surroundings.silences(),
        members=waiting.members,
        source=at.topic,
        upstream=alerts_decided,
        outages=common.outages,
        trouble=common.trouble,
        on_accepted=common.on_accepted,
        traced=common.traced,
        together=surroundings.couriers,
    )
    wakeups = Wakeups(shell, surroundings.clock, at.topic)
    changes = SilenceChanges(shell, surroundings.silences(), at.topic)
    for observer in (waiting, PlanRows(wakeups, changes), courier):
        table.observe(observer)
    return [courier, Background(wakeups.run, wakeups.end), Background(changes.run, changes.end)]
