"""The page with cases that change as the worker changes them: commands are carried out at once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flow.cases.following import CUSTOMER, Following, answers, moved, record, step
from flow.records import HOUR, NOW, Record
from web.board_rig import Answered, Rig

from schemas.alert_command_result import AlertCommandResult
from schemas.examples import ALERT
from worker.board.board import Board
from worker.board.cases import CaseBook
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.timestamps import rfc3339
from worker.links.settings import WebSettings
from worker.web.commanding import Answer
from worker.web.routes import ROUTES


class Desk:
    """The cases, and the page that shows them. One alert in fr/shop-3 was opened NOW, and it is an hour later."""

    def __init__(self, web: WebSettings | None = None, following: Following | None = None) -> None:
        self.following = following or Following()
        self.rig = Rig(web or WebSettings(), Board(cases=CaseBook(self.following.policy)), ROUTES)
        self.rig.clock.time = NOW + HOUR
        self.rig.give = self._give  # type: ignore[method-assign]
        self._sent = self._opened = self._said = 0

    def open(
        self,
        customer: bytes = CUSTOMER,
        comment: str | None = "The parcel was wet.",
        name: str | None = None,
        consent: Mapping[str, bool] | None = None,
        **changes: Any,
    ) -> "Desk":
        """Open an alert. `name`: that of the customer."""
        self._opened += 1
        found = step(self._opened, **changes)
        self.following.take(record(found, customer=customer))
        alert = {
            **ALERT,
            "alert_id": found.alert_id,
            "action": "opened",
            "customer_id": customer.decode(),
            "response_id": found.response_id,
            "segment": found.segment,
            "score": found.score,
            "severity": found.severity,
            "comment": comment,
            "occurred_at": rfc3339(found.at).decode(),
            "customer": {**ALERT["customer"], "name": name},
            "consent": ALERT["consent"] if consent is None else consent,
        }
        self._take(json.dumps(alert).encode(), customer, "nps.alert.v1")
        return self.renew()

    def say(self, command: dict[str, Any]) -> dict[str, Any]:
        """Give a command about a customer's case; return its answer."""
        self._said += 1
        at, customer = self.rig.clock.time, str(command["customer_id"]).encode()
        (answer,) = answers(self.following.take(record(moved(command, self._said, at=at), at, customer)))
        return answer

    def renew(self) -> "Desk":
        """Give the page what has changed."""
        board = self.rig.board
        for customer, row in self.following.rows.items():
            board.cases.take(customer, row)
        for output in self._news():
            if output.topic == events.ALERTS and output.value is not None:
                self._take(output.value, output.key or b"", "nps.case.v1")
        return self

    def _news(self) -> Sequence[Output]:
        news, self._sent = self.following.sent[self._sent :], len(self.following.sent)
        return news

    def _take(self, value: bytes, customer: bytes, kind: str) -> None:
        place = len(self.rig.board.alerts)
        taken = Record(
            value, customer, place, timestamp=NOW + place, headers=[("ce_type", kind.encode())], topic="nps.alerts"
        )
        self.rig.board.alerts.take(taken)

    async def _give(self, command: dict[str, Any]) -> Answer | None:
        self.rig.given.append(command)
        answer = self.say(command)
        self.renew()
        found = AlertCommandResult.model_validate(answer, strict=False)
        return Answered(found.outcome, found.reason)
