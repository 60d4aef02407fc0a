"""Silences as those see them who send notices, without Kafka: a test adds and ends them."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flow.records import NOW

from schemas.silence import Silence, SilenceMatch
from worker.flow.timestamps import from_ms
from worker.notify.silenced import KnownSilences

DAY = 86_400_000


def silence(silence_id: str = "s-1", version: int = 1, **changes: Any) -> Silence:
    """Return a state of a silence, of which everything but the matchers is given; without any, of all warnings."""
    fields = {name: changes.pop(name) for name in [*changes] if name in SilenceMatch.model_fields}
    usual: dict[str, Any] = {
        "silence_id": silence_id,
        "version": version,
        "state": "ended" if "ended_at" in changes else "added",
        "match": SilenceMatch.model_validate_json(json.dumps(fields or {"severities": ["warning"]})),
        "until": NOW + DAY,
        "reason": "a strike",
        "created_by": "anna",
        "created_at": NOW,
        "changed_by": "anna",
        "changed_at": NOW,
    }
    given = usual | changes
    times = {name: from_ms(value) for name, value in given.items() if isinstance(value, int) and name != "version"}
    return Silence(**(given | times))


class Silencer:
    """The silences that a test makes (worker.roles.silences.Silences)."""

    def __init__(self) -> None:
        self.known = KnownSilences()
        self.caught_up = asyncio.Event()
        self.caught_up.set()
        self._observers: list[Callable[[str], None]] = []

    def observe(self, on_change: Callable[[str], None]) -> None:
        self._observers.append(on_change)

    def note(self, state: Silence) -> None:
        """Take in a state of a silence, and tell those who follow it, once all silences of the start are known."""
        changed = self.known.take(state.silence_id.encode(), state.model_dump_json().encode())
        if changed is not None and self.caught_up.is_set():
            for on_change in self._observers:
                on_change(changed)

    def end(self, at: datetime | int, silence_id: str = "s-1") -> None:
        """End a silence."""
        found = self.known.find(silence_id)
        assert found is not None
        when = at if isinstance(at, datetime) else from_ms(at)
        update = {"version": found.state.version + 1, "state": "ended", "ended_at": when}
        self.note(found.state.model_copy(update=update))
