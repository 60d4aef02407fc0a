"""The gate of the page to Kafka: commands are given and answered, and `nps.audit` says who has given them."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from schemas.audit import AuditAction
from worker.clock import Clock
from worker.errors import Unreachable
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.timestamps import rfc3339
from worker.kafka.producing import PublishAt
from worker.web.auditing import Audit, Entry
from worker.web.commanding import Commanding, Give
from worker.web.entrance import Visitor
from worker.web.gate import Given
from worker.web.visit import Visit

log = logging.getLogger(__name__)

#: How the commands were given.
VIA = "page"
#: What the commands are about, for the log.
_ABOUT: Mapping[AuditAction, str] = {AuditAction.ALERT_COMMAND: "alert", AuditAction.SILENCE_COMMAND: "silence"}
#: How long a corrected record may take until Kafka has acknowledged it, in seconds.
_PUBLISH_SECONDS = 10.0


class KafkaGate:
    """Gives the commands of one visitor (gate.py)."""

    def __init__(self, shared: "Giving", visitor: Visitor) -> None:
        self._shared = shared
        self._visitor = visitor

    async def on_case(self, visit: Visit, command: dict[str, Any]) -> Given:
        """Give a command about an alert."""
        about, action = str(command["alert_id"]), AuditAction.ALERT_COMMAND
        return await self._shared.command(visit, self._visitor, command, action, about)

    async def on_silence(self, visit: Visit, command: dict[str, Any]) -> Given:
        """Give a command about a silence."""
        about, action = str(command["silence_id"]), AuditAction.SILENCE_COMMAND
        return await self._shared.command(visit, self._visitor, command, action, about)

    async def send_again(self, visit: Visit, *, letter: str, customer_id: str, value: bytes) -> Given:
        """Publish the corrected value of a dead letter as a response."""
        del visit
        return await self._shared.send_again(
            self._visitor, letter, Output(events.RESPONSES, customer_id.encode(), value)
        )


class Giving:
    """What the gates of all visitors share."""

    def __init__(
        self, give_on_case: Give, give_on_silence: Give, publish: PublishAt, audit: Audit, clock: Clock
    ) -> None:
        self._give: Mapping[AuditAction, Give] = {
            AuditAction.ALERT_COMMAND: give_on_case,
            AuditAction.SILENCE_COMMAND: give_on_silence,
        }
        self._publish = publish
        self._audit = audit
        self._clock = clock
        self._commanding = Commanding()

    def gate(self, visitor: Visitor) -> KafkaGate:
        """Return the gate of a visitor."""
        return KafkaGate(self, visitor)

    async def command(
        self, visit: Visit, visitor: Visitor, command: dict[str, Any], action: AuditAction, about: str
    ) -> Given:
        """Give a command, and write down who has given it and what became of it."""
        full = {
            "command_id": str(uuid4()),
            **command,
            "actor": visitor.person.name,
            "at": rfc3339(visit.now).decode(),
            "via": VIA,
        }
        given = await self._commanding.answered(self._give[action], full, f"{_ABOUT[action]} {about}")
        if given.outcome != "busy":
            entry = Entry(action, given.outcome, given.reason, about, str(full["action"]), full["command_id"])
            await self._audit.write(entry, visitor)
        return given

    async def send_again(self, visitor: Visitor, letter: str, output: Output) -> Given:
        """Publish a record, and write down who has done it."""
        try:
            [place] = await self._publish([output], _PUBLISH_SECONDS)
            given = Given("applied", place=place)
        except Unreachable as error:
            log.warning("a corrected dead letter may not have reached Kafka: %s", error)
            given = Given("unsure")
        await self._audit.write(Entry(AuditAction.SENT_AGAIN, given.outcome, about=letter), visitor)
        return given
