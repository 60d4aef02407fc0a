"""An independent recount of the raw input. It knows the contract and nothing of the worker's code."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

HOUR, DAY = 3_600, 86_400
#: Window name -> (bucket seconds, number of buckets).
SPANS = {"24h": (HOUR, 24), "7d": (DAY, 7), "30d": (DAY, 30), "90d": (DAY, 90), "365d": (DAY, 365)}


@dataclass
class Recount:
    """What must have happened, given the accepted responses in the order in which each customer's were published."""

    current: dict[str, dict[str, Any]] = field(default_factory=dict)
    duplicates: int = 0
    alerts: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    invited: dict[str, str] = field(default_factory=dict)
    newest: dict[str, float] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def take(self, event: dict[str, Any]) -> None:
        """Take in one valid response."""
        before = self.current.get(event["response_id"])
        if before is not None and event.get("revision", 0) <= before.get("revision", 0):
            self.duplicates += 1
            return
        self.current[event["response_id"]] = event
        if event.get("test"):
            return
        for path in lineage(event):
            self.newest[path] = max(self.newest.get(path, 0.0), seconds(event))
        if event["score"] <= 6:
            self.alerts.add(event["response_id"])
            self.withdrawn.discard(event["response_id"])
        elif before is not None and before["score"] <= 6:
            self.withdrawn.add(event["response_id"])
        person, agreed = event.get("customer", {}), event.get("consent", {})
        if event["score"] >= 9 and agreed.get("public_review") and person.get("email"):
            self.invited.setdefault(event["customer_id"], event["response_id"])

    def erase(self, customer_id: str) -> None:
        """Take in that a customer is erased, who does not answer again. Their answers stay in the counts."""
        self.erased.add(customer_id)

    def counted(self) -> list[dict[str, Any]]:
        """Return the answers that count, each in its latest revision."""
        return [event for event in self.current.values() if not event.get("test")]

    def windows(self, ends: Mapping[str, float] | None = None) -> dict[str, dict[str, dict[str, Any]]]:
        """Return, for each segment and survey that was ever touched, each window's counts and NPS.

        `ends`: where a segment's windows end, if ticks may have moved that beyond its newest answer.
        """
        members: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in self.counted():
            for path in lineage(event):
                members[path].append(event)
        ends = ends or {}
        return {path: _windows_of(members[path], max(end, ends.get(path, end))) for path, end in self.newest.items()}

    def latest_per_customer(self, ends: Mapping[str, float]) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the same for windows made of days, of each customer's latest answer only."""
        latest: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for event in sorted(self.counted(), key=lambda event: (seconds(event), event["response_id"])):
            for path in lineage(event):
                latest[path][event["customer_id"]] = event
        found = {
            path: _windows_of([*latest[path].values()], max(end, ends.get(path, end)))
            for path, end in self.newest.items()
        }
        return {
            path: {name: windows[name] for name in ("all", "30d", "90d", "365d")} for path, windows in found.items()
        }


def _windows_of(events: list[dict[str, Any]], end: float) -> dict[str, dict[str, Any]]:
    events = sorted(events, key=seconds)
    found = {"all": summary(events), "last_100": summary(events[-100:])}
    for name, (unit, length) in SPANS.items():
        oldest = end // unit - length + 1
        found[name] = summary([event for event in events if seconds(event) // unit >= oldest])
    return found


def lineage(event: dict[str, Any]) -> list[str]:
    """Return the event's segment, all its ancestors, and its survey."""
    names = event.get("segment", [])
    return [*("/".join(names[:depth]) for depth in range(len(names) + 1)), f"/survey/{event['survey_id']}"]


def seconds(event: dict[str, Any]) -> float:
    """Return when it was answered."""
    return datetime.fromisoformat(event["responded_at"]).timestamp()


def summary(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return counts and NPS."""
    scores = [event["score"] for event in events]
    promoters = sum(score >= 9 for score in scores)
    detractors = sum(score <= 6 for score in scores)
    n = len(scores)
    return {
        "n": n,
        "promoters": promoters,
        "passives": n - promoters - detractors,
        "detractors": detractors,
        "nps": (promoters - detractors) * 100 / n if n else None,
    }


def recount_lines(lines: list[bytes], valid: set[int]) -> Recount:
    """Recount the lines whose numbers are in `valid`."""
    recount = Recount()
    for number, line in enumerate(lines):
        if number in valid:
            event = json.loads(line)
            recount.take(event.get("data", event))
    return recount
