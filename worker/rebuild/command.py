"""`python -m worker rebuild`: tables that were lost are made again, while the workers are stopped.

The same pure core decides the same records again, in memory. Nothing is published again: alerts, invitations, decisions
and dead letters are on their topics. Only rows are written, as those of a later owner:

1. A head row in each partition says that a rebuild has begun, so that no worker goes on from unfinished rows.
2. The rows are made and written. Other rows are erased.
3. A head row says that the rows are complete, and up to which offset of the source.

So the command may be interrupted anywhere, and run again. Records that no worker has decided yet are decided by the
workers afterwards, as always.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from math import ceil
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from worker.clock import SystemClock
from worker.errors import SettingsError, SourceLost
from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.record import EPOCH
from worker.flow.timestamps import DAY
from worker.kafka import groups, reading, source, topics
from worker.kafka.connection import client_options
from worker.kafka.partitioner import partition_of
from worker.kafka.preflight import preflight
from worker.kafka.reading import Reader, Span
from worker.kafka.rows import Head
from worker.kafka.topics import (
    ANSWERS,
    CASES,
    CHANNELS,
    COMMANDS,
    CONTACTS,
    OUTBOX,
    PLANS_OF,
    SEGMENTS,
    SILENCES,
    WATCHES,
)
from worker.notify.forwarded import Spread
from worker.rebuild import changelogs, members
from worker.rebuild.answers import Answers, applied_until
from worker.rebuild.cases import CasesAgain, base_of_moved, base_of_responses
from worker.rebuild.changelogs import Writer
from worker.rebuild.incidents import Incidents
from worker.rebuild.lost import ROLES, SOURCES, Found, lost
from worker.rebuild.mails import Mails, PlannedMails
from worker.rebuild.parts import PartsAgain
from worker.rebuild.progress import Progress, Say, offsets_in
from worker.rebuild.reported_alerts import ReportedAlerts
from worker.rebuild.silences import SilencesAgain
from worker.rebuild.tree import Tree, counted_until, learned_until, reported_until
from worker.settings import Settings

#: A time in ms after all records. It is the end of the day if it is not known when the next day begins.
_NO_MORE = 2**62
#: The tables that are made from the responses.
_FROM_RESPONSES = (CONTACTS, SEGMENTS, WATCHES)
#: The channel of each outbox, which is made from the alerts.
_OUTBOXES = {OUTBOX: "email", **{outbox: channel for channel, outbox in CHANNELS.items()}}
#: The outbox of each table of plans, which is made from notices that were forwarded.
_OUTBOX_OF = {plans.table: outbox for outbox, plans in PLANS_OF.items()}


#: The mails of one partition.
_Mails = TypeVar("_Mails", bound=Mails)


class Rebuilt(NamedTuple):
    """A table that was made again."""

    #: The rows, by partition.
    rows: list[dict[bytes, bytes]]
    #: The head row of each partition.
    heads: list[Head]


async def rebuild(settings: Settings, wanted: Collection[str], mail_days: float, say: Say) -> str:
    """Rebuild tables, and return in one line what was done.

    `wanted`: the names of the tables; if it is empty, the tables that were lost are made again. Mails that were never
    sent will be sent if their alerts are younger than `mail_days`. Raise Fatal, StillRunning or Unreachable with a line
    that says what to do, KafkaError if Kafka fails.
    """
    await preflight(settings.kafka)
    kafka = await topics.ensure(settings)
    async with (
        reading.reader(settings.kafka, committed_only=True) as reader,
        changelogs.writer(settings.kafka) as writer,
    ):
        return await _Rebuild(settings, kafka, reader, writer, say).run(wanted, mail_days)


class _Rebuild:
    """One run of the command."""

    def __init__(self, settings: Settings, kafka: topics.KafkaInfo, reader: Reader, writer: Writer, say: Say) -> None:
        self._settings = settings
        self._kafka = kafka
        self._partitions = range(kafka.partitions)
        self._owner: Callable[[bytes], int] = partition_of(kafka.partitions)
        self._reader = reader
        self._writer = writer
        self._say = say
        self._found: dict[str, Found] = {}

    async def run(self, wanted: Collection[str], mail_days: float) -> str:
        """Rebuild tables; the arguments and the result are those of `rebuild`."""
        in_use = [table for table in SOURCES if ROLES[table] in topics.tables(self._settings)]
        if unused := sorted(set(wanted) - set(in_use)):
            raise SettingsError([f"{table}: is not used, since {_why_unused(table)}" for table in unused])
        tables = [await self._find(table) for table in in_use]
        self._found = {found.table: found for found in tables}
        begun = {found.table for found in tables if ROLES[found.table] not in CHANNELS or found.has_begun}
        chosen = [table for table in in_use if table in begun and table in (wanted or lost(tables))]
        if not chosen:
            return "no table was lost; --table names a table to rebuild, and --all means all of them"
        groups_of_tables = {topics.group_id(self._settings.kafka.group, ROLES[table]) for table in chosen}
        await members.wait_until_none(self._settings.kafka, groups_of_tables, self._say)
        # The tables are read again, since the workers may have changed them until now.
        self._found = {table: await self._find(table) for table in in_use}
        if set(chosen) & set(_FROM_RESPONSES):
            await self._check_responses(chosen)
        for table in chosen:
            await self._writer.mark(self._changelog(table), self._found[table].partitions)
        self._say(f"rebuild of {', '.join(chosen)} has begun; until it has ended, no worker can use them")
        rebuilt = await self._rebuilt(chosen, mail_days)
        for table in chosen:
            await self._write(table, rebuilt[table])
        await members.wait_until_none(self._settings.kafka, groups_of_tables, self._say)
        for table in chosen:
            await self._finish(table, rebuilt[table])
        return f"rebuild of {', '.join(chosen)} is complete; the workers can be started"

    async def _rebuilt(self, chosen: Collection[str], mail_days: float) -> dict[str, Rebuilt]:
        """Make the chosen tables again; return them by name, and perhaps others that came of the same records."""
        rebuilt: dict[str, Rebuilt] = {}
        if set(chosen) & set(_FROM_RESPONSES):
            rebuilt |= await self._from_responses(chosen)
        if CASES in chosen:
            rebuilt[CASES] = await self._from_cases()
        if COMMANDS in chosen:
            rebuilt[COMMANDS] = self._from_commands(rebuilt.get(CASES))
        if SILENCES in chosen:
            rebuilt[SILENCES] = await self._from_silences()
        if ANSWERS in chosen:
            rebuilt[ANSWERS] = await self._from_parts()
        for table in (one for one in chosen if one in _OUTBOX_OF):
            rebuilt[table] = await self._from_notices(table, mail_days)
        for table in chosen:
            if table not in rebuilt:
                rebuilt[table] = await self._from_alerts(table, mail_days, rebuilt.get(PLANS_OF[table].table))
        return rebuilt

    async def _find(self, table: str) -> Found:
        """Return what Kafka has of a table."""
        topic = self._topic(SOURCES[table])
        partitions = await changelogs.read(self._reader, self._changelog(table), self._partitions, self._say)
        begins = await self._reader.starts(topic, self._partitions)
        ends = await self._reader.ends(topic, self._partitions)
        committed = await self._committed(topics.group_id(self._settings.kafka.group, ROLES[table]), topic)
        return Found(table, partitions, committed, begins, ends)

    async def _committed(self, group: str, topic: str) -> dict[int, int]:
        admin = AIOKafkaAdminClient(**client_options(self._settings.kafka))
        try:
            await admin.start()
            return await groups.committed(admin, group, topic)
        finally:
            await admin.close()

    async def _check_responses(self, chosen: Collection[str]) -> None:
        """Raise SourceLost if the responses topic was replaced: then it is not known which responses were decided."""
        contacts, topic = self._found[CONTACTS], self._topic(events.RESPONSES)
        heads = {} if CONTACTS in chosen else {n: part.head for n, part in enumerate(contacts.partitions)}
        logs = await source.read_logs(self._reader, topic, heads) or {}
        replaced = [n for n in heads if source.difference(heads[n], logs[n]) is not None]
        if replaced:
            raise SourceLost(
                f"{topic} was deleted and created again, or cut back, in partitions {_listed(replaced)}. Before a "
                "rebuild, run: python -m worker new-epoch responses"
            )
        beyond = [n for n, offset in contacts.committed.items() if offset > contacts.ends[n]]
        if beyond:
            group = topics.group_id(self._settings.kafka.group, ROLES[CONTACTS])
            raise SourceLost(
                f"{topic} ends before what was decided in partitions {_listed(beyond)}: it was deleted and created "
                "again. To have everything that it holds now decided as new, reset the group's offsets before a "
                f"rebuild: kafka-consumer-groups.sh --group {group} --topic {topic} --reset-offsets --to-earliest "
                "--execute"
            )

    async def _from_responses(self, chosen: Collection[str]) -> dict[str, Rebuilt]:
        """Decide the responses again, up to where the worker had decided them, and count the tallies they cause.

        Time passes a day at a time: the responses of a day are counted, then there is a tick. Return all tables that
        can be made from the responses.
        """
        contacts, topic = self._found[CONTACTS], self._topic(events.RESPONSES)
        home = f"{self._kafka.cluster}/{topic}"
        answers = Answers(self._kafka.partitions, self._settings.policy, topic, home, self._kafka.secret, self._owner)
        incidents, alerts = Incidents() if WATCHES in chosen else None, ReportedAlerts()
        if CONTACTS in chosen or incidents is not None:
            await self._read_alerts([alerts.take, *([] if incidents is None else [incidents.take])])
        most = ceil(self._settings.segments.most / self._kafka.partitions)
        tree = Tree(self._kafka.partitions, self._owner, self._settings.incidents, most, incidents)
        intact = CONTACTS not in chosen
        stops = {n: contacts.stands_at(n) if intact else contacts.committed.get(n, 0) for n in self._partitions}
        counts = SEGMENTS in chosen or WATCHES in chosen
        limits, bases = self._time_limits(chosen), self._bases(chosen)
        self._report_deleted_answers(contacts, stops, bases)

        progress = Progress("responses", offsets_in((contacts.begins[n], stops[n]) for n in stops), self._say)
        position, newest = dict(contacts.begins), 0
        while any(position[n] < stops[n] for n in self._partitions):
            day = await self._day_of_next(topic, position, stops) if counts else None
            ends = stops if day is None else await self._ends_of_day(topic, day, position, stops)
            spans = {n: (position[n], ends[n]) for n in self._partitions}
            async with aclosing(self._reader.read(topic, spans)) as pieces:
                async for records in pieces:
                    if records:
                        newest = max(newest, *(record.timestamp for record in records))
                        tree.take(answers.take(records[0].partition, _rebased(records, bases)), records[-1].timestamp)
                        progress.count(len(records))
            position = {n: max(position[n], ends[n]) for n in self._partitions}
            if day is not None:
                tree.tick(_tick_times(min(day, newest), limits, self._partitions))
        progress.end()
        if intact:
            await self._count_applied(answers, tree, stops, bases, newest)
        tree.tick(_tick_times(newest, limits, self._partitions))
        if SEGMENTS in chosen and WATCHES not in chosen:
            tree.flag(self._found[WATCHES].partitions[0].rows)
        if incidents is not None:
            incidents.finish(tree.watches, self._settings.incidents)
        if WATCHES in chosen and SEGMENTS not in chosen:
            tree.match_flags(state.rows for state in self._found[SEGMENTS].partitions)

        heads = [
            Head(
                stops[n] - 1 + bases[n],
                dict(answers.rerouted[n]),
                base=bases[n],
                latest_time=answers.latest_times[n],
            )
            for n in self._partitions
        ]
        counted, learned = self._found[SEGMENTS], self._found[WATCHES]
        watches = [tree.watches if partition == 0 else {} for partition in self._partitions]
        return {
            CONTACTS: Rebuilt(answers.rows, heads),
            SEGMENTS: Rebuilt(tree.segments, [Head(counted.ends[n] - 1) for n in self._partitions]),
            WATCHES: Rebuilt(watches, [Head(learned.ends[n] - 1) for n in self._partitions]),
        }

    def _bases(self, chosen: Collection[str]) -> dict[int, int]:
        """Return by how much the core's offsets of the responses are higher than Kafka's (Head.base), by partition.

        If the table of the customers is lost, that follows from the offsets in an intact table of the segments or of
        the cases.
        """
        if CONTACTS not in chosen:
            return {n: state.head.base for n, state in enumerate(self._found[CONTACTS].partitions)}
        intact = SEGMENTS not in chosen
        marks = counted_until(part.rows for part in self._found[SEGMENTS].partitions) if intact else {}
        cases = self._found[CASES].partitions
        return {n: max(marks.get(n, 0) // EPOCH * EPOCH, base_of_responses(cases[n].head)) for n in self._partitions}

    def _time_limits(self, chosen: Collection[str]) -> dict[int, int] | None:
        """Return the time, in ms, up to which hours were reported, by partition of segments; None if that is not known.

        It comes from an intact table. Hours that it has reported or learned are not reported again, and no other hours
        count as reported.
        """
        if SEGMENTS not in chosen:
            return reported_until(state.rows for state in self._found[SEGMENTS].partitions)
        if WATCHES not in chosen:
            return learned_until(self._found[WATCHES].partitions[0].rows)
        return None

    def _report_deleted_answers(self, contacts: Found, stops: Mapping[int, int], bases: Mapping[int, int]) -> None:
        """Say a line if some responses were deleted."""
        gone = [n for n in self._partitions if (contacts.begins[n] > 0 and stops[n]) or bases[n]]
        if gone:
            self._say(
                f"{self._topic(events.RESPONSES)}: the first answers do not exist any more in partitions "
                f"{_listed(gone)}: retention has deleted them, or the topic was created again. So customers' histories "
                "and all-time windows begin with the answers that are left"
            )

    async def _day_of_next(self, topic: str, position: Mapping[int, int], stops: Mapping[int, int]) -> int:
        """Return the end of the day, in ms, of the earliest record that comes next in any partition.

        `position`: by partition, the offset of the next record; `stops`: the offset at which the rebuild ends.
        """
        spans = {n: (position[n], position[n] + 1) for n in self._partitions if position[n] < stops[n]}
        times: list[int] = []
        async with aclosing(self._reader.read(topic, spans)) as pieces:
            async for records in pieces:
                times += [record.timestamp for record in records]
        # A partition in which this offset is missing, as around transactions, has no part in this.
        return (min(times) // DAY + 1) * DAY if times else _NO_MORE

    async def _ends_of_day(
        self, topic: str, time: int, position: Mapping[int, int], stops: Mapping[int, int]
    ) -> dict[int, int]:
        """Return the offset of each partition's first record of a time or later, between its position and its stop."""
        later = await self._reader.from_time(topic, self._partitions, time)
        return {n: max(position[n], min(stops[n], later.get(n, stops[n]))) for n in self._partitions}

    async def _count_applied(
        self, answers: Answers, tree: Tree, stops: Mapping[int, int], bases: Mapping[int, int], newest: int
    ) -> None:
        """Count the responses beyond the stops that were counted before a crash: see `applied_until`."""
        contacts, topic = self._found[CONTACTS], self._topic(events.RESPONSES)
        spans: dict[int, Span] = {n: (stops[n], contacts.ends[n]) for n in self._partitions}
        until = {n: applied_until(contacts.partitions[n].rows) for n in self._partitions}
        async with aclosing(self._reader.read(topic, spans)) as pieces:
            async for records in pieces:
                if records:
                    partition = records[0].partition
                    counted = [one for one in _rebased(records, bases) if one.offset <= until[partition]]
                    tree.take(answers.take(partition, counted), newest)

    async def _read_alerts(self, takers: Collection[Callable[[Iterable[Record]], None]]) -> None:
        """Read the alerts topic, and give its records to each of the takers."""
        topic = self._topic(events.ALERTS)
        spans = await self._spans(topic)
        progress = Progress("alerts", offsets_in(spans.values()), self._say)
        async with aclosing(self._reader.read(topic, spans)) as pieces:
            async for records in pieces:
                for take in takers:
                    take(records)
                progress.count(len(records))

    async def _from_alerts(self, table: str, mail_days: float, plans: Rebuilt | None) -> Rebuilt:
        """Plan the mails of a channel again. `plans`: the plans of receivers if they are rebuilt, too."""
        alerts, planner = self._found[table], self._settings.planner(_OUTBOXES[table])
        at = PLANS_OF[table]
        spread = Spread(self._kafka.partitions, self._owner, at.topic)
        arrived = [state.head for state in self._found[at.table].partitions] if plans is None else plans.heads
        # The plans drop notices that are not later than those that have arrived.
        bases = {n: base_of_moved(n, arrived) for n in self._partitions}

        def begun(partition: int, oldest: int, now: int) -> Mails:
            return Mails(planner, alerts.committed.get(partition, 0) + bases[partition], oldest, now, spread)

        done = await self._planned_again(table, mail_days, alerts.ends, begun, bases)
        heads = [Head(alerts.ends[n] - 1 + bases[n], base=bases[n]) for n in self._partitions]
        return Rebuilt([mails.rows for mails in done], heads)

    async def _from_notices(self, table: str, mail_days: float) -> Rebuilt:
        """Plan the mails of receivers that have plans again, up to where the worker had planned them."""
        found, planner = self._found[table], self._settings.planner(_OUTBOXES[_OUTBOX_OF[table]])
        stops = {n: found.stands_at(n) for n in self._partitions}

        def begun(partition: int, oldest: int, now: int) -> PlannedMails:
            return PlannedMails(planner, stops[partition], oldest, now)

        done = await self._planned_again(table, mail_days, stops, begun, dict.fromkeys(self._partitions, 0))
        heads = [Head(stops[n] - 1, dict(done[n].arrived)) for n in self._partitions]
        return Rebuilt([mails.rows for mails in done], heads)

    async def _planned_again(
        self,
        table: str,
        mail_days: float,
        stops: Mapping[int, int],
        begun: Callable[[int, int, int], _Mails],
        bases: Mapping[int, int],
    ) -> list[_Mails]:
        """Plan the mails of a table again, up to `stops`, and take over from the delivery log what became of them.

        `begun` returns the mails of a partition, before anything is planned. Its other arguments are the time before
        which an alert is too old, and the time, in ms. `bases`: as Head.base, by partition.
        """
        topic, deliveries = self._topic(SOURCES[table]), self._topic(events.DELIVERIES)
        begins, now = self._found[table].begins, SystemClock().now()
        lines = await self._spans(deliveries)
        total = offsets_in(lines.values()) + offsets_in((begins[n], stops[n]) for n in self._partitions)
        progress = Progress(f"{SOURCES[table]} and the delivery log", total, self._say)
        done: list[_Mails] = []
        for partition in self._partitions:
            mails = begun(partition, now - int(mail_days * DAY), now)
            await self._each(deliveries, {partition: lines[partition]}, mails.learn, progress)
            take = partial(_take_rebased, mails, bases[partition])
            await self._each(topic, {partition: (begins[partition], stops[partition])}, take, progress)
            await self._publish(partition, mails)
            done.append(mails)
        progress.end()
        self._report_mails(table, done, mail_days)
        return done

    async def _publish(self, partition: int, mails: Mails) -> None:
        """Publish what is not on its topic yet. `partition`: that of the mails."""
        by_place: dict[tuple[str, int], list[Output]] = defaultdict(list)
        for output in mails.outputs:
            by_place[output.topic, partition if output.partition is None else output.partition].append(output)
        for (topic, to), outputs in sorted(by_place.items()):
            await self._writer.outputs(self._topic(topic), to, outputs)

    def _report_mails(self, table: str, done: Sequence[Mails], mail_days: float) -> None:
        settled, waiting, suppressed = (
            sum(getattr(mails, name) for mails in done) for name in ("settled", "waiting", "suppressed")
        )
        self._say(
            f"{table}: {settled:,} are settled, {waiting:,} wait to be sent, {suppressed:,} were cancelled because "
            f"their alerts are older than {mail_days:g} days"
        )

    async def _from_cases(self) -> Rebuilt:
        """Decide the topic of the cases again, up to where the worker had decided it.

        What comes after that, and the topic of the alerts, only say how the steps are numbered.
        """
        found, topic, settings = self._found[CASES], self._topic(events.CASES), self._settings
        stops = {n: found.stands_at(n) for n in self._partitions}
        alerts = self._topic(events.ALERTS)
        spans = await self._spans(alerts)
        total = offsets_in((found.begins[n], found.ends[n]) for n in stops) + offsets_in(spans.values())
        progress = Progress("cases and alerts", total, self._say)
        commands = self._topic(events.ALERT_COMMANDS)
        cases = [CasesAgain(commands, settings.cases, settings.intake, settings.service) for _ in self._partitions]
        for n in self._partitions:
            await self._each(topic, {n: (found.begins[n], stops[n])}, cases[n].take, progress)
            await self._each(topic, {n: (stops[n], found.ends[n])}, cases[n].look_ahead, progress)
            await self._each(alerts, {n: spans[n]}, cases[n].number_above, progress)
        progress.end()
        return Rebuilt([case.rows for case in cases], [cases[n].head(stops[n]) for n in self._partitions])

    def _from_commands(self, cases: Rebuilt | None) -> Rebuilt:
        """Return the head rows of the commands, which are all that this table has.

        `cases`: the table of the cases if it is rebuilt, too.
        """
        found = self._found[COMMANDS]
        arrived = [state.head for state in self._found[CASES].partitions] if cases is None else cases.heads
        bases = [base_of_moved(n, arrived) for n in self._partitions]
        heads = [Head(found.stands_at(n) - 1 + bases[n], base=bases[n]) for n in self._partitions]
        return Rebuilt([{} for _ in self._partitions], heads)

    async def _from_silences(self) -> Rebuilt:
        """Take the newest state of each silence from its topic."""
        found, topic = self._found[SILENCES], self._topic(events.SILENCES)
        spans = await self._spans(topic)
        progress = Progress("silences", offsets_in(spans.values()), self._say)
        again = [SilencesAgain() for _ in self._partitions]
        for n in self._partitions:
            await self._each(topic, {n: spans[n]}, again[n].take, progress)
        progress.end()
        return Rebuilt([one.rows for one in again], [Head(found.stands_at(n) - 1) for n in self._partitions])

    async def _from_parts(self) -> Rebuilt:
        """Put the parts of responses together again, up to where the worker had done so."""
        found, topic, settings = self._found[ANSWERS], self._topic(events.RESPONSE_PARTS), self._settings
        stops = {n: found.stands_at(n) for n in self._partitions}
        progress = Progress("parts", offsets_in((found.begins[n], stops[n]) for n in self._partitions), self._say)
        kept = settings.receive.parts_kept_days * DAY
        again = [PartsAgain(self._owner, kept, settings.intake) for _ in self._partitions]
        for n in self._partitions:
            await self._each(topic, {n: (found.begins[n], stops[n])}, again[n].take, progress)
        progress.end()
        heads = [Head(stops[n] - 1, latest_time=again[n].latest_time) for n in self._partitions]
        return Rebuilt([one.rows for one in again], heads)

    async def _spans(self, topic: str) -> dict[int, Span]:
        """Return the span of each partition of a topic, from the first offset that exists."""
        begins = await self._reader.starts(topic, self._partitions)
        ends = await self._reader.ends(topic, self._partitions)
        return {n: (begins[n], ends[n]) for n in self._partitions}

    async def _each(
        self, topic: str, spans: Mapping[int, Span], take: Callable[[Iterable[Record]], None], progress: Progress
    ) -> None:
        async with aclosing(self._reader.read(topic, spans)) as pieces:
            async for records in pieces:
                take(records)
                progress.count(len(records))

    async def _write(self, table: str, rebuilt: Rebuilt) -> None:
        """Write the rows of a table."""
        found = self._found[table]
        progress = Progress(f"rows of {table}", sum(map(len, rebuilt.rows)), self._say)
        for partition, state in enumerate(found.partitions):
            await self._writer.rows(self._changelog(table), partition, state, rebuilt.rows[partition], progress)
        progress.end()

    async def _finish(self, table: str, rebuilt: Rebuilt) -> None:
        """Write the head rows of a table, which say that it is complete."""
        logs = await source.read_logs(self._reader, self._topic(SOURCES[table]), dict(enumerate(rebuilt.heads)))
        assert logs is not None, "it was read just now"
        for partition, state in enumerate(self._found[table].partitions):
            marked_at = logs[partition].marked_at
            head = msgspec.structs.replace(rebuilt.heads[partition], marked_at=-1 if marked_at is None else marked_at)
            await self._writer.head(self._changelog(table), partition, state, head)

    def _topic(self, topic: str) -> str:
        return topics.topic_name(self._settings.topic_prefix, topic)

    def _changelog(self, table: str) -> str:
        return topics.changelog_name(self._settings.kafka.group, ROLES[table], table)


def _rebased(records: list[ConsumerRecord], bases: Mapping[int, int]) -> list[ConsumerRecord]:
    """Return records of one partition with the offsets that the core has for them (Head.base)."""
    base = bases[records[0].partition] if records else 0
    return [dataclasses.replace(record, offset=record.offset + base) for record in records] if base else records


def _take_rebased(mails: Mails, base: int, records: Iterable[Record]) -> None:
    """Give mails the records of a partition with the offsets that the core has for them (Head.base)."""
    taken = [*records]
    mails.take(_rebased(taken, {record.partition: base for record in taken}))


def _why_unused(table: str) -> str:
    return "no source sends parts of answers" if table == ANSWERS else f"{ROLES[table]}.endpoints is empty"


def _listed(partitions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(partitions)))


def _tick_times(time: int, limits: Mapping[int, int] | None, partitions: Iterable[int]) -> dict[int, int]:
    """Return the time of the tick that each partition of segments gets: `time`, but not beyond the partition's limit.

    `limits`: None if there are none. A partition that is not among the limits gets no tick.
    """
    if limits is None:
        return dict.fromkeys(partitions, time) if time else {}
    return {partition: min(time, limit) for partition, limit in limits.items()}
