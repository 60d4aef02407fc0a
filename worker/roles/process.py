"""The process role: responses are decided, tallies are counted, segments are watched over."""

from math import ceil
from typing import NamedTuple

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.flow.incidents import road as watching
from worker.flow.responses import road
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.flow.responses.road import Batch
from worker.flow.segments import road as segments
from worker.kafka import topics
from worker.kafka.partitioner import partition_of
from worker.kafka.rows import Fence, PartitionState
from worker.roles.scales import warned_of_scales
from worker.roles.surplus import Surplus
from worker.roles.surroundings import Surroundings
from worker.roles.ticker import Ticker
from worker.roles.watermark import Watermark
from worker.service import Background, Service
from worker.streams.lane import Pace, View
from worker.streams.shell import Shell
from worker.streams.transactions import OpenTransactions

ROLE = "process"
#: A segment's row is as large for one answer as for a thousand, and nobody reads scores more often.
_SEGMENTS = Pace(seconds=0.5, share=0.02, longest=10.0)
#: Most hours are reported once, when they have ended.
_WATCHES = Pace(seconds=0.2, share=0.02, longest=10.0)


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: its shell, the log's line a minute, and what makes its ticks.

    There are three stages: the first keyed by customer, the second by segment, and the third over all segments, in one
    partition.
    """
    settings, clock, kafka = surroundings.settings, surroundings.clock, await surroundings.kafka()
    shell = Shell(settings, ROLE, kafka)
    policy, responses = settings.policy, shell.topic_name(events.RESPONSES)
    owner = partition_of(kafka.partitions)
    home = f"{kafka.cluster}/{responses}"
    most = ceil(policy.segments.most / kafka.partitions)

    memories = _Memories()

    def decide(records: list[Record], partition: int, state: PartitionState) -> Decided:
        holders, sweep = memories.of(partition, state)
        batch = Batch(
            records,
            partition,
            responses,
            home,
            state.head.rerouted,
            kafka.secret,
            partitions=kafka.partitions,
            holders=holders,
            sweep=sweep,
            latest_time=state.head.latest_time,
        )
        return road.decide(batch, policy, state.rows.get, owner)

    surplus = Surplus(policy.segments.most)

    def count(records: list[Record], partition: int, state: PartitionState) -> Decided:
        decided = segments.count(records, state.rows, partition, most, policy.intake)
        return warned_of_scales(surplus.watched(decided, partition))

    shell.agent(events.RESPONSES, shell.table(topics.CONTACTS), decide)
    shell.agent(
        events.TALLIES,
        shell.table(topics.SEGMENTS),
        count,
        view=View(events.SCORES, segments.scores),
        pace=_SEGMENTS,
    )
    shell.agent(
        events.HOURS,
        shell.table(topics.WATCHES, atomic=True),
        lambda records, _, state: watching.watch(
            records, state.rows, kafka.partitions, owner, policy.incidents, policy.intake
        ),
        pace=_WATCHES,
    )
    watermark = Watermark(settings, ROLE, kafka.partitions, clock)
    ticker = Ticker(shell, clock, watermark.passed)
    transactions = OpenTransactions(lambda: shell.consumer.known())  # noqa: PLW0108 - the start makes it
    return [
        shell,
        Background(shell.activity.report),
        Background(transactions.report),
        Background(ticker.run, ticker.end),
    ]


class _Memory(NamedTuple):
    """What is kept in memory only beside a partition's rows."""

    holders: Holders
    sweep: Sweep


class _Memories:
    """The memory beside each partition of customers, for as long as this worker goes on owning it."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[PartitionState, Fence, _Memory]] = {}

    def of(self, partition: int, state: PartitionState) -> _Memory:
        """Return a partition's memory: a new one after each take-over, since others may have written its rows."""
        known = self._of.get(partition)
        if known is None or known[0] is not state or known[1] != state.own:
            memory = _Memory(Holders(state.rows), Sweep(state.rows))
            known = self._of[partition] = state, state.own, memory
        return known[2]
