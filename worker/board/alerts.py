"""The latest alerts and the steps of their cases: what the customer has said, and who has done what, and when."""

import sys
import zlib
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from schemas import cloudevents
from schemas.alert import Alert
from schemas.case import CaseStep
from worker.board.newest import Bounds, Index, Kept, Newest
from worker.board.visible import EVERYTHING, sees
from worker.flow.batch import Record
from worker.flow.record import header

_ALERT, _CASE = cloudevents.ALERT.encode(), cloudevents.CASE.encode()


class _Step(Kept):
    """A step of an alert or of its case."""

    alert_id: str
    customer_id: str
    segment: str
    is_alert: bool
    #: The event, compressed: these are the largest of the many records that are kept.
    value: bytes


class _Read(msgspec.Struct, gc=False):
    """What both kinds of steps have."""

    alert_id: str
    customer_id: str
    segment: str


_read = msgspec.json.Decoder(_Read).decode


class AlertSteps(NamedTuple):
    """What is known of an alert and its case, the oldest step first."""

    alerts: list[Alert]
    case_steps: list[CaseStep]


class AlertLog:
    """The latest steps of alerts and cases, as nps.alerts has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[_Step] = Newest(bounds or Bounds(), self._drop)
        self._of_alert: Index[_Step] = Index()
        self._of_customer: Index[_Step] = Index()

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in a record of nps.alerts. Records of other kinds are left out. A null value erases the customer.

        Raise one of UNREADABLE if the record cannot be read.
        """
        if record.value is None:
            self.version += 1
            self._newest.remove(self._of_customer.of((record.key or b"").decode(errors="replace")))
            return
        kind = header(record, "ce_type")
        if kind not in {_ALERT, _CASE}:
            return
        read = _read(record.value)
        step = _Step(
            (record.timestamp, record.partition, record.offset),
            len(record.value),
            read.alert_id,
            read.customer_id,
            sys.intern(read.segment),
            kind == _ALERT,
            zlib.compress(record.value, zlib.Z_BEST_SPEED),
        )
        if any(known.value == step.value for known in self._of_alert.of(step.alert_id)):
            return  # it was published again
        self.version += 1
        self._of_alert.put(step.alert_id, step)
        self._of_customer.put(step.customer_id, step)
        self._newest.put(step)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def of_alert(self, alert_id: str) -> AlertSteps:
        """Return what is known of an alert and its case. Steps that are older than what is kept are missing.

        Steps that this version cannot read are left out as well.
        """
        found = AlertSteps([], [])
        for step in self._of_alert.of(alert_id):
            try:
                value = zlib.decompress(step.value)
                if step.is_alert:
                    found.alerts.append(Alert.model_validate_json(value))
                else:
                    found.case_steps.append(CaseStep.model_validate_json(value))
            except ValidationError:
                continue
        return found

    def newest(self, alert_id: str, visible: tuple[str, ...] = EVERYTHING) -> Alert | None:
        """Return the newest step of an alert in or below the segments `visible`; None if there is none to be read."""
        steps = reversed(self._of_alert.of(alert_id))
        step = next((one for one in steps if one.is_alert and sees(visible, one.segment)), None)
        try:
            return None if step is None else Alert.model_validate_json(zlib.decompress(step.value))
        except ValidationError:
            return None

    def segment_of(self, alert_id: str) -> str | None:
        """Return the segment of an alert; None if it is not known."""
        steps = self._of_alert.of(alert_id)
        return steps[-1].segment if steps else None

    def _drop(self, step: _Step) -> None:
        self._of_alert.drop(step.alert_id, step)
        self._of_customer.drop(step.customer_id, step)
