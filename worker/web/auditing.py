"""Writing down on `nps.audit` who has done what on the page, and publishing what an action of the page publishes."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from schemas.audit import Audit as AuditEvent
from schemas.audit import AuditAction
from schemas.emitted import emitted
from worker.clock import Clock
from worker.errors import Unreachable
from worker.flow import events
from worker.flow.batch import Output, Place
from worker.flow.timestamps import from_ms, rfc3339
from worker.kafka import reading, topics
from worker.kafka.awaiting import when_it_exists
from worker.kafka.producing import Producing, Publish
from worker.service import Background
from worker.settings import Settings
from worker.web.entrance import Visitor

log = logging.getLogger(__name__)

_AUDIT = emitted(AuditEvent)
#: How long an entry may take until Kafka has acknowledged it, in seconds.
_SECONDS = 5.0
#: What is published: entries of the audit, and corrected dead letters.
_PUBLISHED = (events.AUDIT, events.RESPONSES)


class Publishing:
    """A service that publishes. It does not wait for Kafka at its start: pages are shown before Kafka answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producing: Producing | None = None
        self._connected = asyncio.Event()
        self._running = Background(self._run)

    @property
    def ready(self) -> bool:
        """Always true, since pages can be shown without it."""
        return True

    async def start(self) -> None:
        """Begin to connect."""
        await self._running.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._running.stop()
        self._connected.clear()
        producing, self._producing = self._producing, None
        if producing is not None:
            await producing.stop()

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._running.failure()

    async def publish(self, outputs: Sequence[Output], seconds: float) -> list[Place]:
        """Publish records, as `Producing.publish` does. Raise Unreachable if Kafka does not acknowledge in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._connected.wait()
        except TimeoutError:
            raise Unreachable("Kafka does not answer yet") from None
        assert self._producing is not None
        return await self._producing.publish(outputs, max(0.0, deadline - loop.time()))

    async def _run(self) -> None:
        """Connect once the topics exist, and raise the error by which publishing fails for good."""
        prefix = self._settings.topic_prefix
        kafka, topic = self._settings.kafka, topics.topic_name(prefix, events.AUDIT)
        producing = Producing(kafka, prefix, _PUBLISHED, await when_it_exists(kafka, topic, _number))
        self._producing = producing
        await producing.start()
        self._connected.set()
        await producing.failure()


async def _number(_: reading.Reader, partitions: set[int]) -> int:
    return len(partitions)


@dataclass(frozen=True)
class Entry:
    """What somebody has done, or was refused. The fields are those of schemas/audit.py."""

    action: AuditAction
    outcome: str = "applied"
    reason: str | None = None
    about: str | None = None
    command: str | None = None
    command_id: str | None = None


class Audit:
    """Writes entries."""

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish = publish
        self._clock = clock

    async def write(self, entry: Entry, visitor: Visitor) -> bool:
        """Write what a visitor has done; say whether Kafka has acknowledged it in time.

        If it has not, the entry may still be written once Kafka answers.
        """
        person = visitor.person
        return await self._write(
            entry, visitor.login, person.name, person.permission.name.lower(), visitor.public_session or None
        )

    async def write_refused(self, entry: Entry, login: str, name: str | None) -> bool:
        """Write that a login was refused. `name`: that of a person of the settings; None for any other name."""
        return await self._write(entry, login, name, None, None)

    async def _write(
        self, entry: Entry, login: str, actor: str | None, permission: str | None, session: str | None
    ) -> bool:
        now = self._clock.now()
        event = _AUDIT(
            audit_id=str(uuid4()),
            action=entry.action.value,
            at=from_ms(now),
            actor=actor,
            permission=permission,
            login=login,
            session=session,
            about=entry.about,
            command=entry.command,
            command_id=entry.command_id,
            outcome=entry.outcome,
            reason=entry.reason,
        )
        output = events.output(events.AUDITED, (session or "").encode(), event, event.audit_id, rfc3339(now))
        try:
            await self._publish([output], _SECONDS)
        except Unreachable as error:
            log.warning("%s: %s is not written on the topic of the audit yet", error, entry.action.value)
            return False
        return True
