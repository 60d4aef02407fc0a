"""The records that the outcomes of a delivery become. Pure.

The HTTP server, the fetching of answers and the reading of foreign payloads publish these records. Everything that a
delivery causes is a function of the delivery, so a repeated delivery causes the same records, and their readers
recognise them.
"""

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


class Delivery(NamedTuple):
    """What arrived. `at`: when, in ms."""

    #: The name of the source.
    source: str
    body: bytes
    at: int


class Recorded(NamedTuple):
    """An outcome, and the record that it becomes; None if it becomes no record."""

    outcome: Outcome
    output: Output | None


def records(outcomes: Outcomes, delivery: Delivery, policy: IntakePolicy) -> list[Recorded]:
    """Return the outcomes of a delivery with their records, in the same order.

    A response that the worker's intake would refuse is refused here, for the same reason.
    """
    return [_recorded(outcome, number, delivery, policy) for number, outcome in enumerate(outcomes)]


def _recorded(outcome: Outcome, number: int, delivery: Delivery, policy: IntakePolicy) -> Recorded:
    if isinstance(outcome, Accepted):
        outcome = admitted(outcome, delivery.at, policy)
    if isinstance(outcome, Accepted):
        headers = [*outcome.headers, *source_headers(delivery.source)]
        return Recorded(outcome, Output(events.RESPONSES, outcome.key, outcome.value, headers))
    if isinstance(outcome, Part):
        part = ResponsePart(delivery.source, outcome.response_id, outcome.part, outcome.at, outcome.fields)
        return Recorded(outcome, response_part.output(part))
    if isinstance(outcome, Fetch):
        requests = {name: fetch_order.Request(get.path, get.query) for name, get in outcome.gets.items()}
        return Recorded(outcome, fetch_order.output(FetchOrder(delivery.source, requests, outcome.known)))
    if isinstance(outcome, Refused):
        rejected = Rejected(outcome.reason, outcome.detail)
        letter = dead_letter_of_delivery(delivery.source, delivery.body, number, rejected, delivery.at, policy)
        return Recorded(outcome, letter)
    return Recorded(outcome, None)
