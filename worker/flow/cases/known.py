"""A case with its customer, and which cases are more urgent than others."""

from typing import NamedTuple

from worker.flow.cases.case import Case

#: The severities, the most urgent one first.
SEVERITIES = ("critical", "error", "warning")


class KnownCase(NamedTuple):
    """A case and its customer."""

    customer_id: str
    case: Case
