"""Fourteen ways in which a mail server fails, on a real one, with the worker's waits on a clock that the harness moves.

With some of them the server says something about a mail, or leaves open what became of it: each mail has its own
backoff. With the others no mail can be sent at all: then mails wait for the server, tried one at a time.
"""

import asyncio
import logging
import random
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from aiokafka import AIOKafkaProducer
from chaos import saboteur
from chaos.clock import FakeClock
from chaos.fault_context import FaultContext, Trial
from chaos.world import patience
from pydantic import SecretStr

from worker.app import Worker, running
from worker.demo.backlog import Backlog
from worker.embedded.inbox import HOST, Answer, Cut, Drip, Inbox, Mail, Step
from worker.flow.policy import AlertPolicy
from worker.notify.channels.email.route import EmailRoute
from worker.notify.channels.email.smtp import SmtpSettings
from worker.roles.courier import Courier
from worker.settings import EmailSettings, KafkaSettings, Settings

#: How long a server may say nothing: where that is the fault; and elsewhere, where a busy machine must not be one.
_SILENCE_SECONDS, _TIMEOUT_SECONDS = 1.0, 60.0
#: Postfix's, as RetryPolicy has them, in ms.
_BACKOFF = (300_000, 600_000, 1_200_000)
#: How the waits of an outage grow, in ms.
_PROBES = (1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000)
_PASSWORD = "canary-5150"
_POLL_SECONDS = 0.01
_OTHERS = 20


class OneMail(NamedTuple):
    """A fault that strikes each mail by itself, so many times as it has answers.

    `others`: how many more mails come while those wait, and go out at once.
    """

    step: Step
    answers: Callable[[random.Random], list[Answer]]
    reason: str
    accepted: bool = True
    alarm: bool = False
    others: int = 0


def _some(answer: Answer, *others: Answer) -> Callable[[random.Random], list[Answer]]:
    return lambda rng: [rng.choice((answer, *others)) for _ in range(rng.randrange(1, 4))]


ONE_MAIL = {
    "450": OneMail(Step.RCPT, _some("450 4.2.1 later"), "smtp_450"),
    "451_after_data": OneMail(Step.DATA, _some("451 4.3.0 later"), "smtp_451"),
    "550": OneMail(Step.RCPT, lambda _: ["550 5.1.1 nobody"] * 1_000, "smtp_550", accepted=False, alarm=True),
    "554": OneMail(Step.DATA, lambda _: ["554 5.7.1 spam"] * 1_000, "smtp_554", accepted=False, alarm=True),
    "drop_after_data": OneMail(Step.DATA, _some(Cut.LOST, Cut.KEPT), "disconnected"),
    "drop_inside_data": OneMail(Step.CONTENT, _some(Cut.LOST), "disconnected"),
    "530_for_one": OneMail(Step.RCPT, _some("530 5.7.0 not to him"), "smtp_530", alarm=True, others=_OTHERS),
    "421_at_data": OneMail(Step.DATA, _some("421 4.3.2 not this one"), "smtp_421", others=_OTHERS),
    "slow_drip": OneMail(Step.DATA, _some(Drip(b"250 2.0.0 OK\r\n", 0.5)), "timeout"),
}
#: In make test, tests of the courier try these.
NOT_IN_SHORT = frozenset({"530_for_one", "421_at_data"})


class TheServer(NamedTuple):
    """A fault of the server itself: what the worker says of it."""

    reason: str
    alarm: bool = False
    tls: bool = False


THE_SERVER = {
    "refused": TheServer("refused"),
    "timeout": TheServer("timeout"),
    "no_starttls": TheServer("starttls_missing", alarm=True, tls=True),
    "bad_certificate": TheServer("tls_failed", alarm=True, tls=True),
    "auth_refused": TheServer("auth_refused", alarm=True, tls=True),
}


@dataclass
class Seen:
    """What the server was asked, by receiver; each mail of these faults has a receiver of its own."""

    clock: FakeClock
    step: Step = Step.RCPT
    plan: dict[str, deque[Answer]] = field(default_factory=dict)
    attempts: dict[str, list[int]] = field(default_factory=dict)
    plain: int = 0
    begun: int = 0
    probes: list[int] = field(default_factory=list)
    silent: bool = False

    async def __call__(self, step: Step, mail: Mail) -> Answer:
        if step is Step.CONNECT:
            self.probes.append(self.clock.now())
            if self.silent:
                await asyncio.get_running_loop().create_future()
        if step is Step.MAIL:
            self.begun += 1
            self.plain += not mail.encrypted
        if step is not self.step:
            return None
        receiver = mail.recipients[-1]
        self.attempts.setdefault(receiver, []).append(self.clock.now())
        plan = self.plan.get(receiver)
        return plan.popleft() if plan else None


class Log(logging.Handler):
    """Keeps what the courier says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.said.append((record.levelno, record.getMessage()))

    def levels(self, reason: str) -> set[int]:
        """Return at which levels a reason was named."""
        return {level for level, text in self.said if text.endswith(f": {reason}") or f": {reason};" in text}


@dataclass
class Office:
    """A running worker, its clock, and what it says."""

    settings: Settings
    worker: Worker
    backlog: Backlog
    producer: AIOKafkaProducer
    clock: FakeClock
    log: Log

    async def publish(self, numbers: Iterable[int]) -> None:
        """Have alerts raised, each for a receiver of its own as far as there are routes."""
        for number in numbers:
            value = (
                f'{{"response_id":"r-{number}","survey_id":"s","customer_id":"c-{number}","score":3,'
                f'"responded_at":"2025-06-01T10:00:00Z","segment":["s{number}"]}}'
            )
            topic = f"{self.settings.topic_prefix}.responses"
            await self.producer.send(topic, value.encode(), key=f"c-{number}".encode())
        await self.producer.flush()
        async with patience("the alerts to be planned"):
            while await self.backlog.behind() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event
                await asyncio.sleep(_POLL_SECONDS)

    async def rest(self) -> int | None:
        """Wait until nothing is to be done now; return when something will be, None if nothing is left."""
        courier = self.worker.of(Courier)["notify"]
        async with patience("the courier to rest"):
            while True:
                until = courier.idle_until
                if until is not None and until > self.clock.now():
                    return until
                if until is None and courier.pending == 0:
                    return None
                await asyncio.sleep(_POLL_SECONDS)


def _patience(fault: str) -> float:
    """Return how long the worker waits for a word of the server."""
    return _SILENCE_SECONDS if fault == "timeout" else _TIMEOUT_SECONDS


def receiver(number: int) -> str:
    """Return the receiver of the mail with this number."""
    return f"desk{number}@example.com"


@asynccontextmanager
async def _office(context: FaultContext, smtp: SmtpSettings, mails: int, clock: FakeClock) -> AsyncIterator[Office]:
    name = context.fault.replace("_", "-")
    routes = [EmailRoute(name=f"s{number}", segment=f"s{number}", to=[receiver(number)]) for number in range(mails)]
    settings = Settings.model_construct(
        topic_prefix=name,
        kafka=KafkaSettings(bootstrap_servers=context.kafka, group=name),
        smtp=smtp,
        alerts=AlertPolicy(max_age_days=36_500),  # the answers are of 2025
        email=EmailSettings(sender="nps@example.com", to=["rest@example.com"], routes=routes),
    )
    log, logger = Log(), logging.getLogger("worker.roles.trouble")
    logger.addHandler(log)
    producer = AIOKafkaProducer(bootstrap_servers=context.kafka)
    try:
        async with producer, running(settings, clock=clock) as worker, Backlog(settings, worker) as backlog:
            if context.bug is not None:
                saboteur.spoil_channel(context.bug, worker.of(Courier)["notify"])
            yield Office(settings, worker, backlog, producer, clock, log)
    finally:
        logger.removeHandler(log)


async def one_mail(context: FaultContext, trials: int, kind: OneMail) -> None:
    """Let the fault strike each of `trials` mails; each one is a trial."""
    clock = FakeClock()
    began = clock.now()
    seen = Seen(clock, kind.step)
    planned = {receiver(number): kind.answers(context.rng(number)) for number in range(trials)}
    seen.plan = {to: deque(answers) for to, answers in planned.items()}
    async with Inbox(behaviour=seen) as inbox:
        seconds = _patience(kind.reason)
        smtp = SmtpSettings(
            host=HOST, port=inbox.port, tls="none", timeout_seconds=seconds, accept_timeout_seconds=seconds
        )
        async with _office(context, smtp, trials, clock) as office:
            await office.publish(range(trials))
            await office.rest()
            extra = trials + kind.others
            await office.publish(range(trials, extra))
            until = await office.rest()
            others = sum(mail.recipients == ("rest@example.com",) for mail in inbox.mails)
            while until is not None:
                if not kind.accepted and office.clock.now() > began + _BACKOFF[0]:
                    # A refusal for good is believed once the server has accepted another mail since.
                    await office.publish([extra])
                    extra += 1
                clock.move_to(until)
                until = await office.rest()
        for number in range(trials):
            async with context.trial(number) as trial:
                trial.expect("other mails accepted while these wait", others, kind.others)
                _check_one(trial, receiver(number), planned[receiver(number)], seen, inbox, kind)
                expected = {logging.ERROR if kind.alarm else logging.WARNING}
                trial.expect(f"log levels of {kind.reason}", office.log.levels(kind.reason), expected)


def _check_one(trial: Trial, to: str, answers: list[Answer], seen: Seen, inbox: Inbox, kind: OneMail) -> None:
    copies = [mail for mail in inbox.mails if mail.recipients == (to,)]
    kept = sum(answer is Cut.KEPT or isinstance(answer, Drip) for answer in answers)
    trial.expect(f"copies accepted for {to}", len(copies), kept + kind.accepted)
    trial.expect("different contents", len({mail.content for mail in copies}) <= 1, expected=True)
    times = seen.attempts[to]
    waits = [after - before for before, after in pairwise(times)]
    if kind.accepted:
        trial.expect("waits between attempts", waits, list(_BACKOFF[: len(answers)]))
    else:
        trial.expect("attempts enough to be sure", len(times) > 1, expected=True)


async def the_server(context: FaultContext, trials: int, kind: TheServer) -> None:
    """Let `trials` mails wait for a server that cannot be used, and then can."""
    clock = FakeClock()
    seen = Seen(clock)
    servers = _Servers(context.fault.removeprefix("smtp_"), seen, context.folder)
    async with servers.faulty() as port:
        async with _office(context, servers.settings(port), trials, clock) as office:
            await office.publish(range(trials))
            waits = []
            for _ in _PROBES:
                until = await office.rest()
                assert until is not None
                waits.append(until - clock.now())
                clock.move_to(until)
            await office.rest()
            begun = seen.begun
            async with servers.healed() as inbox:
                while (until := await office.rest()) is not None:
                    clock.move_to(until)
        copies = Counter(mail.recipients for mail in inbox.mails)
        for number in range(trials):
            async with context.trial(number) as trial:
                trial.expect("waits between probes", waits, list(_PROBES))
                trial.expect("mails begun with a server that cannot be used", begun, 0)
                trial.expect(f"copies accepted for {receiver(number)}", copies[receiver(number),], 1)
                trial.expect("mails in plain text", seen.plain, 0 if kind.tls else seen.begun)
                expected = {logging.ERROR if kind.alarm else logging.WARNING}
                trial.expect(f"log levels of {kind.reason}", office.log.levels(kind.reason), expected)
                trial.expect("secrets in the log", _PASSWORD in str(office.log.said), expected=False)


class _Servers:
    """The server as it fails, and as it is when somebody has put it right; on one port."""

    def __init__(self, kind: str, seen: Seen, folder: Path) -> None:
        self._kind = kind
        self._seen = seen
        self._authority = trustme.CA()
        self._cafile = folder / f"{kind}.pem"
        self._authority.cert_pem.write_to_path(str(self._cafile))
        self._failing: Inbox | None = None

    def settings(self, port: int) -> SmtpSettings:
        """Return the worker's settings, which are the same all the time."""
        options: dict[str, Any] = {"host": HOST, "port": port, "timeout_seconds": _patience(self._kind), "tls": "none"}
        if THE_SERVER[self._kind].tls:
            options |= {"tls": "starttls", "cafile": self._cafile}
        if self._kind == "auth_refused":
            options |= {"username": "nps", "password": SecretStr(_PASSWORD)}
        return SmtpSettings(**options)

    @asynccontextmanager
    async def faulty(self) -> AsyncIterator[int]:
        """Run it as it fails; yield its port."""
        options: dict[str, Any] = {}
        if self._kind == "bad_certificate":
            options = {"tls": _context(trustme.CA())}
        elif self._kind == "auth_refused":
            options = {"tls": _context(self._authority), "credentials": ("nps", "another")}
        self._seen.silent = self._kind == "timeout"
        self._failing = Inbox(behaviour=self._seen, **options)
        await self._failing.start()
        if self._kind == "refused":
            await self._failing.stop()
        try:
            yield self._failing.port
        finally:
            await self._failing.stop()

    @asynccontextmanager
    async def healed(self) -> AsyncIterator[Inbox]:
        """Run it as it should be, in place of the other."""
        assert self._failing is not None
        await self._failing.stop()
        self._seen.silent = False
        options: dict[str, Any] = {}
        if THE_SERVER[self._kind].tls:
            options = {"tls": _context(self._authority), "require_starttls": True}
        if self._kind == "auth_refused":
            options["credentials"] = ("nps", _PASSWORD)
        async with Inbox(behaviour=self._seen, port=self._failing.port, **options) as inbox:
            yield inbox


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    return context
