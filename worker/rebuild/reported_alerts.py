"""The alerts that receivers have got about customers' answers, as the alerts topic has them.

An alert goes on from its last step. But the rules, and what ids are made of, may have changed after the alert was
opened. So the customers' rows that are made again take over the id and the state of each alert that was sent.
"""

from collections import defaultdict
from collections.abc import Iterable, MutableMapping
from typing import NamedTuple

import msgspec

from schemas.alert import AlertAction
from worker.flow.batch import Record
from worker.flow.ids import make_id
from worker.flow.responses.customer import CUSTOMER_AND_RESPONSE, RESPONSE_ALONE, Answer, Contact
from worker.flow.responses.rules.detractor_alert import RULE


class _Alert(msgspec.Struct):
    """The fields of an alert that are needed here. An incident has no response, and so cannot be decoded as one."""

    alert_id: str
    action: str
    response_id: str
    revision: int


class _Step(NamedTuple):
    revision: int
    alert_id: str
    is_open: bool


_decode_alert = msgspec.json.Decoder(_Alert).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Contact).decode


class ReportedAlerts:
    """The steps of the alerts that were sent about each customer's answers."""

    def __init__(self) -> None:
        self._steps: dict[bytes, dict[str, list[_Step]]] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the alerts topic, in their order; a null value erases a customer."""
        for record in records:
            key = record.key or b""
            if record.value is None:
                self._steps.pop(key, None)
                continue
            try:
                alert = _decode_alert(record.value)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # this is an incident, or somebody else has written it
            steps = self._steps.setdefault(key, defaultdict(list))
            steps[alert.response_id].append(
                _Step(alert.revision, alert.alert_id, alert.action != AlertAction.WITHDRAWN)
            )

    def correct(self, rows: MutableMapping[bytes, bytes]) -> None:
        """Bring the alerts of the answers in customers' rows in line with the steps that were sent."""
        for key in self._steps.keys() & rows.keys():
            contact = _decode(rows[key])
            for answer in contact.answers:
                self._correct(answer, key)
            rows[key] = _encode(contact)

    def _correct(self, answer: Answer, key: bytes) -> None:
        # Steps of a later revision than the row has are left out: the worker will decide and send them once more.
        steps = [step for step in self._steps[key].get(answer.response_id, ()) if step.revision <= answer.revision]
        if steps:
            alone = steps[-1].alert_id == make_id(RULE, answer.response_id)
            answer.scheme = RESPONSE_ALONE if alone else CUSTOMER_AND_RESPONSE
            answer.alerted = steps[-1].is_open
