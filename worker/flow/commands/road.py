"""The road of an alert command, from its record to the topic of the cases, where everything about a case has one order.

A command names its customer, so it reaches that customer's cases whatever its record's key is. The road keeps no rows:
the topic of the cases recognises a command that is moved twice because of a crash.
"""

from collections.abc import Callable, Iterable

from schemas.alert_command_result import CommandOutcome
from schemas.cloudevents import SPEC_VERSION
from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import Decided, Output, Place, Record
from worker.flow.dead_letter import KEY_BYTES, dead_letter_in_place
from worker.flow.messages import alert_command, case_log
from worker.flow.messages.alert_command import Answer
from worker.flow.policy import IntakePolicy
from worker.flow.record import header


def move(records: Iterable[Record], owner: Callable[[bytes], int], intake: IntakePolicy) -> Decided:
    """Move the valid commands of a batch to the partitions of their customers, and refuse the others.

    `owner` returns the partition of a customer's id.
    """
    outputs: list[Output] = []
    for record in records:
        try:
            outputs.append(_moved(record, owner))
        except Rejected as rejected:
            outputs += _refused(record, rejected, owner, intake)
    return Decided(outputs, {}, {})


def _moved(record: Record, owner: Callable[[bytes], int]) -> Output:
    version = header(record, "ce_specversion")
    if version is not None and version.decode(errors="replace") != SPEC_VERSION:
        raise Rejected(Reason.ENVELOPE_INVALID, f"ce_specversion: must be {SPEC_VERSION}")
    customer = alert_command.read(record.value).customer_id.encode()
    key = None if record.key is None else record.key[:KEY_BYTES]
    moved = case_log.MovedCommand(record.partition, record.offset, record.timestamp, key, record.value or b"")
    return case_log.output(customer, moved, owner(customer))


def _refused(record: Record, rejected: Rejected, owner: Callable[[bytes], int], intake: IntakePolicy) -> list[Output]:
    """Return the dead letter of a record, and its answer if the record says whose command it is."""
    letter = dead_letter_in_place(record, rejected, intake)
    ids = alert_command.ids_in(record.value)
    if ids is None:
        return [letter]
    refused = Answer(CommandOutcome.REFUSED, rejected=rejected)
    place, partition = Place(record.partition, record.offset), owner(ids.customer_id.encode())
    return [letter, alert_command.answer(ids, refused, place, record.timestamp, partition)]
