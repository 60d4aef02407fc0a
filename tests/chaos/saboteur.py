"""A worker with something wrong with it: `python -m chaos.saboteur run …` is `python -m worker run …`, but

- when it reaches a named step it signals itself, raises, or pauses, if the file CHAOS_ORDER asks for it;
- with CHAOS_BUG it has one of the bugs that the harness must find;
- its wall clock is wrong by the seconds in the file CHAOS_CLOCK;
- its produce batches are no larger than CHAOS_PRODUCE_BYTES;
- each of its batches of responses waits for the seconds in the file CHAOS_SLOWNESS before it is decided;
- with CHAOS_NO_TICKS it leaves it to others to say what time it is;
- it says so when a group has put it out, and when mails in hand are cut short: both may come again elsewhere;
- it says which silences it knows.

The worker itself has no switch for any of this: everything here reaches into it from outside.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from chaos import silence_steps

from schemas.case import CaseAction
from worker import cli
from worker.flow import events
from worker.flow.cases import road as cases
from worker.flow.cases.case import Case
from worker.flow.cases.service import TimerKind
from worker.flow.messages import tally
from worker.flow.responses import road
from worker.flow.responses.customer import Contact
from worker.kafka import asking, header_names, journal, topics
from worker.kafka.reading import Span
from worker.notify import planning, receiver_planning
from worker.notify.attempts import Fate
from worker.notify.channels.email import compose
from worker.notify.channels.email.channel import Email
from worker.notify.channels.email.smtp import EmailChannel
from worker.notify.channels.webhook.channel import Webhook
from worker.notify.digest import Digest
from worker.notify.holding import Holding
from worker.notify.schedule import MailRef
from worker.notify.silenced import KnownSilences
from worker.rebuild.mails import Mails
from worker.roles.courier import Courier
from worker.roles.silence_changes import SilenceChanges
from worker.roles.silences import FollowedSilences
from worker.roles.ticker import Ticker
from worker.roles.watermark import Watermark
from worker.streams import faust_app
from worker.streams.checkpoint import Checkpoint, Checkpoints
from worker.streams.fetching import Fetching
from worker.streams.lane import Lane
from worker.streams.membership import MemberThread
from worker.streams.ordered import OrderedConsumer
from worker.streams.sending import Sender
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

#: The steps of a batch, of a mail and of a case, in their order, at which a worker can be told to end. `rows_wait`: the
#: rows of several batches of a partition wait for a checkpoint.
ROWS_WAIT = "rows_wait"
STEPS = (
    "fetched",
    "validated",
    "outputs_sent",
    "outputs_acked",
    ROWS_WAIT,
    "rows_sent",
    "checkpoint_sent",
    "rows_acked",
    "before_commit",
    "after_commit",
    "mail_claimed",
    "mail_accepted",
    "case_decided",
)
#: The further steps of an alert that is followed until somebody acts. A notice is forwarded to the plan of its
#: receiver, and planned there; a digest is accepted by the mail server, and an event by its endpoint; a step of an
#: escalation is due, and the mails of a reminder are planned.
LOOP_STEPS = (
    "notice_forwarded",
    "notice_planned",
    "digest_accepted",
    "event_accepted",
    "escalation_due",
    "reminder_planned",
)
#: The steps of the command of a form in the role web: before and after its record is on Kafka.
COMMAND_GIVEN, COMMAND_WRITTEN = "command_given", "command_written"
#: What waits for a checkpoint is about to be written.
CHECKPOINT_DUE = "checkpoint_due"
#: How the changelog of the table is called whose rows wait for checkpoints: the end of its name.
_WAITS = "-contacts-changelog"
#: How the topic is called to which notices are forwarded: the end of its name.
_FORWARDED = f".{events.NOTICES}"
#: How many batches are several.
_SEVERAL = 3
#: How long checkpoints wait while this step is ordered, so that there are several batches on any machine; and so that
#: the time is over when a worker wakes that was stopped past its session.
_WAIT_SECONDS = 5.0
#: The fetcher of the records' way in looks what to ask the brokers for.
FETCHING = "fetching"
#: A produce batch of the table of what is watched over: one judgement may need several.
WATCHES_SENT = "watches_sent"
BUGS = (
    "dedup_off",
    "commit_before_flush",
    "commit_before_checkpoint",
    "exception_swallowed",
    "no_delivery_log",
    "autoescape_off",
    "rows_torn",
    "crash_unheard",
    "header_names_unguarded",
    "strays_unguarded",
    "refusal_is_outage",
    "logs_unchecked",
    "rebuild_mails_again",
    "markers_awaited",
    "acknowledgement_unheard",
    "commands_forgotten",
    "digest_short",
    "silence_revived",
    "silences_unawaited",
    "held_in_one_step",
    "silence_end_missed",
)
#: In place of a signal: the handler raises.
RAISE = "raise"
#: In place of a signal, where the worker waits anyway: it goes on after the delay.
PAUSE = "pause"
#: What it says, after the group's name, when the group has put it out, for want of heartbeats for instance.
PUT_OUT = "does not count this worker among its members any more"
#: And for each mail that was still in hand when there was no more time to wait for it. The name of its server follows.
CUT_SHORT = "a mail in hand was cut short"
#: And for results that are not written, since the worker has lost their partition. The number of them follows.
UNWRITTEN = "results were not written"
_CLOCK_READ_EVERY_SECONDS = 0.02

Reach = Callable[[str], float]
Wrapper = Callable[[Any], Any]


class Order(NamedTuple):
    """What to do when `step` is reached for the `nth` time from now, `delay` seconds after it."""

    step: str
    nth: int
    what: str
    delay: float = 0.0

    def give(self, path: Path) -> None:
        """Write it where the worker looks."""
        fresh = path.with_suffix(".new")
        fresh.write_text(" ".join(map(str, self)))
        fresh.replace(path)


class Orders:
    """Carries out the order in a file, once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reached = 0
        self._text = ""

    def are_for(self, step: str) -> bool:
        """Say whether something is ordered for a step."""
        try:
            return self._path.read_text().startswith(f"{step} ")
        except FileNotFoundError:
            return False

    def reach(self, step: str) -> float:
        """Be told that a step is reached; return for how many seconds to pause."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return 0.0
        if text != self._text:
            self._text, self._reached = text, 0
        ordered, nth, what, delay = text.split()
        if step != ordered:
            return 0.0
        self._reached += 1
        if self._reached < int(nth):
            return 0.0
        self._path.unlink()
        self._text = ""
        if what == PAUSE:
            return float(delay)
        if float(delay):
            asyncio.get_running_loop().call_later(float(delay), _do, what)
        else:
            _do(what)
        return 0.0


def _do(what: str) -> None:
    if what == RAISE:
        raise RuntimeError("a handler that raises, as ordered")
    os.kill(os.getpid(), signal.Signals[what])


def _around(owner: Any, name: str, wrapper: Wrapper) -> None:
    """Replace a function by what `wrapper` makes of it."""
    original = getattr(owner, name)
    _instead(owner, name, wraps(original)(wrapper(original)))


def _instead(owner: Any, name: str, function: Any) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, function)


def _before(reach: Reach, step: str) -> Wrapper:
    def wrapper(original: Any) -> Any:
        def called(*args: Any, **options: Any) -> Any:
            reach(step)
            return original(*args, **options)

        return called

    return wrapper


def _after(reach: Reach, step: str) -> Wrapper:
    def wrapper(original: Any) -> Any:
        def called(*args: Any, **options: Any) -> Any:
            found = original(*args, **options)
            reach(step)
            return found

        return called

    return wrapper


def _sent(reach: Reach) -> Wrapper:
    def wrapper(original: Any) -> Any:
        async def called(self: Any, batch: Any, topic: str, **options: Any) -> Any:
            future = await original(self, batch, topic, **options)
            if topic.endswith("-watches-changelog"):
                await asyncio.sleep(reach(WATCHES_SENT))
            if topic.endswith(_WAITS):
                await asyncio.sleep(reach("checkpoint_sent"))
            if topic.endswith(_FORWARDED):
                await asyncio.sleep(reach("notice_forwarded"))
            await asyncio.sleep(reach("rows_sent" if _is_changelog(topic) else "outputs_sent"))
            return future

        return called

    return wrapper


def _acked(reach: Reach) -> Wrapper:
    def wrapper(original: Any) -> Any:
        async def called(self: Any, batches: Iterable[Any]) -> Any:
            batches = list(batches)
            found = await original(self, batches)
            if any(silence_steps.is_state(topic) for topic, *_ in batches):
                reach(silence_steps.WRITTEN)
            if batches:
                await asyncio.sleep(reach("rows_acked" if _is_changelog(batches[0][0]) else "outputs_acked"))
            return found

        return called

    return wrapper


def _waiting(reach: Reach, waiting: Counter[int]) -> Wrapper:
    """Note that the rows of one more batch of a partition wait."""

    def wrapper(original: Any) -> Any:
        def called(self: DurableTable, partition: int, *args: Any) -> None:
            original(self, partition, *args)
            waiting[partition] += 1
            if waiting[partition] >= _SEVERAL:
                reach(ROWS_WAIT)

        return called

    return wrapper


def _held_back(orders: Orders) -> Wrapper:
    """Let checkpoints wait for longer while it is ordered that rows wait."""

    def wrapper(original: Any) -> Any:
        def called(self: Checkpoints, tp: Any, checkpoint: Checkpoint, *write: Any) -> None:
            held = checkpoint._replace(seconds=_WAIT_SECONDS) if orders.are_for(ROWS_WAIT) else checkpoint
            original(self, tp, held, *write)

        return called

    return wrapper


def _about_to_write(reach: Reach, waiting: Counter[int]) -> Wrapper:
    """Note that the rows that wait are about to be written."""

    def wrapper(original: Any) -> Any:
        async def called(self: DurableTable, partition: int, *args: Any) -> bool:
            if self.has_unsaved(partition):
                waiting[partition] = 0
                await asyncio.sleep(reach(CHECKPOINT_DUE))
            return bool(await original(self, partition, *args))

        return called

    return wrapper


def _around_awaited(reach: Reach, before: str, after: str) -> Wrapper:
    def wrapper(original: Any) -> Any:
        async def called(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(reach(before))
            found = await original(*args, **options)
            await asyncio.sleep(reach(after))
            return found

        return called

    return wrapper


def _after_sending(reach: Reach, step: str, kind: type = object) -> Wrapper:
    """Report that a channel has sent something of a kind."""

    def wrapper(original: Any) -> Any:
        async def called(self: Any, notice: Any, *args: Any) -> None:
            await original(self, notice, *args)
            if isinstance(notice, kind):
                await asyncio.sleep(reach(step))

        return called

    return wrapper


def _after_if(reach: Reach, step: str, concerns: Callable[..., bool]) -> Wrapper:
    """Report a step after calls of which `concerns` says so."""

    def wrapper(original: Any) -> Any:
        def called(*args: Any) -> Any:
            found = original(*args)
            if concerns(*args):
                reach(step)
            return found

        return called

    return wrapper


def obey(orders: Orders) -> None:
    """Have every step reported."""
    reach = orders.reach
    _around(Fetching, "_actions", _before(reach, FETCHING))
    _around(OrderedConsumer, "admit", _before(reach, "fetched"))
    _around(road, "decide", _after(reach, "validated"))
    _around(cases, "decide", _after(reach, "case_decided"))
    _around(AIOKafkaProducer, "send_batch", _sent(reach))
    _around(Sender, "send", _acked(reach))
    waiting = Counter[int]()
    _around(Checkpoints, "plan", _held_back(orders))
    _around(DurableTable, "change", _waiting(reach, waiting))
    _around(DurableTable, "write", _about_to_write(reach, waiting))
    _around(AIOKafkaConsumer, "commit", _around_awaited(reach, "before_commit", "after_commit"))
    _around(EmailChannel, "send", _around_awaited(reach, "mail_claimed", "mail_accepted"))
    _obey_in_the_loop(reach)


def _obey_in_the_loop(reach: Reach) -> None:
    """Have the steps reported of an alert that is followed until somebody acts."""
    _around(receiver_planning, "plan", _after(reach, "notice_planned"))
    _around(Email, "send", _after_sending(reach, "digest_accepted", Digest))
    _around(Webhook, "send", _after_sending(reach, "event_accepted"))
    _around(cases, "_timed", _after_if(reach, "escalation_due", lambda *args: args[2].kind is TimerKind.ESCALATE))
    is_reminder = _after_if(reach, "reminder_planned", lambda *args: args[0].action == CaseAction.REMINDED)
    _around(planning, "_plan_case_step", is_reminder)
    _around(asking, "_write", _around_awaited(reach, COMMAND_GIVEN, COMMAND_WRITTEN))
    silence_steps.obey(reach, _around)


def tell_interruptions() -> None:
    """Say what interrupts the work from outside: a replay is explained by it, and by nothing that the harness knows."""
    _around(GroupCoordinator, "reset_generation", _put_out)
    _around(Courier, "_finish", _cut_short)
    _around(Courier, "_write_down", _unwritten)


def _put_out(original: Any) -> Any:
    def called(self: GroupCoordinator) -> None:
        if self.generation > 0 and not self._closing.done():
            _say(f"{self.group_id} {PUT_OUT}")
        original(self)

    return called


def _cut_short(original: Any) -> Any:
    async def called(self: Courier, seconds: float) -> None:
        tasks = {task: self._servers.name_of(ref) for ref, task in self._in_flight.items()}
        await original(self, seconds)
        for task, server in tasks.items():
            if task.cancelled():
                _say(cut_short(server))

    return called


def cut_short(server: str) -> str:
    """Return what a worker says for each mail that was in hand at a server; the only server has an empty name."""
    return f"{CUT_SHORT} ({server})"


def _unwritten(original: Any) -> Any:
    async def called(self: Courier, partition: int, results: Any, generation: int) -> None:
        await original(self, partition, results, generation)
        if left := [ref for ref in results if ref in self._accepted]:
            _say(f"{UNWRITTEN}: {len(left)} of partition {partition}, generation {generation}")

    return called


def _say(line: str) -> None:
    print(f"chaos: {line}", file=sys.stderr, flush=True)


def _is_changelog(topic: str) -> bool:
    return topic.endswith("-changelog")


def _dedup_off() -> None:
    """A response that comes again is a new one."""
    _instead(Contact, "answer", lambda *_: None)


def _commit_before_flush() -> None:
    """What was fetched is committed, whether it is durable or not."""
    _instead(OrderedConsumer, "_new_offset", lambda self, tp: self._cursor.get(tp))


def _commit_before_checkpoint() -> None:
    """What is decided is committed, also while its rows wait for a checkpoint."""
    _instead(OrderedConsumer, "_new_offset", lambda self, tp: self._next.get(tp))


def _exception_swallowed() -> None:
    """A batch whose handler raises counts as done, as with Faust's own acks."""

    def wrapper(original: Any) -> Any:
        async def called(self: Lane, batch: Any, number: int, consumer: OrderedConsumer) -> None:
            try:
                await original(self, batch, number, consumer)
            except Exception:  # noqa: BLE001 - the bug
                consumer.decided(batch)
                consumer.done(batch)

        return called

    _around(Lane, "_run", wrapper)


def _no_delivery_log() -> None:
    """What came of a mail is remembered here and nowhere else."""

    async def forget(self: Courier, _number: int, outcomes: Iterable[MailRef], *_: Any) -> None:
        for ref in outcomes:
            self._servers.forget(ref)

    _instead(Courier, "_write_down", forget)


def _autoescape_off() -> None:
    """What customers write becomes part of the page."""
    compose._TEMPLATES = compose._TEMPLATES.overlay(autoescape=False)


def _rows_torn() -> None:
    """Rows that belong together are written one by one."""

    def wrapper(original: Any) -> Any:
        def called(self: DurableTable, *args: Any, **options: Any) -> None:
            original(self, *args, **options)
            self._atomic = False

        return called

    _around(DurableTable, "__init__", wrapper)


def _crash_unheard() -> None:
    """That the fetcher has crashed goes unheard: the worker stays in its group, and reads no more."""
    for who in (MemberThread, OrderedConsumer):
        _instead(who, "_on_fetching_end", lambda *_: None)


def _header_names_unguarded() -> None:
    """A header's name that is no UTF-8 is left to aiokafka, which raises."""
    _instead(header_names, "accept_any", lambda: None)


def _strays_unguarded() -> None:
    """What is no tally raises where tallies are read, and is no dead letter."""
    _instead(tally, "read", tally.decode)


def _refusal_is_outage(channel: Any = EmailChannel) -> None:
    """Whatever the server replies to one mail, the server counts as unavailable; `channel`: the only one, or all."""

    def wrapper(original: Any) -> Any:
        def called(*args: Any, **options: Any) -> Any:
            return original(*args, **{**options, "begun": False})

        return called

    _around(channel, "_failure", wrapper)


def _logs_unchecked() -> None:
    """Nobody compares a topic with the state that was made from it: one that was made anew is read on."""

    async def nothing_else(*_: Any) -> dict[Any, int]:
        return {}

    _instead(Shell, "check_logs", nothing_else)


def _rebuild_mails_again() -> None:
    """A rebuild plans every mail, and does not look which of them the delivery log has."""
    _instead(Mails, "_settle", lambda *_: None)


def _markers_awaited() -> None:
    """What is committed is held against where a partition ends, though no commit reaches beyond a marker."""

    async def are_apart(_: Watermark, spans: Mapping[int, Span]) -> bool:
        return bool(spans)

    _instead(Watermark, "_undecided", are_apart)


def _acknowledgement_unheard() -> None:
    """An acknowledgement does not stop an escalation."""

    def stop_timers(self: Case) -> None:
        if self.has_ended:
            self.timers = []

    def wrapper(original: Any) -> Any:
        def called(self: Case, timer: Any, now: int) -> bool:
            return timer.kind is TimerKind.ESCALATE or bool(original(self, timer, now))

        return called

    _instead(Case, "_stop_timers", stop_timers)
    _around(Case, "_has_to_happen", wrapper)


def _commands_forgotten() -> None:
    """A command that comes again is a new one."""
    _instead(Case, "known", lambda *_: None)


def _digest_short() -> None:
    """A digest leaves its last notice out, which counts as listed all the same."""

    def wrapper(original: Any) -> Any:
        async def called(self: Email, notice: Any, *args: Any) -> None:
            is_short = isinstance(notice, Digest) and len(notice.items) > 1
            await original(self, notice._replace(items=notice.items[:-1]) if is_short else notice, *args)

        return called

    _around(Email, "send", wrapper)


def _silence_revived() -> None:
    """What was written last about a silence counts, and not the highest version."""

    def wrapper(original: Any) -> Any:
        def called(self: KnownSilences, key: bytes, value: bytes | None) -> Any:
            self._known.pop(key.decode(), None)
            return original(self, key, value)

        return called

    _around(KnownSilences, "take", wrapper)


def _silences_unawaited() -> None:
    """Mails are sent before the silences are known."""

    async def nobody(_: Courier) -> None:
        """Wait for nothing."""

    _instead(Courier, "_wait_for_silences", nobody)


def _held_in_one_step() -> None:
    """What a silence holds back is handed over to a plan before its row says so."""

    def wrapper(original: Any) -> Any:
        def called(self: Holding, ref: MailRef, mail: Any, *args: Any) -> Any:
            found = original(self, ref, mail, *args)
            if found is None or found.fate is not Fate.MARK:
                return found
            mail.silence = found.hold.silence_id
            return original(self, ref, mail, *args)

        return called

    _around(Holding, "silenced", wrapper)


def _silence_end_missed() -> None:
    """A plan hears of the change of a silence only from a worker that sees the silence change."""
    changed = set[str]()

    def observed(original: Any) -> Any:
        def called(self: FollowedSilences, on_change: Callable[[str], None]) -> None:
            original(self, on_change)
            original(self, changed.add)

        return called

    def due(original: Any) -> Any:
        def called(self: SilenceChanges) -> Any:
            return [(partition, one) for partition, one in original(self) if one.silence_id in changed]

        return called

    _around(FollowedSilences, "observe", observed)
    _around(SilenceChanges, "_due", due)


def spoil_channel(bug: str, courier: Courier) -> None:
    """Give a bug of the channel to one courier alone, where others work in the same process."""
    assert bug == "refusal_is_outage"
    _refusal_is_outage(cast(Any, courier._channel)._server)


def produce_little(most: int) -> None:
    """Let produce batches take no more than so many bytes."""
    _instead(faust_app, "_PRODUCE_BYTES", most)
    _instead(journal, "LARGEST", most // 2)


def break_clock(path: Path) -> None:
    """Let the wall clock be wrong by the seconds in a file, which may change at any time."""
    true = time.time
    wrong, looked = 0.0, float("-inf")

    def now() -> float:
        nonlocal wrong, looked
        if time.monotonic() - looked > _CLOCK_READ_EVERY_SECONDS:
            looked = time.monotonic()
            wrong = float(path.read_text()) if path.exists() else 0.0
        return true() + wrong

    time.time = now


def slow_down(path: Path) -> None:
    """Let each batch of responses wait for the seconds in a file, which may come and change at any time."""

    def seconds() -> float:
        return float(path.read_text()) if path.exists() else 0.0

    def wrapper(original: Any) -> Any:
        async def called(self: Lane, message: Any) -> None:
            if message.value.tp.topic.endswith(f".{events.RESPONSES}"):
                await asyncio.sleep(seconds())
            await original(self, message)

        return called

    _around(Lane, "run", wrapper)


async def _never(_: Ticker) -> None:
    """Never tick."""


def main() -> int:
    """Install what is asked for, then be the worker."""
    tell_interruptions()
    silence_steps.tell_known(_say, _around)
    if order := os.environ.get("CHAOS_ORDER"):
        obey(Orders(Path(order)))
    if bug := os.environ.get("CHAOS_BUG"):
        assert bug in BUGS
        globals()[f"_{bug}"]()
    if most := os.environ.get("CHAOS_PRODUCE_BYTES"):
        produce_little(int(most))
    if os.environ.get("CHAOS_NO_TICKS"):
        _instead(Ticker, "run", _never)
        # Who ticks in its place stamps the ticks, so the broker must not.
        cast(Any, topics._NEEDS)[events.TALLIES] = {}
    if clock := os.environ.get("CHAOS_CLOCK"):
        break_clock(Path(clock))
    if slowness := os.environ.get("CHAOS_SLOWNESS"):
        slow_down(Path(slowness))
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
