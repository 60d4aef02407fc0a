"""The latest incidents, each with its steps: what fell, by how much, and whether it is over."""

from operator import attrgetter
from typing import NamedTuple

from schemas.incident import Incident, IncidentAction
from worker.board.newest import Bounds, Index, Kept, Newest, Page, page_of
from worker.board.visible import EVERYTHING, sees
from worker.flow.batch import Record
from worker.flow.timestamps import to_ms


class _Step(Kept):
    """A step of an incident. Decoded, it would take several times as much memory."""

    alert_id: str
    value: bytes
    #: The segments that the incident is about since this step.
    segments: tuple[str, ...]
    resolved: bool


class KnownIncident(NamedTuple):
    """An incident, as far as its steps are known, the oldest of which is the first."""

    steps: list[Incident]

    @property
    def newest(self) -> Incident:
        """The last step."""
        return self.steps[-1]

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.newest.action != IncidentAction.RESOLVED

    @property
    def opened_at(self) -> int:
        """When its first known step was, in ms."""
        return to_ms(self.steps[0].occurred_at)

    @property
    def segments(self) -> list[str]:
        """The segments that it is about."""
        return [self.newest.segment, *self.newest.also]


class IncidentLog:
    """The incidents, as nps.alerts has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[_Step] = Newest(bounds or Bounds(), self._drop)
        self._of_incident: Index[_Step] = Index()

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in a step of an incident. If it is known already, since it was published again, nothing changes.

        Raise one of UNREADABLE if the record is none.
        """
        value = record.value or b""
        read = Incident.model_validate_json(value)
        step = _Step(
            (record.timestamp, record.partition, record.offset),
            len(value),
            read.alert_id,
            value,
            (read.segment, *read.also),
            read.action == IncidentAction.RESOLVED,
        )
        if any(known.value == value for known in self._of_incident.of(step.alert_id)):
            return
        self.version += 1
        self._of_incident.put(step.alert_id, step)
        self._newest.put(step)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def find(self, alert_id: str, visible: tuple[str, ...] = EVERYTHING) -> KnownIncident | None:
        """Return an incident; None if it is not known, or if it is not about the segments `visible`."""
        steps = self._of_incident.of(alert_id)
        return _known(steps) if steps and _may_see(steps[-1], visible) else None

    def segment_of(self, alert_id: str) -> str | None:
        """Return the segment that an incident is about; None if it is not known."""
        steps = self._of_incident.of(alert_id)
        return steps[-1].segments[0] if steps else None

    def open(self, visible: tuple[str, ...] = EVERYTHING) -> list[KnownIncident]:
        """Return the incidents that are open, the one that was opened last is the first."""
        steps = [step for step in self._last_steps(visible) if not step.resolved]
        found = [_known(self._of_incident.of(step.alert_id)) for step in steps]
        return sorted(found, key=attrgetter("opened_at"), reverse=True)

    def past(self, visible: tuple[str, ...] = EVERYTHING, after: str = "") -> Page[KnownIncident]:
        """Return a page of the incidents that are over, the one that ended last is the first."""
        page = page_of([step for step in self._last_steps(visible) if step.resolved], after)
        return Page([_known(self._of_incident.of(step.alert_id)) for step in page.entries], page.total, page.next)

    def of_segment(
        self, segment: str, since: int, most: int, visible: tuple[str, ...] = EVERYTHING
    ) -> tuple[list[KnownIncident], int]:
        """Return incidents about a segment itself that were not over before a time, in ms, and how many there are.

        Of these, at most `most` are returned, the oldest one first: those that are open, and those that ended last.
        """
        last = [step for step in self._last_steps(visible) if segment in step.segments]
        steps = [step for step in last if not step.resolved or step.at >= since]
        chosen = sorted(steps, key=attrgetter("resolved"))[:most]
        found = [_known(self._of_incident.of(step.alert_id)) for step in chosen]
        return sorted(found, key=lambda each: (each.opened_at, each.newest.alert_id)), len(steps)

    def _last_steps(self, visible: tuple[str, ...]) -> list[_Step]:
        """Return the last step of each incident that a person may see, the newest one first."""
        found: dict[str, _Step] = {}
        for step in self._newest.newest_first():
            found.setdefault(step.alert_id, step)
        return [step for step in found.values() if _may_see(step, visible)]

    def _drop(self, step: _Step) -> None:
        self._of_incident.drop(step.alert_id, step)


def _known(steps: list[_Step]) -> KnownIncident:
    return KnownIncident([Incident.model_validate_json(step.value) for step in steps])


def _may_see(step: _Step, visible: tuple[str, ...]) -> bool:
    """Say whether a person may see an incident: all that it is about has to be visible."""
    return visible == EVERYTHING or all(sees(visible, segment) for segment in step.segments)
