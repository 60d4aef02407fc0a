"""The records that the outcomes of a delivery become. Pure.

The HTTP server, the fetching of answers and the reading of foreign payloads publish these records. Everything that a
delivery causes is a function of the delivery, so a repeated delivery causes the same records, and their readers
recognise them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.dead_letter import dead_letter_of_delivery
from worker.flow.messages import fetch_order, response_part
from worker.flow.messages.fetch_order import FetchOrder
from worker.flow.messages.response_part import ResponsePart
from worker.flow.policy import IntakePolicy
from worker.flow.record import source_headers
from worker.flow.responses.admission import admitted
from worker.flow.responses.formats.outcome import Accepted, Fetch, Outcome, Outcomes, Part, Refused
from worker.flow.trace_context import context_headers

#: The largest number of reasons that one dead letter has.
_MOST_REASONS = 10


class Delivery(NamedTuple):
    """What arrived. `at`: when, in ms; `trace`: the trace that its request belongs to, as `trace_context` has it."""

    #: The name of the source.
    source: str
    body: bytes
    at: int
    trace: bytes | None = None


class Recorded(NamedTuple):
    """An outcome, and the record that it becomes; None if it becomes no record."""

    outcome: Outcome
    output: Output | None


def records(outcomes: Outcomes, delivery: Delivery, policy: IntakePolicy) -> list[Recorded]:
    """Return the outcomes of a delivery with their records, in the same order.

    A response that the worker's intake would refuse is refused here, for the same reason. All answers that are refused
    become one dead letter, which stands with the first of them: it has the whole body, however many they are.
    """
    found = accepted_records(outcomes, delivery, policy)
    rejected = rejection(found)
    if rejected is None:
        return found
    letter = dead_letter_of_delivery(delivery.source, delivery.body, rejected, delivery.at, policy)
    first = next(number for number, one in enumerate(found) if isinstance(one.outcome, Refused))
    return [*found[:first], found[first]._replace(output=letter), *found[first + 1 :]]


def accepted_records(outcomes: Outcomes, delivery: Delivery, policy: IntakePolicy) -> list[Recorded]:
    """Return the outcomes of a delivery as `records`, but without a dead letter."""
    return [_recorded(outcome, delivery, policy) for outcome in outcomes]


def rejection(recorded: Sequence[Recorded]) -> Rejected | None:
    """Return why answers of a delivery are refused, the first reasons of all; None if none is refused.

    Each of the reasons says of which answer, if the delivery has several.
    """
    reasons = [one.outcome for one in recorded if isinstance(one.outcome, Refused)]
    if not reasons:
        return None
    more = [f"and {len(reasons) - _MOST_REASONS:,} more"] if len(reasons) > _MOST_REASONS else []
    return Rejected(reasons[0].reason, "; ".join([*(one.detail for one in reasons[:_MOST_REASONS]), *more]))


def _recorded(outcome: Outcome, delivery: Delivery, policy: IntakePolicy) -> Recorded:
    if isinstance(outcome, Accepted):
        outcome = admitted(outcome, delivery.at, policy)
    if isinstance(outcome, Accepted):
        headers = [*outcome.headers, *source_headers(delivery.source), *context_headers(delivery.trace)]
        return Recorded(outcome, Output(events.RESPONSES, outcome.key, outcome.value, headers))
    if isinstance(outcome, Part):
        part = ResponsePart(delivery.source, outcome.response_id, outcome.part, outcome.at, outcome.fields)
        return Recorded(outcome, response_part.output(part))
    if isinstance(outcome, Fetch):
        return Recorded(outcome, fetch_order.output(FetchOrder(delivery.source, outcome.gets, outcome.known)))
    return Recorded(outcome, None)
