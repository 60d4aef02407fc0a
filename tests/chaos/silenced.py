"""What silences had to hold back, recounted by none of the worker's code.

The alerts on their topic say what there was to send, and when. The harness knows from when on each worker knew of a
silence, and when the silence was over. The mailbox and the endpoints say what has come, and when. That everything comes
once after the end is a part of the recount of notices (notified.py): a silence that is over is no reason to wait.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

from chaos.endpoints import Arrived
from chaos.notified import EMAIL, Receivers, Step, Target, id_for
from chaos.received_mails import ReceivedMail, SaidSilence
from msgspec import msgpack

SEVERITIES = ("warning", "error", "critical")
#: What is never held back: the end of an alert or an incident, and what people do about a case.
_NEVER_HELD = {"case": frozenset({"acknowledged", "assigned", "noted", "resolved", "reopened"})}
_ENDS = frozenset({"withdrawn", "resolved"})
#: Where the row of a silence has its version, and when somebody has ended it.
_VERSION, _ENDED_AT = 0, 8


@dataclass
class Silence:
    """A silence of all severities in a segment, and those below it. Times are in ms."""

    silence_id: str
    segment: str
    until: int
    actor: str = "ann"
    #: The version that the commands so far have made of it.
    version: int = 1
    #: When every worker knew it; what was published afterwards must not come before the end.
    known_at: float = inf
    #: When everything was decided that had been published before; it must have been held back.
    settled_at: float = 0
    #: When somebody was about to end it, or when its time comes if it is known that nobody ends it before.
    over_at: float = inf
    #: When every worker knew that it was over; it holds nothing back that was published afterwards.
    end_known_at: float = inf
    is_ended: bool = False

    @property
    def reason(self) -> str:
        """Why somebody wants it."""
        return f"The depot of {self.silence_id} is on strike."

    @property
    def waits_for(self) -> str:
        """For what a notice waits that it holds back, in the words of the recount of notices."""
        return f"silenced by {self.silence_id}"

    def add(self) -> tuple[bytes, bytes]:
        """Return the command that adds it, with its key."""
        return self._command(
            "add",
            match={"segment": self.segment, "severities": SEVERITIES},
            until=datetime.fromtimestamp(self.until / 1_000, UTC).isoformat(),
            reason=self.reason,
        )

    def shorten(self, until: int) -> tuple[bytes, bytes]:
        """Return the command by which it is over at a time, with its key."""
        self.version, self.until, self.over_at, self.end_known_at = self.version + 1, until, until, until
        return self.add()

    def end(self, now: int) -> tuple[bytes, bytes]:
        """Return the command that ends it now, with its key."""
        self.version, self.over_at, self.is_ended = self.version + 1, now, True
        return self._command("end")

    def _command(self, action: str, **more: Any) -> tuple[bytes, bytes]:
        command_id = f"{action}-{self.version}-{self.silence_id}"
        about = {"command_id": command_id, "silence_id": self.silence_id, "actor": self.actor}
        return self.silence_id.encode(), json.dumps({**about, "action": action, **more}).encode()

    def fits(self, steps: Iterable[Mapping[str, Any]]) -> bool:
        """Say whether all steps of an alert are of its segment: no correction has moved the alert elsewhere."""
        return all(f"{step['segment']}/".startswith(f"{self.segment}/") for step in steps)


class Published(NamedTuple):
    """A step on the topic of the alerts, and when its first copy came there, in ms."""

    step: Step
    at: int


class Came(NamedTuple):
    """A mail or an event that has come to a receiver, and when, in ms.

    `about`: the id of the alert, the incident or the digest. For a digest, `listed` has the ids of the alerts and
    incidents; `silences` and `held` are what it says of silences, and which of its notices each has held back.
    """

    target: Target
    delivery_id: str
    at: int
    about: str
    listed: tuple[str, ...] = ()
    silences: tuple[SaidSilence, ...] = ()
    held: Mapping[str, str] = MappingProxyType({})


def came(mails: Iterable[tuple[ReceivedMail, int]], events: Iterable[Arrived], receivers: Receivers) -> list[Came]:
    """Return what has come to the receivers that the settings have. `mails`: with the times at which they came."""
    names = {address: name for name, address in receivers.addresses.items()}
    of_mails = [
        Came(Target(EMAIL, names[address]), mail.delivery_id, at, mail.alert_id, mail.listed, mail.silences, mail.held)
        for mail, at in mails
        if (address := ", ".join(mail.receivers)) in names
    ]
    webhook = next(target.channel for on in receivers.on.values() for target in on if target.channel != EMAIL)
    return [*of_mails, *(Came(Target(webhook, one.endpoint), *one[1:]) for one in events)]


@dataclass
class Recounted:
    """What a recount has found.

    `in_flight`: by the channel, how much has come while a silence was active, and had been published before. `again`:
    the receivers and alerts of notices that had been published before the silence, have come before its end, and are
    held back all the same: that they were sent was not written down, since a worker had ended. `held`: how many notices
    silences have held back.
    """

    wrong: list[str] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)
    again: set[tuple[str, str]] = field(default_factory=set)
    held: int = 0


def recount(
    published: Iterable[Published],
    log: Iterable[Mapping[str, Any]],
    arrived: Sequence[Came],
    silences: Sequence[Silence],
    receivers: Receivers,
    erased: Collection[str] = (),
) -> Recounted:
    """Compare what silences had to hold back with the delivery log, and with what has come.

    `published`: the distinct steps, in the order of their first copies; `erased`: customers about whom nothing has to
    come any more.
    """
    recounting = _Recounting([*published], log, arrived, receivers, erased)
    for silence in silences:
        recounting.check_quiet(silence)
        recounting.check_held(silence)
        recounting.check_over(silence)
    recounting.check_digests({silence.silence_id: silence for silence in silences})
    return recounting.found


class _Recounting:
    """A recount, and what it has found so far."""

    def __init__(
        self,
        published: Sequence[Published],
        log: Iterable[Mapping[str, Any]],
        arrived: Sequence[Came],
        receivers: Receivers,
        erased: Collection[str],
    ) -> None:
        self.found = Recounted()
        self._arrived = arrived
        self._receivers = receivers
        self._erased = erased
        self._by_alert: dict[str, list[Published]] = defaultdict(list)
        #: The steps by the ids of their deliveries.
        self._by_delivery: dict[tuple[Target, str], Published] = {}
        targets = {target for on in receivers.on.values() for target in on}
        for one in published:
            self._by_alert[one.step.body["alert_id"]].append(one)
            for target in targets:
                self._by_delivery[target, id_for(one.step, target)] = one
        #: The silences that have held a delivery back, and whether it was settled by itself, or by which digest.
        self._held: dict[str, list[str]] = defaultdict(list)
        self._settled: dict[str, Mapping[str, Any]] = {}
        for line in log:
            if line["reason"] == "silenced" and line["status"] == "deferred":
                self._held[line["delivery_id"]].append(line["silence_id"])
            elif line["status"] in {"sent", "failed", "cancelled"}:
                self._settled.setdefault(line["delivery_id"], line)
        self.found.held = len(self._held)

    def _fits(self, silence: Silence, alert_id: str) -> bool:
        return silence.fits(one.step.body for one in self._by_alert[alert_id] if "segment" in one.step.body)

    def _holds(self, silence: Silence, body: Mapping[str, Any]) -> bool:
        return not is_never_held(body) and self._fits(silence, body["alert_id"])

    def check_quiet(self, silence: Silence) -> None:
        """Nothing that was published while a silence was known comes before it is over."""
        for one in self._arrived:
            if not silence.known_at < one.at < silence.over_at:
                continue
            held = [about for about in self._about(one) if self._holds(silence, about.step.body)]
            for step in [about.step.body for about in held if about.at > silence.known_at]:
                what = f"{step['action']} of {step['alert_id']} for {one.target.receiver}"
                self.found.wrong.append(f"I10 {what} came while {silence.silence_id} held it back")
            self.found.in_flight[one.target.channel] += any(about.at <= silence.known_at for about in held)

    def _about(self, one: Came) -> list[Published]:
        """Return the step that something reports which has come, or the openings of the alerts that a digest lists."""
        step = self._by_delivery.get((one.target, one.delivery_id))
        if step is not None:
            return [step]
        return [self._by_alert[alert_id][0] for alert_id in one.listed if alert_id in self._by_alert]

    def check_held(self, silence: Silence) -> None:
        """What was opened while a silence was known, and was decided before it was over, was held back."""
        for published in [of_alert[0] for of_alert in self._by_alert.values()]:
            body = published.step.body
            if body.get("customer_id") in self._erased or not self._is_due(silence, published):
                continue
            for target in self._receivers.of_alert(body):
                found = id_for(published.step, target)
                settled = self._settled.get(found)
                if found not in self._held and (settled is None or settled["status"] == "sent"):
                    what = f"{body['alert_id']} for {target.receiver} on {target.channel}"
                    self.found.wrong.append(f"I10 {silence.silence_id} has not held back {what}")

    def _is_due(self, silence: Silence, published: Published) -> bool:
        """Say whether a silence must have held back a step: one that opens an alert, and was decided in its time."""
        body, is_in_time = published.step.body, silence.known_at < published.at < silence.settled_at
        return is_in_time and body["action"] == "opened" and self._fits(silence, body["alert_id"])

    def check_over(self, silence: Silence) -> None:
        """A silence that is over holds nothing back that is published afterwards."""
        for (target, found), published in self._by_delivery.items():
            if published.at > silence.end_known_at and silence.silence_id in self._held.get(found, ()):
                what = f"{published.step.body['alert_id']} for {target.receiver} on {target.channel}"
                self.found.wrong.append(f"I10 {silence.silence_id} was over and has held back {what}")

    def check_digests(self, silences: Mapping[str, Silence]) -> None:
        """The digest that lists a notice says which silence has held it back, who has wanted that, and why."""
        by_digest: dict[tuple[Target, str], list[Came]] = defaultdict(list)
        first: dict[tuple[Target, str], float] = {}
        for one in self._arrived:
            by_digest[one.target, one.about].append(one)
            for alert_id in one.listed or (one.about,):
                first.setdefault((one.target, alert_id), one.at)
        for (target, found), published in self._by_delivery.items():
            settled, alert_id = self._settled.get(found), published.step.body["alert_id"]
            held_by = [silences[one] for one in self._held.get(found, ()) if one in silences]
            if not held_by or settled is None or settled["status"] != "sent":
                continue
            came_first = first.get((target, alert_id), inf)
            if any(published.at < one.known_at and came_first < one.over_at for one in held_by):
                self.found.again.add((target.receiver, alert_id))
            # Otherwise a worker may have ended before the row said so, and the silence may have been over since then.
            is_due = any(self._is_due(one, published) for one in held_by)
            what = f"{alert_id} for {target.receiver}"
            if settled["reason"] == "in_digest":
                digests = by_digest.get((target, settled["digest_id"]), [])
                said = [one for one in digests if alert_id in one.listed]
                self._check_said(what, alert_id, said, silences, is_due=is_due)
            elif is_due:
                self.found.wrong.append(f"I10 {what} was held back, and came by itself")

    def _check_said(
        self,
        what: str,
        alert_id: str,
        digests: Iterable[Came],
        silences: Mapping[str, Silence],
        *,
        is_due: bool,
    ) -> None:
        for digest in digests:
            silence = silences.get(digest.held.get(alert_id, ""))
            if silence is not None:
                if SaidSilence(silence.silence_id, silence.actor, silence.reason) not in digest.silences:
                    self.found.wrong.append(
                        f"I10 {what}: its digest does not say who wanted {silence.silence_id}, and why"
                    )
            elif is_due:
                self.found.wrong.append(f"I10 {what} is listed, and its digest does not say which silence held it back")


def is_never_held(body: Mapping[str, Any]) -> bool:
    """Say whether no silence holds a step back."""
    return body["action"] in _NEVER_HELD.get(body["kind"], _ENDS)


def wrong_states(
    states: Iterable[tuple[str, bytes]],
    answers: Iterable[Mapping[str, Any]],
    rows: Mapping[bytes, bytes],
    silences: Sequence[Silence],
    commands: Collection[str],
) -> list[str]:
    """Return a line for each thing that is wrong with the states of silences, and with the answers to their commands.

    `states`: the ids of silences and their states, as they were published in the order of each silence; `rows`: the
    table of the silences; `commands`: the ids of all commands that were given.
    """
    wrong, by_silence = [], defaultdict[str, list[tuple[int, str, bytes]]](list)
    for silence_id, value in states:
        body = json.loads(value)
        by_silence[silence_id].append((body["version"], body["state"], value))
    for silence in silences:
        known, name = by_silence[silence.silence_id], silence.silence_id
        expected = silence.version, "ended" if silence.is_ended else "added"
        last = max(known, default=(0, "", b""))
        if last[:2] != expected:
            wrong.append(f"I10 {name}: its newest state is {last[:2]}, expected {expected}")
        if len({value for *_, value in known}) > len({version for version, *_ in known}):
            wrong.append(f"I10 {name}: copies of one version differ")
        row = msgpack.decode(rows.get(name.encode(), b"\x90"))
        if not row or (row[_VERSION], bool(row[_ENDED_AT])) != (expected[0], silence.is_ended):
            wrong.append(f"I10 {name}: its row differs from its state")
    outcomes: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for answer in answers:
        outcomes[answer["command_id"]].add((answer["outcome"], answer["version"]))
    if outcomes.keys() != {*commands}:
        wrong.append(f"I10 commands about silences that were answered: {len(outcomes)}, expected {len({*commands})}")
    if any(len(found) > 1 or next(iter(found))[0] != "applied" for found in outcomes.values()):
        wrong.append("I10 a command about a silence was not applied, or got answers that differ")
    return wrong
