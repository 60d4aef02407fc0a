"""The cases that the worker has, read from the changelog of their table."""

from collections.abc import Iterable
from typing import NamedTuple

from worker.flow.cases.case import Case, decode_cases, remaining
from worker.flow.cases.known import SEVERITIES, KnownCase
from worker.flow.policy import CasePolicy
from worker.kafka import changelogs, journal, reading
from worker.kafka.preflight import preflight
from worker.lineage import is_below
from worker.settings import KafkaSettings


class Filter(NamedTuple):
    """Which cases are wanted."""

    #: The states; empty for all.
    states: frozenset[str] = frozenset()
    #: The path of a segment that they are in or below; None for all.
    segment: str | None = None
    #: The severities; empty for all.
    severities: frozenset[str] = frozenset()
    #: Cases that were opened, or reopened for the last time, before this time, in ms.
    opened_before: int | None = None
    #: Cases that were opened, or reopened for the last time, at this time or later, in ms.
    opened_since: int | None = None
    #: Cases on which somebody should have acted at this time or earlier, in ms.
    due_by: int | None = None

    def takes(self, case: Case) -> bool:
        """Say whether a case is wanted."""
        return (
            (not self.states or case.state in self.states)
            and (self.segment is None or is_below(case.segment, self.segment))
            and (not self.severities or case.severity in self.severities)
            and (self.opened_before is None or case.opened_at < self.opened_before)
            and (self.opened_since is None or case.opened_at >= self.opened_since)
            and (self.due_by is None or (case.next_due is not None and case.next_due <= self.due_by))
        )


async def known_cases(kafka: KafkaSettings, changelog: str, policy: CasePolicy, now: int) -> list[KnownCase] | None:
    """Return all cases that are not forgotten at the time `now`, in ms; None if the changelog does not exist yet.

    Raise Unreachable or Refused if Kafka cannot be reached or does not let the worker in, KafkaError if it does not
    answer.
    """
    await preflight(kafka)
    async with reading.reader(kafka) as reader:
        partitions = await reader.partitions(changelog)
        if not partitions:
            return None
        states = await changelogs.states(reader, changelog, partitions)
    found = []
    for state in states.values():
        pieces = frozenset(journal.keys(state.rows))
        rows = ((key, row) for key, row in state.rows.items() if key not in pieces)
        for key, row in rows:
            found += [KnownCase(key.decode(), case) for case in remaining(decode_cases(row).cases, now, policy)]
    return found


def in_order(cases: Iterable[KnownCase]) -> list[KnownCase]:
    """Return cases in the order in which they are worked on: by severity, and then the one that was opened first."""
    return sorted(
        cases, key=lambda known: (SEVERITIES.index(known.case.severity), known.case.opened_at, known.case.alert_id)
    )


def beginning_with(cases: Iterable[KnownCase], beginning: str) -> list[KnownCase]:
    """Return the cases whose alert ids begin with a text; only the one whose id is equal to it, if there is one."""
    found = [known for known in cases if known.case.alert_id.startswith(beginning)]
    return [known for known in found if known.case.alert_id == beginning] or found
