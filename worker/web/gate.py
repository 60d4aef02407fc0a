"""What an action of the page can do outside: give commands to the worker, and publish a corrected record."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from worker.flow.batch import Place
from worker.web.visit import Visit

#: What became of what a person wanted. 'applied', 'unchanged' and 'refused' are the worker's words. 'unanswered': it is
#: written, and no worker has answered in time; 'unsure': Kafka may or may not have it; 'busy': too many commands wait
#: for their answers, and nothing was written.
Outcome = Literal["applied", "unchanged", "refused", "unanswered", "unsure", "busy"]


@dataclass(frozen=True)
class Given:
    """The answer to what a person wanted."""

    outcome: Outcome
    #: Why it was refused, as a stable word of a dead letter (schemas.dead_letter.Reason); None if it was not.
    reason: str | None = None
    #: Where the record lies that was published; None if there is none.
    place: Place | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is now as the person wanted it."""
        return self.outcome in {"applied", "unchanged"}


class Gate(Protocol):
    """Gives commands, and writes down on `nps.audit` who has given them. No method raises an error of Kafka.

    The gate itself adds to a command who gives it, when and how: `command_id` (if there is none), `actor`, `at`, `via`.
    """

    async def on_case(self, visit: Visit, command: dict[str, Any]) -> Given:
        """Give a command about an alert (schemas.alert_command). It needs `alert_id`, `customer_id` and `action`."""

    async def on_silence(self, visit: Visit, command: dict[str, Any]) -> Given:
        """Give a command about a silence (schemas.silence_command). It needs `silence_id` and `action`."""

    async def send_again(self, visit: Visit, *, letter: str, customer_id: str, value: bytes) -> Given:
        """Publish the corrected value of a dead letter as a response.

        `letter`: what `nps.audit` names the dead letter by, such as its topic, partition and offset; `customer_id`: the
        key of the new record.
        """
