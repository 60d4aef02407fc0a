"""The meters of a worker: they count what its roles do, and read at each request what its roles hold.

There are none if `metrics.bind` is empty; nothing is counted then.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from worker.clock import Clock
from worker.flow.batch import Record
from worker.flow.responses.formats.outcome import Outcome
from worker.ingest.counting import UNKNOWN, word_of
from worker.ingest.fetching import Fetcher
from worker.kafka.topics import CHANNELS, topic_name
from worker.metrics import catalogue
from worker.metrics.catalogue import METRICS, Kind, Scope
from worker.metrics.counting import Counting
from worker.metrics.figures import Figures, Values
from worker.notify.channels.chat import NAME as CHAT
from worker.notify.channels.email import NAME as EMAIL
from worker.notify.channels.webhook import NAME as WEBHOOK
from worker.roles.courier import Courier, OnAccepted
from worker.service import Service
from worker.settings import Settings
from worker.streams.observer import Spent
from worker.streams.sending import Sendable
from worker.streams.shell import Shell

_PROCESS = "process"
#: The groups that send notices: the role notify, and its further channels.
_NOTIFYING = frozenset({"notify", *CHANNELS})
#: What the mail server is called. The servers of other channels have the names of their endpoints.
_SMTP = "smtp"


class Meters:
    """Counts for all roles of a process. `clock` says how long ago a response came."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.figures = Figures()
        self._clock = clock
        self._prefix = topic_name(settings.topic_prefix, "")
        self._counting = Counting(self.figures, partial(topic_name, settings.topic_prefix), clock.now)
        self._servers: Mapping[str, Iterable[str]] = {
            EMAIL: [_SMTP],
            WEBHOOK: settings.webhook.endpoints,
            CHAT: settings.chat.endpoints,
        }
        self._receiver: ReceiveMeter | None = None
        self._shells: list[Shell] = []
        self._couriers: list[Courier] = []
        self._fetchers: list[Fetcher] = []

    def of_shell(self, role: str) -> "ShellMeter":
        """Return what counts for a shell. `role`: the end of its group's name."""
        own = Scope.PROCESS if role == _PROCESS else Scope.NOTIFY if role in _NOTIFYING else Scope.GROUPS
        for metric in METRICS:
            if metric.kind is not Kind.GAUGE and metric.scope in {own, Scope.GROUPS} and not metric.place:
                self.figures.begin(metric)
        return ShellMeter(role, self._prefix, self.figures, self._counting)

    def of_channel(self, channel: str) -> OnAccepted:
        """Return what counts the notices of a channel that servers have accepted."""
        self.figures.begin(catalogue.DELIVERIES, channel)
        self.figures.begin(catalogue.TO_DELIVERY, channel)
        return partial(self._counting.accepted, channel)

    def of_receiver(self, sources: Iterable[str]) -> "ReceiveMeter":
        """Return what counts the deliveries of these sources."""
        self._receiver = ReceiveMeter(self.figures, self._clock, sources)
        return self._receiver

    def of_fetcher(self, sources: Iterable[str]) -> "FetchMeter":
        """Return what counts the fetching of the answers of these sources."""
        return FetchMeter(self.figures, sources)

    def of_topic(self, name: str) -> Callable[[Outcome], None]:
        """Return what counts the outcomes of deliveries on a topic. `name`: what the settings call the topic."""
        self.figures.begin(catalogue.RECEIVED, name)
        return lambda outcome: self.figures.add(catalogue.RECEIVED, (name, word_of(outcome)))

    def watch(self, services: Iterable[Service]) -> None:
        """Read what these services hold from now on. They need not be started."""
        for service in services:
            if isinstance(service, Shell):
                self._shells.append(service)
                for topic in service.topics:
                    for metric in (catalogue.BATCHES, catalogue.BATCH_RECORDS, catalogue.BATCH_SECONDS):
                        self.figures.begin(metric, service.role, topic.removeprefix(self._prefix))
            elif isinstance(service, Courier):
                self._couriers.append(service)
            elif isinstance(service, Fetcher):
                self._fetchers.append(service)

    def sample(self) -> Values:
        """Return what the services hold now, and what their tables have counted."""
        self._counting.settle()
        values: Values = defaultdict(dict)
        for shell in self._shells:
            self._sample_topics(shell, values)
            self._sample_tables(shell, values)
        for courier in self._couriers:
            self._sample_notices(courier, values)
        if self._receiver is not None:
            values[catalogue.LAST_RECEIVED.name] = dict(self._receiver.last)
        for fetcher in self._fetchers:
            for source, standing in fetcher.standing().items():
                values[catalogue.FETCHES_WAITING.name][source,] = standing.waiting
                values[catalogue.FETCH_OUTAGE.name][source,] = standing.in_outage
        return values

    def _sample_topics(self, shell: Shell, values: Values) -> None:
        role = shell.role
        values[catalogue.REBALANCES.name][role,] = shell.app.rebalancing_count
        for topic in shell.topics:
            labels = role, topic.removeprefix(self._prefix)
            values[catalogue.PARTITIONS.name][labels] = shell.partitions
            values[catalogue.OWNED.name][labels] = len(shell.consumer.due(topic)) if shell.has_joined else 0
        if shell.has_joined:
            values[catalogue.HEARTBEAT_AGE.name][role,] = shell.consumer.heartbeat_age()
            for tp, lag in shell.consumer.lag().items():
                values[catalogue.LAG.name][role, tp.topic.removeprefix(self._prefix), str(tp.partition)] = lag

    @staticmethod
    def _sample_tables(shell: Shell, values: Values) -> None:
        for name, table in shell.tables.items():
            labels = shell.role, name
            values[catalogue.TABLE_ROWS.name][labels] = table.row_count
            values[catalogue.TABLE_BYTES.name][labels] = table.row_bytes
            values[catalogue.RECOVERIES.name][labels] = table.usage.recoveries
            values[catalogue.RECOVERY_SECONDS.name][labels] = table.usage.recovery_seconds
            values[catalogue.FENCE_REFUSALS.name][labels] = table.usage.refusals

    def _sample_notices(self, courier: Courier, values: Values) -> None:
        """Add what a courier has. Each channel has two couriers: one of them is about the plans of receivers."""
        channel, standing = courier.channel, courier.standing()
        unsent, held, ages = (
            values[metric.name] for metric in (catalogue.UNSENT, catalogue.HELD, catalogue.OLDEST_UNSENT)
        )
        age = 0.0 if standing.oldest is None else max(0.0, (self._clock.now() - standing.oldest) / 1_000)
        unsent[channel,] = unsent.get((channel,), 0) + standing.unsent
        held[channel,] = held.get((channel,), 0) + standing.held
        ages[channel,] = max(ages.get((channel,), 0.0), age)
        outages = values[catalogue.OUTAGE.name]
        for server in self._servers[channel]:
            outages.setdefault((channel, server), 0)
        for server in courier.in_outage():
            outages[channel, server or _SMTP] = 1


class ShellMeter:
    """Counts what a shell does (ShellObserver)."""

    def __init__(self, role: str, prefix: str, figures: Figures, counting: Counting) -> None:
        self._role = role
        self._prefix = prefix
        self._figures = figures
        self._counting = counting

    def on_sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Count records that Kafka has acknowledged."""
        self._counting.sent(topic, records)

    def on_batch(self, topic: str, records: Sequence[Record], spent: Spent) -> None:
        """Count a batch."""
        labels = self._role, topic.removeprefix(self._prefix)
        self._figures.add(catalogue.BATCHES, labels)
        self._figures.add(catalogue.BATCH_RECORDS, labels, len(records))
        for phase in catalogue.PHASES:
            self._figures.add(catalogue.BATCH_SECONDS, (*labels, phase), getattr(spent, phase))

    def on_checkpoint(self, topic: str, seconds: float) -> None:
        """Count the time of a checkpoint."""
        labels = self._role, topic.removeprefix(self._prefix), "sending"
        self._figures.add(catalogue.BATCH_SECONDS, labels, seconds)


class ReceiveMeter:
    """Counts the deliveries of survey tools."""

    def __init__(self, figures: Figures, clock: Clock, sources: Iterable[str]) -> None:
        self._figures = figures
        self._clock = clock
        #: When the last delivery of each source was acknowledged, in seconds since 1970.
        self.last: dict[tuple[str, ...], float] = {}
        for source in sources:
            self.last[source,] = 0
            figures.begin(catalogue.RECEIVED, source)
            figures.begin(catalogue.TO_ACKNOWLEDGEMENT, source)
        figures.begin(catalogue.RECEIVED, UNKNOWN)

    def on_outcome(self, source: str, outcome: str, count: int = 1) -> None:
        """Count what deliveries of a source have become, or why one was not taken."""
        self._figures.add(catalogue.RECEIVED, (source, outcome), count)

    def on_acknowledged(self, source: str, seconds: float) -> None:
        """Note that a delivery of a source is acknowledged, and how long that took."""
        self._figures.observe(catalogue.TO_ACKNOWLEDGEMENT, (source,), seconds)
        self.last[source,] = self._clock.now() / 1_000


class FetchMeter:
    """Counts the fetching of answers."""

    def __init__(self, figures: Figures, sources: Iterable[str]) -> None:
        self._figures = figures
        for source in (*sources, UNKNOWN):
            figures.begin(catalogue.FETCHES, source)

    def on_fetch(self, source: str, outcome: str, count: int = 1) -> None:
        """Count what orders of a source, or the answers to them, have become."""
        self._figures.add(catalogue.FETCHES, (source, outcome), count)
