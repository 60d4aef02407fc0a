"""Whether the worker would accept a value, which has not been published yet: what its intake says of such a record.

This is asked before a value is published, by whoever can still say what is wrong with it: the receiver, `receive test`,
`import` and `publish --check`.
"""

from worker.errors import Rejected
from worker.flow.batch import MemoryRecord
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.outcome import Accepted, Refused
from worker.flow.responses.intake import check_size, check_time, validate
from worker.flow.responses.plain import PlainResponse


def check(value: bytes, now: int, policy: IntakePolicy) -> tuple[PlainResponse, int]:
    """Return the response of a value that is published now, and when it was given, in ms.

    Raise Rejected with the reason if the worker would refuse it. `now`: in ms.
    """
    return validate(MemoryRecord("", 0, 0, now, None, value, ()), policy)


def admitted(outcome: Accepted, now: int, policy: IntakePolicy) -> Accepted | Refused:
    """Return an outcome as it is, or why the worker would refuse its record if it were published now, in ms.

    The adapters know neither the time nor the settings of the intake, so they let a value pass that is too large, or
    whose time lies in the future. Everything else is checked by them, so it is not checked again.
    """
    try:
        check_size(outcome.value, policy)
        check_time(outcome.given, now, policy)
    except Rejected as rejected:
        return Refused(rejected.reason, f"{outcome.place}{rejected.detail}")
    return outcome
