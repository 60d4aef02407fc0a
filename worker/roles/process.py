"""The process role: it decides responses, counts tallies, watches segments, and keeps cases and silences."""

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.flow.cases import forgetting
from worker.flow.cases import road as cases
from worker.flow.cases.due_index import DueIndex
from worker.flow.commands import road as commands
from worker.flow.incidents import road as watching
from worker.flow.responses import road
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.flow.responses.road import Batch
from worker.flow.segments import road as segments
from worker.flow.silences import road as silences
from worker.flow.silences.silence import state_of
from worker.flow.timestamps import DAY
from worker.kafka import topics
from worker.kafka.partitioner import partition_of
from worker.kafka.rows import PartitionState
from worker.roles.derived import Derived
from worker.roles.left_out import LeftOutWarnings
from worker.roles.scales import warned_of_scales
from worker.roles.surroundings import Surroundings
from worker.roles.ticker import Ticker
from worker.roles.watermark import Watermark
from worker.service import Background, Service
from worker.streams.checkpoint import Checkpoint
from worker.streams.lane import Pace, View
from worker.streams.observer import TableObserver
from worker.streams.shell import Shell
from worker.streams.table import DurableTable
from worker.streams.transactions import OpenTransactions

ROLE = "process"
#: The pace of tallies. A segment's row has the same size after one answer as after a thousand, and scores are not read
#: more often than this. The delays of all three lanes end at the same moments.
_SEGMENTS = Pace(seconds=2.0, share=0.02, longest=30.0)
#: The pace of hourly reports. Most hours are reported once, when they have ended.
_WATCHES = Pace(seconds=2.0, share=0.02, longest=10.0)
#: The pace of cases. A person may wait for the answer to a command, and does not notice half a second.
_CASES = Pace(seconds=0.5, share=0.05, longest=1.0)

#: Which outputs about responses wait for a checkpoint. The segments are counted every two seconds anyway, a
#: decision is a record of what was done, and an invitation may be sent hours later. So a response without an alert
#: needs no produce request of its own.
#: What is sent to the cases does not wait: a command about an alert must not overtake the alert's step.
_LATER = frozenset({events.TALLIES, events.DECISIONS, events.INVITATIONS})
#: Kafka deletes whole segments of a log, so a command may stay for longer than retention says: a week by default.
_MARGIN_DAYS = 30


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: its shell, the log line of each minute, a look at open transactions, and the ticker.

    The shell has three stages for responses. The first one is keyed by customer, and the second one by segment. The
    third one has all segments in one partition. Two further stages are about alerts: commands are checked and moved to
    the cases, which are keyed by customer. The last stage is about silences.
    """
    settings, clock, kafka = surroundings.settings, surroundings.clock, await surroundings.kafka()
    shell = Shell(settings, ROLE, kafka, observer=surroundings.observer_of(ROLE))
    policy, responses = settings.policy, shell.topic_name(events.RESPONSES)
    owner = partition_of(kafka.partitions)
    home = f"{kafka.cluster}/{responses}"
    service, work = settings.service, settings.work
    most = ceil(policy.segments.most / kafka.partitions)

    indexes = Derived(lambda state: _Index(Holders(state.rows), Sweep(state.rows)))

    def decide(records: list[Record], partition: int, state: PartitionState) -> Decided:
        holders, sweep = indexes.of(state)
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
            work=work,
        )
        return road.decide(batch, policy, state.rows.get, owner)

    left_out = LeftOutWarnings(policy.segments.most)

    def count(records: list[Record], partition: int, state: PartitionState) -> Decided:
        decided = segments.count(records, state.rows, partition, most, policy.intake)
        return warned_of_scales(left_out.warned_of(decided, partition))

    sweeps = Derived(lambda state: forgetting.Sweep(state.rows))
    cases_table = shell.table(topics.CASES, atomic=True)
    timers = Timers(cases_table)
    cases_table.observe(timers)

    def follow(records: list[Record], _: int, state: PartitionState) -> Decided:
        head, name = state.head, shell.topic_name(events.ALERT_COMMANDS)
        batch = cases.Batch(records, name, head.rerouted, head.latest_time, sweeps.of(state), service, timers.of(state))
        return cases.decide(batch, policy.cases, policy.intake, state.rows.get)

    # The other tables have no checkpoints: their batches are not more frequent than checkpoints would be.
    checkpoint = Checkpoint(outputs=_LATER)
    shell.agent(events.RESPONSES, shell.table(topics.CONTACTS), decide, checkpoint=checkpoint)
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
    shell.agent(
        events.ALERT_COMMANDS,
        shell.table(topics.COMMANDS),
        lambda records, _, __: commands.move(records, owner, policy.intake),
    )
    shell.agent(events.CASES, cases_table, follow, pace=_CASES)
    kept = (settings.kafka.retention_days + _MARGIN_DAYS) * DAY
    shell.agent(
        events.SILENCE_COMMANDS,
        shell.table(topics.SILENCES),
        lambda records, partition, state: silences.decide(records, partition, state.rows, owner, kept, policy.intake),
        view=View(events.SILENCES, state_of),
    )
    watermark = Watermark(settings, ROLE, kafka.partitions, clock)
    ticker = Ticker(shell, clock, watermark.passed, timers.next_at)
    transactions = OpenTransactions(lambda: shell.consumer.known())  # noqa: PLW0108 - the consumer is made at the start
    return [
        shell,
        Background(shell.activity.report),
        Background(transactions.report),
        Background(ticker.run, ticker.end),
    ]


class _Index(NamedTuple):
    """What is derived from the rows of a partition of customers. It is kept in memory only."""

    holders: Holders
    sweep: Sweep


class Timers(TableObserver):
    """The next timers of the cases in each partition."""

    def __init__(self, table: DurableTable) -> None:
        self._table = table
        self._indexes = Derived(lambda _: DueIndex())  # `on_rows` fills it

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Note rows of a partition."""
        self.of(self._table.state_of(partition)).update(rows)

    def of(self, state: PartitionState) -> DueIndex:
        """Return the index of a partition."""
        return self._indexes.of(state)

    def next_at(self, partition: int) -> int | None:
        """Return the time of the next timer in a partition, in ms; None if there is none."""
        return self.of(self._table.state_of(partition)).next_at()
