"""What must hold whatever goes wrong, checked on the raw topics against an independent recount of the input.

I1  Every valid, distinct response is in the tables exactly once; every segment's every window equals the recount.
I2  Alerts and invitations are those of the recount; the copies of an event are equal, and replays explain their number.
I3  Every opened alert's mail was accepted, once more at most for each fault that leaves that open; nobody else's was.
    An alert that was withdrawn may have none, and a comment or a consent that came later may have one of its own.
I4  Dead letters are the invalid inputs, one each, with the reason expected.
I5  Committed offsets reach the end (World.caught_up), and never lie ahead of their state.
I6  What is watched over is what comes of the hours' topic, decided anew without a fault; and so are the incidents.
I7  Each alert has exactly one case. The cases are what comes of their topic, decided anew without a fault. No step of
    a case follows its end but a reopening or a note. Each command is answered once, and carried out if the answer says
    so, and only once.
I8  Reminders and escalations are those of a recount of the topic of the cases. None is behind an acknowledgement or an
    end in this log, and none happens twice.
I9  In worlds with several receivers, in place of I3: for each receiver, each opened alert is sent, listed in a digest,
    deferred, or refused with a reason, and only one of these. Each digest lists what the delivery log says, each notice
    once. Nothing comes more often than there are reasons, but for the copies that faults explain.
I10 What is published while the workers know of a silence does not come before it is over, and a digest then says which
    silence has held it back. A silence that is over holds back nothing that is published afterwards, and stays over.
    Each command about a silence is answered, and its state is that of the last command.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from chaos import cases, tables, time_limits, watched
from chaos.feed import recounted
from chaos.received_mails import ReceivedMail
from chaos.tables import Table
from integration.reading import read_topic
from integration.recount import Recount
from integration.sampling import Published

from worker.flow.cases.service import ServiceLevels

if TYPE_CHECKING:
    from chaos.closed_loop import ClosedLoop

Records = list["ConsumerRecord[bytes, bytes]"]
_EVENTS = (
    "alerts",
    "invitations",
    "decisions",
    "dead-letters",
    "scores",
    "alert-command-results",
    "recoveries",
    "deliveries",
    "silences",
    "silence-command-results",
)
#: The topics whose events a replay repeats exactly.
_REPEATED = (
    "alerts",
    "invitations",
    "decisions",
    "dead-letters",
    "alert-command-results",
    "recoveries",
    "silence-command-results",
)
#: The steps of alerts and incidents that are mailed (email.actions), but for the withdrawal, which not all have to get.
MAILED = frozenset({"opened", "resolved"})
#: The steps of cases that are mailed (email.case_actions).
MAILED_OF_CASES = ("acknowledged", "resolved", "reopened")
#: Reasons of updates that are mailed in any case, unless the alert's mail that still waits can say it.
MAILED_IN_ANY_CASE = frozenset({"comment_added", "comment_changed", "consent_changed"})
#: How many answers of a customer are remembered.
_HISTORY = 32
#: Table -> the role that keeps it, and the topic that it stands for.
TABLES = {
    "contacts": ("process", "responses"),
    "segments": ("process", "tallies"),
    "watches": ("process", "hours"),
    "commands": ("process", "alert-commands"),
    "cases": ("process", "cases"),
    "silences": ("process", "silence-commands"),
    "outbox": ("notify", "alerts"),
    "plans": ("notify", "notices"),
}


class Event(NamedTuple):
    """An event as its receivers get it. `at`: when it came to its topic, in ms."""

    id: str
    body: dict[str, Any]
    value: bytes
    at: int = 0


@dataclass
class Found:
    """What is on Kafka and in the mailbox.

    `hours`, `cases`: those topics, read after the tables, which therefore stand for nothing beyond.
    """

    partitions: int
    events: dict[str, list[Event]]
    hours: Records
    cases: Records
    tables: dict[str, Table]
    compacted: dict[str, Table]
    committed: dict[tuple[str, int], int]
    received: list[ReceivedMail]


@dataclass
class Allowed:
    """What the faults so far explain.

    `interruptions`: how often a worker was stopped in its work: each may repeat what was in hand. `ambiguous`: after
    how many mails, at most, nobody could know whether they had been accepted.
    """

    interruptions: int = 0
    ambiguous: int = 0


@dataclass
class Verdict:
    """`wrong` has a line for each thing that must hold and does not; `figures` are for the table."""

    wrong: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def differ(self, what: str, found: set[Any], expected: set[Any]) -> None:
        """Note it if two sets differ."""
        if found != expected:
            self.wrong.append(f"{what}: {len(expected - found)} missing, {len(found - expected)} too many")

    def equal(self, what: str, found: Any, expected: Any) -> None:
        """Note it if two values differ."""
        if found != expected:
            self.wrong.append(f"{what}: {found}, expected {expected}")


async def find(kafka: str, prefix: str, group: str, received: list[ReceivedMail], partitions: int) -> Found:
    """Read everything there is; the offsets first, as they follow the state, and workers go on meanwhile."""
    offsets = await committed(kafka, prefix, group)
    names = [f"{prefix}.{topic}" for topic in _EVENTS]
    names += [f"{group}-{role}-{table}-changelog" for table, (role, _) in TABLES.items()]
    read = await asyncio.gather(*(read_topic(kafka, name) for name in names))
    hours, log = await read_topic(kafka, f"{prefix}.hours"), await read_topic(kafka, f"{prefix}.cases")
    # By the ten thousand: the loop has mails to take and other faults' times to measure meanwhile.
    return await asyncio.to_thread(_found, partitions, read, (hours, log), offsets, received)


def _found(
    partitions: int,
    read: list[Records],
    sources: tuple[Records, Records],
    offsets: dict[tuple[str, int], int],
    received: list[ReceivedMail],
) -> Found:
    events = {topic: events_of(records) for topic, records in zip(_EVENTS, read, strict=False)}
    logs = dict(zip(TABLES, read[len(_EVENTS) :], strict=True))
    return Found(
        partitions,
        events,
        *sources,
        {table: tables.read(log) for table, log in logs.items()},
        {table: tables.read(tables.compacted(log)) for table, log in logs.items()},
        offsets,
        received,
    )


async def committed(kafka: str, prefix: str, group: str) -> dict[tuple[str, int], int]:
    """Return the committed offset of each partition that has one, by the topic's short name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return await committed_by(admin, prefix, group)
    finally:
        await admin.close()


async def committed_by(
    admin: AIOKafkaAdminClient, prefix: str, group: str, roles: Collection[str] = ("process", "notify")
) -> dict[tuple[str, int], int]:
    """Return the same as `committed`, from a client that is connected already."""
    found: dict[tuple[str, int], int] = {}
    for role in roles:
        offsets: dict[TopicPartition, Any] = await admin.list_consumer_group_offsets(f"{group}-{role}")
        for place, said in offsets.items():
            if said.offset >= 0:
                found[place.topic.removeprefix(f"{prefix}."), place.partition] = said.offset
    return found


def events_of(records: Records) -> list[Event]:
    """Return what a topic says, but for null values."""
    return [
        Event(dict(record.headers)["ce_id"].decode(), json.loads(record.value), record.value, record.timestamp)
        for record in records
        if record.value is not None
    ]


def check(
    published: list[Published],
    found: Found,
    allowed: Allowed,
    unwatched: Collection[bytes] = (),
    commands: int = 0,
    loop: "ClosedLoop | None" = None,
) -> Verdict:
    """Hold what was found against a recount of what was published.

    `unwatched`: keys of rows of the table of what is watched over that may differ from what the hours' topic says;
    `commands`: how many records with commands were published; `loop`: what has to come of alerts if there are several
    receivers.
    """
    verdict, recount = Verdict(), recounted(published)
    _check_tables(verdict, found, recount)
    _check_decisions(verdict, found, published, recount)
    _check_alerts(verdict, found, recount)
    _check_invitations(verdict, found, recount)
    _check_copies(verdict, found, allowed)
    _check_dead_letters(verdict, found, published)
    verdict.equal("I3 mails with a customer's markup", sum(mail.foreign for mail in found.received), 0)
    if loop is None:
        _check_mails(verdict, found, allowed)
    else:
        loop.check(verdict, found, allowed, recount.erased)
    _check_watched(verdict, found, unwatched)
    _check_cases(verdict, found, recount, commands, ServiceLevels() if loop is None else loop.service)
    levels = {} if loop is None else loop.levels
    decided = outcomes(found.events["alert-command-results"])
    verdict.wrong += time_limits.wrong(
        _steps_of_cases(found).values(), time_limits.recount(found.cases, decided, levels)
    )
    check_offsets(verdict, found)
    return verdict


def outcomes(answers: Collection[Event]) -> dict[str, str]:
    """Return what became of each command, by the id of its answer."""
    return {event.id: event.body["outcome"] for event in answers}


def _check_tables(verdict: Verdict, found: Found, recount: Recount) -> None:
    for title, held in (("tables", found.tables), ("tables, compacted", found.compacted)):
        ids = Counter(tables.responses(held["contacts"]))
        verdict.differ(f"I1 responses in the {title}", set(ids), _remembered(recount))
        verdict.equal(f"I1 responses twice in the {title}", sum(n > 1 for n in ids.values()), 0)
        windows = {
            path: {name: _classes(bins) for name, bins in of.items()}
            for path, of in tables.windows(held["segments"]).items()
        }
        _check_windows(verdict, title, windows, recount.windows(tables.ends(held["segments"])))
    published = {event.body["segment"]: event.body for event in found.events["scores"]}
    ends = {path: datetime.fromisoformat(body["as_of"]).timestamp() for path, body in published.items()}
    windows = {path: body["windows"] for path, body in published.items()}
    _check_windows(verdict, "published scores", windows, recount.windows(ends))


def _remembered(recount: Recount) -> set[str]:
    """Return the responses that customers' histories reach back to (history.answers); erased ones have none."""
    by_customer: dict[str, list[str]] = defaultdict(list)
    for response_id, event in recount.current.items():
        if event["customer_id"] not in recount.erased:
            by_customer[event["customer_id"]].append(response_id)
    return {response_id for ids in by_customer.values() for response_id in ids[-_HISTORY:]}


def _check_windows(verdict: Verdict, title: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    verdict.differ(f"I1 segments in the {title}", set(found), set(expected))
    for path in set(found) & set(expected):
        for name, counts in expected[path].items():
            window = found[path][name]
            verdict.equal(f"I1 {path or 'root'} {name} in the {title}", [window[c] for c in counts], [*counts.values()])


def _classes(bins: list[int]) -> dict[str, Any]:
    promoters, passives, detractors = sum(bins[9:]), sum(bins[7:9]), sum(bins[:7])
    n = promoters + passives + detractors
    nps = (promoters - detractors) * 100 / n if n else None
    return {"n": n, "promoters": promoters, "passives": passives, "detractors": detractors, "nps": nps}


def _check_decisions(verdict: Verdict, found: Found, published: list[Published], recount: Recount) -> None:
    decisions = {event.id: event.body for event in found.events["decisions"]}
    outcomes = Counter(body["outcome"] for body in decisions.values())
    valid = sum(record.reason is None for record in published)
    verdict.equal("I1 decisions", len(decisions), valid)
    verdict.equal("I1 erasures", outcomes["erased"], sum(record.value is None for record in published))
    verdict.equal("I1 responses dropped", outcomes["duplicate"] + outcomes["superseded"], recount.duplicates)


def _check_alerts(verdict: Verdict, found: Found, recount: Recount) -> None:
    alerts = [event.body for event in found.events["alerts"] if event.body["kind"] == "detractor"]
    verdict.differ("I2 alerts", {alert["response_id"] for alert in alerts}, recount.alerts)
    verdict.equal("I2 alert ids", len({alert["alert_id"] for alert in alerts}), len(recount.alerts))
    last: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        known = last.get(alert["response_id"])
        if known is None or alert["revision"] >= known["revision"]:
            last[alert["response_id"]] = alert
    over = {response for response, alert in last.items() if alert["action"] == "withdrawn"}
    happy = {r for r in recount.alerts if recount.current[r].get("test") or recount.current[r]["score"] > 6}
    verdict.differ("I2 alerts withdrawn", over, happy)


def _check_invitations(verdict: Verdict, found: Found, recount: Recount) -> None:
    invited = {(event.body["customer_id"], event.body["response_id"]) for event in found.events["invitations"]}
    verdict.differ("I2 invitations", invited, set(recount.invited.items()))
    verdict.equal("I2 invitation ids", len({event.id for event in found.events["invitations"]}), len(invited))


def _check_copies(verdict: Verdict, found: Found, allowed: Allowed) -> None:
    """A replay repeats an event exactly, and there are no more replays than there were interruptions."""
    distinct = records = 0
    for topic in _REPEATED:
        copies: dict[str, list[bytes]] = defaultdict(list)
        for event in found.events[topic]:
            copies[event.id].append(event.value)
        verdict.equal(f"I2 {topic} whose copies differ", sum(len(set(values)) > 1 for values in copies.values()), 0)
        most = max(map(len, copies.values()), default=1)
        if most > 1 + allowed.interruptions:
            verdict.wrong.append(f"I2 {topic}: {most} copies of one, with {allowed.interruptions} interruptions")
        distinct, records = distinct + len(copies), records + len(found.events[topic])
    verdict.figures["repeats"] = records / max(distinct, 1)


def _check_dead_letters(verdict: Verdict, found: Found, published: list[Published]) -> None:
    # Those of commands are compared with the answers to them.
    others = [e for e in found.events["dead-letters"] if not e.body["topic"].endswith(".alert-commands")]
    letters = {event.id: event.body["reason"] for event in others}
    expected = Counter(record.reason for record in published if record.reason)
    verdict.equal("I4 dead letters", Counter(letters.values()), expected)


def _check_mails(verdict: Verdict, found: Found, allowed: Allowed) -> None:
    least, most = expected_mails(found.events["alerts"])
    copies = Counter(mail.id for mail in found.received)
    mailed = Counter(mail.alert_id for mail in {mail.id: mail for mail in found.received}.values())
    verdict.equal("I3 alerts whose mails are too few", dict(least - mailed), {})
    verdict.equal("I3 mails for nobody", dict(mailed - most), {})
    extra = sum(copies.values()) - len(copies)
    if extra > allowed.ambiguous:
        verdict.wrong.append(f"I3 {extra} copies of mails, {allowed.ambiguous} explained")
    receivers = {mail.receivers for mail in found.received}
    verdict.equal("I3 mails to others", receivers - {("support@example.com",)}, set())
    verdict.figures["mails"] = len(copies)
    verdict.figures["extra mails"] = extra


def expected_mails(alerts: list[Event]) -> tuple["Counter[str]", "Counter[str]"]:
    """Return how many mails there must be at least of each alert and incident, and how many there may be."""
    least, most = Counter[str](), Counter[str]()
    for event in {event.id: event for event in alerts}.values():  # in the order of each step's first copy
        alert, action, is_case = event.body["alert_id"], event.body["action"], event.body.get("kind") == "case"
        if is_case and action in MAILED_OF_CASES and event.body["reason"] in {"command", "detractor_again"}:
            most[alert] += 1  # to those who have got the alert by then
        if action == "withdrawn":
            most[alert] += 1  # to those who have got the alert by then
        if action == "withdrawn" or (is_case and action == "resolved"):
            least[alert] = 0  # what waits is cancelled
        elif action in MAILED and not is_case:
            least[alert] += 1
            most[alert] += 1
        elif event.body["reason"] in MAILED_IN_ANY_CASE:
            most[alert] += 1
    return +least, most


def _check_watched(verdict: Verdict, found: Found, unwatched: Collection[bytes]) -> None:
    for title, held in (("table", found.tables["watches"]), ("table, compacted", found.compacted["watches"])):
        mark = held.marks.get(0, -1)
        rows = watched.replayed((record for record in found.hours if record.offset <= mark), found.partitions).rows
        keys = (rows.keys() | held.rows.keys()).difference(unwatched)
        differing = [key.decode() for key in keys if rows.get(key) != held.rows.get(key)]
        verdict.equal(f"I6 what is watched over in the {title}: segments that differ", sorted(differing), [])


def _steps_of_cases(found: Found) -> dict[str, dict[str, Any]]:
    return {event.id: event.body for event in found.events["alerts"] if event.body["kind"] == "case"}


def _check_cases(verdict: Verdict, found: Found, recount: Recount, commands: int, service: ServiceLevels) -> None:
    expected = {r for r in recount.alerts if recount.current[r]["customer_id"] not in recount.erased}
    for title, held in (("table", found.tables["cases"]), ("table, compacted", found.compacted["cases"])):
        ids = cases.responses(held.rows, recount.erased)
        verdict.differ(f"I7 cases in the {title}", set(ids), expected)
        verdict.equal(f"I7 alerts with several cases in the {title}", sum(n > 1 for n in ids.values()), 0)
        known = [record for record in found.cases if record.offset <= held.marks.get(record.partition, -1)]
        rows = cases.replayed(known, "alert-commands", service)
        differing = [key for key in rows.keys() | held.rows.keys() if rows.get(key) != held.rows.get(key)]
        verdict.equal(f"I7 customers whose cases in the {title} differ from their topic", len(differing), 0)
    steps = _steps_of_cases(found)
    verdict.equal("I7 steps of cases that are illegal", cases.illegal(steps.values()), [])
    resolved = {(s["alert_id"], s["opening"], s["occurred_at"]) for s in steps.values() if s["action"] == "resolved"}
    ends = [e.body for e in found.events["recoveries"] if e.body["reason"] == "resolved"]
    intervals = {(end["alert_id"], end["opening"], end["ended_at"]) for end in ends}
    verdict.differ("I7 intervals that were resolved", intervals, resolved)
    answers = {event.id: event.body for event in found.events["alert-command-results"]}
    verdict.equal("I7 answers", len(answers), commands)
    applied = {answer["command_id"] for answer in answers.values() if answer["outcome"] == "applied"}
    carried_out = {step["command_id"] for step in steps.values()} - {None}
    verdict.differ("I7 commands that were carried out", carried_out, applied)
    times = Counter(step["command_id"] for step in steps.values() if step["command_id"] is not None)
    verdict.equal("I7 commands that were carried out twice", sum(count > 1 for count in times.values()), 0)
    refused = sum(answer["outcome"] == "refused" for answer in answers.values())
    letters = {e.id for e in found.events["dead-letters"] if e.body["topic"].endswith(".alert-commands")}
    again = Counter(answer["command_id"] for answer in answers.values() if answer["outcome"] == "refused")
    verdict.equal("I7 dead letters of commands", len(letters), refused)
    verdict.figures["commands"] = commands
    verdict.figures["refused commands"] = len(again)


def check_incidents(found: Found) -> Verdict:
    """Hold incidents against those of the hours that were judged for certain, and of all hours."""
    verdict, told = (
        Verdict(),
        {e.id: e.value for e in found.events["alerts"] if e.body["kind"] not in {"detractor", "case"}},
    )
    mark = found.tables["watches"].marks.get(0, -1)
    judged = watched.replayed((record for record in found.hours if record.offset <= mark), found.partitions).incidents
    known = watched.replayed(found.hours, found.partitions).incidents
    verdict.equal("I6 incidents that are missing", sorted(judged.keys() - told.keys()), [])
    verdict.equal("I6 incidents that should not be", sorted(told.keys() - known.keys()), [])
    verdict.equal("I6 incidents that differ", sorted(step for step in judged if told.get(step) != judged[step]), [])
    return verdict


def check_offsets(verdict: Verdict, found: Found) -> None:
    """Note each committed offset whose state is not there: a record between the two would be lost."""
    for table, (_, topic) in TABLES.items():
        for (name, partition), offset in found.committed.items():
            mark = found.tables[table].marks.get(partition, -1)
            if name == topic and offset > mark + 1:
                verdict.wrong.append(f"I5 {topic} {partition}: {offset} is committed, its state stands at {mark}")
