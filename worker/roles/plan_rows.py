"""The plans of receivers among the rows of their table, decoded once for all who look at them."""

from collections.abc import Mapping
from typing import Protocol

from worker.notify import receiver_plan
from worker.notify.receiver_plan import Plan
from worker.streams.observer import TableObserver


class PlanObserver(Protocol):
    """The methods by which an observer learns of plans."""

    def on_plan(self, partition: int, receiver: str, plan: Plan) -> None:
        """Note the plan of a receiver. It says nothing if its row was erased."""

    def forget(self) -> None:
        """Forget all plans: those of the partitions that this worker keeps are noted again after the take-over."""


class PlanRows(TableObserver):
    """Tells observers of the plans among the rows of a table."""

    def __init__(self, *observers: PlanObserver) -> None:
        self._observers = observers

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Tell the observers of the plans among these rows."""
        for key, row in rows.items():
            receiver = receiver_plan.receiver_of(key)
            if receiver is None:
                continue
            plan = Plan() if row is None else receiver_plan.decode(row)
            for one in self._observers:
                one.on_plan(partition, receiver, plan)

    async def on_revoked(self) -> None:
        """Let the observers forget everything."""
        for one in self._observers:
            one.forget()
