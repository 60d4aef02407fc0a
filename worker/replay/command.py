"""`python -m worker replay`: reads the past from Kafka, and writes nothing: no record, no offset of a group, no topic.

The partitions are tried one after the other. So the memory is that of one partition's rows, for each configuration.
"""

from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

from aiokafka import ConsumerRecord

from worker.flow import events
from worker.flow.record import header
from worker.kafka import ownership, reading, topics
from worker.kafka.partitioner import partition_of
from worker.kafka.reading import Reader, Span
from worker.notify.channels.email import NAME as EMAIL
from worker.rebuild.answers import Answers
from worker.rebuild.progress import Progress, Say, offsets_in
from worker.replay.changes import changes, receivers
from worker.replay.comparing import Comparison
from worker.replay.configuration import Rules, configuration
from worker.replay.text import Result
from worker.replay.trial import Trial
from worker.settings import Settings

#: A time in ms after all records.
_NO_MORE = 2**62
#: The types of the records of the alerts topic that do not come of a response.
_OTHERS = frozenset({events.INCIDENT.type, events.CASE.type})


class Window(NamedTuple):
    """The time for which two configurations are compared, in ms: from `since`, and before `until`."""

    since: int
    until: int


async def replay(current: Settings, new: Settings, window: Window, limit: int, say: Say) -> Result:
    """Try another configuration on the past; return what would differ.

    The topics of the responses and the alerts must exist. `limit`: how many cases are kept. Raise KafkaError if Kafka
    does not answer.
    """
    found = changes(current.model_dump(), new.model_dump())
    rules = rules_of(current), rules_of(new)
    result = Result(*window, found, receivers(rules[0].planners, rules[1].planners))
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(reading.reader(current.kafka, committed_only=True))
            for _ in range(2 if found.decides_again else 1)
        ]
        past = _Past(current, readers[0], readers[-1], result, limit, say)
        await past.replay(*rules)
    return result


def rules_of(settings: Settings) -> Rules:
    """Return what can be tried of the settings. Caps and groups of receivers are not tried."""
    channels = [EMAIL, *sorted(settings.further_channels)]
    return Rules({channel: settings.planner(channel).without_bundling() for channel in channels}, settings.policy)


class _Past:
    """The past as the topics have it. What comes of the replay is added to the result.

    `alerts` is a reader of its own if the responses are read at the same time.
    """

    def __init__(
        self, settings: Settings, reader: Reader, alerts: Reader, result: Result, limit: int, say: Say
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._alerts = alerts
        self._result = result
        self._comparison = Comparison(limit, result.receivers.names)
        self._say = say
        self._steps = [0, 0]
        self._refused: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        # The times of the first records, by partition.
        self._first: dict[int, int] = {}

    async def replay(self, current: Rules, new: Rules) -> None:
        """Try both configurations on all partitions."""
        decides_again = self._result.changes.decides_again
        main = events.RESPONSES if decides_again else events.ALERTS
        spans = await self._spans(main)
        steps = await self._spans(events.ALERTS) if decides_again else spans
        make_answers = await self._answers(current, len(spans)) if decides_again else None
        progress = Progress(main, offsets_in(spans.values()), self._say)
        for partition in sorted(spans):
            answers = None if make_answers is None else make_answers()
            trial = Trial(configuration(current, answers), new, self._result.since, self._comparison)
            if answers is None:
                await self._take_steps(trial, partition, spans[partition], progress)
            else:
                await self._take_responses(trial, partition, spans[partition], steps[partition], progress)
            self._end(trial)
        self._report(spans)

    async def _take_steps(self, trial: Trial, partition: int, span: Span, progress: Progress) -> None:
        async with aclosing(self._records(self._reader, events.ALERTS, partition, span, progress)) as records:
            async for record in records:
                trial.take_step(record)

    async def _take_responses(
        self, trial: Trial, partition: int, span: Span, of_steps: Span, progress: Progress
    ) -> None:
        """Take in the responses, and in the order of their times the steps that do not come of responses."""
        async with (
            aclosing(self._chunks(self._alerts, events.ALERTS, partition, of_steps)) as chunks,
            aclosing(self._records(self._reader, events.RESPONSES, partition, span, progress)) as records,
        ):
            others = _Others(chunks)
            async for record in records:
                for step in await others.until(record.timestamp):
                    trial.take_step(step)
                trial.take_response(record)
            for step in await others.until(self._result.until):
                trial.take_step(step)

    async def _records(
        self, reader: Reader, topic: str, partition: int, span: Span, progress: Progress
    ) -> AsyncGenerator[ConsumerRecord, None]:
        """Yield the records of a span, and show the progress."""
        async with aclosing(self._chunks(reader, topic, partition, span)) as chunks:
            async for records in chunks:
                for record in records:
                    self._first.setdefault(partition, record.timestamp)
                    yield record
                progress.count(len(records))

    def _chunks(
        self, reader: Reader, topic: str, partition: int, span: Span
    ) -> AsyncGenerator[list[ConsumerRecord], None]:
        return reader.read(self._topic(topic), {partition: span})

    async def _spans(self, topic: str) -> dict[int, Span]:
        """Return the offsets of each partition from its beginning until the end of the window."""
        name = self._topic(topic)
        partitions = await self._reader.partitions(name)
        begins, ends = await self._reader.starts(name, partitions), await self._reader.ends(name, partitions)
        later = await self._reader.from_time(name, partitions, self._result.until)
        return {n: (begins[n], min(ends[n], later.get(n, ends[n]))) for n in partitions}

    async def _answers(self, rules: Rules, partitions: int) -> Callable[[], Answers]:
        """Return what makes the first stage of the current configuration, without any rows."""
        topic, kafka = self._topic(events.RESPONSES), self._settings.kafka
        claims = topics.ownership_topic(self._settings)
        owner = await ownership.owner_of(kafka, claims) if await self._reader.partitions(claims) else None
        # Without a secret, records that were rerouted twice are not recognised. Such topics have no worker yet.
        secret = b"" if owner is None else owner.claim.secret
        home = f"{await topics.cluster_id(kafka)}/{topic}"
        return lambda: Answers(partitions, rules.policy, topic, home, secret, partition_of(partitions))

    def _end(self, trial: Trial) -> None:
        """End the trial of one partition, and add its figures to those of the others."""
        trial.end(self._result.until)
        self._steps = [sum(pair) for pair in zip(self._steps, trial.steps, strict=True)]
        for whole, part in zip(self._refused, trial.dead_letters, strict=True):
            whole.update(part)

    def _report(self, spans: Mapping[int, Span]) -> None:
        cut = [self._first[n] for n, (begin, _) in spans.items() if begin > 0 and n in self._first]
        self._result.is_cut = any(begin > 0 for begin, _ in spans.values())
        self._result.history_since = max(cut) if cut else min(self._first.values(), default=None)
        self._result.steps = self._steps[0], self._steps[1]
        self._result.refused = self._refused
        self._result.counts = self._comparison.counts
        self._result.waiting = self._comparison.waiting[0], self._comparison.waiting[1]
        self._result.differing, self._result.cases = self._comparison.differing, self._comparison.cases

    def _topic(self, topic: str) -> str:
        return topics.topic_name(self._settings.topic_prefix, topic)


class _Others:
    """The steps of one partition of the alerts that do not come of responses, read as far as they are needed."""

    def __init__(self, chunks: AsyncIterator[list[ConsumerRecord]]) -> None:
        self._chunks = chunks
        self._waiting: deque[ConsumerRecord] = deque()
        self._latest = -1

    async def until(self, time: int) -> list[ConsumerRecord]:
        """Return the next steps with a time before, or at, this one (in ms)."""
        while self._latest <= time:
            records = await anext(self._chunks, None)
            if records is None:
                self._latest = _NO_MORE
            elif records:
                self._latest = records[-1].timestamp
                self._waiting += [record for record in records if header(record, "ce_type") in _OTHERS]
        found: list[ConsumerRecord] = []
        while self._waiting and self._waiting[0].timestamp <= time:
            found.append(self._waiting.popleft())
        return found
