"""What became of each opened alert for each of its receivers, recounted by none of the worker's code.

The alerts on their topic say what has to be sent, the delivery log says what became of it, and the mailbox and the
endpoints say what has really come. For each receiver, an opened alert is in exactly one of four conditions: it was sent
alone, a digest has listed it, it is deferred, or it is refused with a reason.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chaos.received_mails import ReceivedMail
from chaos.time_limits import id_of

#: The actions and reasons of what is sent about an alert in any case. What opens it is.
_ALWAYS = frozenset({"comment_added", "comment_changed", "consent_changed"})
#: The steps of a case that somebody gets.
_OF_CASE = frozenset({"acknowledged", "resolved", "reopened", "reminded", "escalated"})
EMAIL = "email"


class Target(NamedTuple):
    """A receiver on a channel."""

    channel: str
    receiver: str


class Step(NamedTuple):
    """An event on the topic of the alerts."""

    id: str
    body: Mapping[str, Any]


class Delivered:
    """What has come.

    `mails`: all mails in the order in which they came, copies included; `accepted`: for each endpoint, how often it has
    accepted each event; `again`: the receivers and alerts of notices that may have come once too often, since a silence
    has held them back when they had been sent already, and that was not written down (silenced.py). `digests`: how
    often each digest that an endpoint has accepted lists each alert, by the endpoint and the digest's id; `digest_of`:
    the digests of events, by the events' ids. A digest that is posted again has another id if it lists something else.
    """

    def __init__(
        self,
        mails: Collection[ReceivedMail],
        accepted: Mapping[str, Mapping[str, int]],
        again: Collection[tuple[str, str]] = (),
        digests: Mapping[tuple[str, str], Counter[str]] | None = None,
        digest_of: Mapping[str, str] | None = None,
    ) -> None:
        self.mails = mails
        self.accepted = accepted
        self.again = again
        self.digests = digests or {}
        self.digest_of = digest_of or {}
        #: By the address and the id of the delivery.
        self.copies: dict[tuple[str, str], list[ReceivedMail]] = defaultdict(list)
        #: By the address and what they are about.
        self.about: dict[tuple[str, str], list[ReceivedMail]] = defaultdict(list)
        for mail in mails:
            address = ", ".join(mail.receivers)
            self.copies[address, mail.delivery_id].append(mail)
            self.about[address, mail.alert_id].append(mail)


@dataclass(frozen=True)
class Receivers:
    """Who has to get what. `of_alert` returns the receivers of an opened alert; `addresses`: by the receiver's name.

    `on`: the channels of each receiver; `may_wait`: the reasons for which a notice may wait for hours. For the end of a
    silence, the reason is "silenced by", and the silence's id.
    """

    of_alert: Callable[[Mapping[str, Any]], Collection[Target]]
    addresses: Mapping[str, str]
    on: Mapping[str, Collection[Target]]
    may_wait: Collection[str] = ("quiet_hours",)


@dataclass
class Notified:
    """What a recount has found. `open`: how many notices are neither settled nor deferred for hours.

    `doubtful`: how many things are wrong that a worker's end may explain, since it had sent something and not written
    it down.
    """

    wrong: list[str] = field(default_factory=list)
    open: int = 0
    doubtful: Counter[str] = field(default_factory=Counter)
    conditions: Counter[str] = field(default_factory=Counter)


class _Log:
    """The delivery log, by the ids of deliveries."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self.lines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        #: The ids of digests, which are deliveries about themselves.
        self.digests: set[str] = set()
        #: What each digest has listed, as the log says: the receiver, and the deliveries of each alert.
        self.listed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        listed: set[tuple[str, str, str, str]] = set()
        for line in lines:
            self.lines[line["delivery_id"]].append(line)
            if line["delivery_id"] == line["alert_id"]:
                self.digests.add(line["delivery_id"])
            if line["reason"] == "in_digest":
                listed.add((line["receiver"], line["digest_id"], line["alert_id"], line["delivery_id"]))
        for receiver, digest_id, alert_id, _ in listed:
            self.listed[receiver, digest_id][alert_id] += 1

    def conditions(self, delivery_id: str) -> set[tuple[str, str]]:
        """Return the conditions that the log says for a delivery, each with a digest or a reason.

        What is settled is not open any more, whatever the log says of the time before.
        """
        lines = self.lines.get(delivery_id, [])
        settled = {_condition(line) for line in lines if line["status"] in {"sent", "failed", "cancelled"}}
        if settled or not lines:
            return settled
        last = lines[-1]
        reason = f"silenced by {last['silence_id']}" if last["reason"] == "silenced" else last["reason"]
        return {("deferred", reason) if last["status"] == "deferred" else ("planned", reason)}


def _times_sent(conditions: Collection[tuple[str, str]]) -> int:
    """Return in how many mails a notice has come, as the log says: by itself, and in digests."""
    return sum(kind in {"sent", "listed"} for kind, _ in conditions)


def _condition(line: Mapping[str, Any]) -> tuple[str, str]:
    if line["status"] != "sent":
        return "refused", line["reason"]
    return ("listed", line["digest_id"]) if line["reason"] == "in_digest" else ("sent", "")


def recount(
    steps: Iterable[Step],
    log: Iterable[Mapping[str, Any]],
    came: Delivered,
    receivers: Receivers,
    erased: Collection[str] = (),
) -> Notified:
    """Compare what has to be sent with the delivery log, and both with what has come.

    `steps`: what is on the topic of the alerts, in its order; copies do not matter. `erased`: customers about whom
    nothing has to come any more.
    """
    distinct = [*{step.id: step for step in steps}.values()]
    recounting = _Recounting(distinct, _Log(log), came, receivers, erased)
    recounting.check_openings()
    recounting.check_case_steps()
    recounting.check_digests()
    recounting.check_reasons()
    return recounting.found


class _Recounting:
    """A recount, and what it has found so far."""

    def __init__(
        self, steps: Sequence[Step], log: _Log, came: Delivered, receivers: Receivers, erased: Collection[str]
    ) -> None:
        self.found = Notified()
        self._steps = steps
        self._log = log
        self._came = came
        self._receivers = receivers
        self._erased = erased
        self._names = {address: name for name, address in receivers.addresses.items()}

    def check_openings(self) -> None:
        """Each opened alert is, for each receiver, in exactly one condition, and what the log says has come."""
        merged = self._ids_by_alert()
        for step in self._steps:
            if step.body["kind"] != "detractor" or step.body["action"] != "opened":
                continue
            if step.body["customer_id"] in self._erased:
                continue
            for target in self._receivers.of_alert(step.body):
                ids = [id_for(step, target), *merged.get((target, step.body["alert_id"]), ())]
                self._settle(f"alert for {target.receiver} on {target.channel}", step, target, ids)

    def check_case_steps(self) -> None:
        """Each escalation is settled for all whom it asks. A reminder reaches somebody, or nobody is left.

        What people do is for those who have got something about the alert, perhaps for nobody.
        """
        for step in self._steps:
            body = step.body
            if body["kind"] != "case" or body["action"] not in _OF_CASE or body["customer_id"] in self._erased:
                continue
            asked = body.get("escalated_to") or self._receivers.on
            targets = [target for name in asked for target in self._receivers.on[name]]
            if body["action"] != "escalated":
                targets = [target for target in targets if id_for(step, target) in self._log.lines]
            is_said = any(one.channel == EMAIL for one in targets) or id_for(step, Target(EMAIL, "")) in self._log.lines
            if body["action"] == "reminded" and not is_said:
                self.found.open += 1
                self.found.wrong.append(f"I9 reminder of {body['alert_id']}: it was planned for nobody")
            for target in targets:
                what = f"{body['action']} for {target.receiver} on {target.channel}"
                self._settle(what, step, target, [id_for(step, target)])

    def _settle(self, what: str, step: Step, target: Target, ids: Collection[str]) -> None:
        """Note in which condition a delivery is. `ids`: those under which it may have been sent, its own first."""
        found, alert_id = self.found, step.body["alert_id"]
        conditions = self._log.conditions(id_for(step, target))
        if not conditions:
            found.open += 1
            found.wrong.append(f"I9 {what}: {alert_id} was never planned")
            return
        found.conditions.update(kind for kind, _ in conditions)
        for kind, reason in conditions:
            if kind == "planned" or (kind == "deferred" and reason not in self._receivers.may_wait):
                found.open += 1
                found.wrong.append(f"I9 {what}: {alert_id} still waits ({reason})")
            if kind == "refused" and not reason:
                found.wrong.append(f"I9 {what}: {alert_id} is refused without a reason")
            if kind == "sent" and not self._was_sent(target, ids):
                found.wrong.append(f"I9 {what}: {alert_id} is said to be sent, and has not come")
            if kind == "listed" and not self._was_listed(target, alert_id, reason):
                found.wrong.append(f"I9 {what}: {alert_id} is said to be listed, and is not")
        if (target.receiver, alert_id) not in self._came.again and _times_sent(conditions) > 1:
            found.wrong.append(f"I9 {what}: {alert_id} was sent or listed twice")
        elif len(conditions) > 1:
            found.doubtful[f"I9 {what}: in several conditions"] += 1

    def _was_sent(self, target: Target, ids: Collection[str]) -> bool:
        if target.channel != EMAIL:
            return any(self._came.accepted[target.receiver].get(one) for one in ids)
        return any((self._receivers.addresses[target.receiver], one) in self._came.copies for one in ids)

    def _was_listed(self, target: Target, alert_id: str, digest_id: str) -> bool:
        if target.channel != EMAIL:
            return alert_id in self._came.digests.get((target.receiver, digest_id), ())
        mails = self._came.about.get((self._receivers.addresses[target.receiver], digest_id), ())
        return any(alert_id in mail.listed for mail in mails)

    def _ids_by_alert(self) -> dict[tuple[Target, str], list[str]]:
        """Return the ids under which an alert may be sent: a step that is merged into one before gives it its id."""
        ids: dict[tuple[Target, str], list[str]] = defaultdict(list)
        targets = [target for of_receiver in self._receivers.on.values() for target in of_receiver]
        for step in self._steps:
            if step.body["kind"] != "case":
                for target in targets:
                    ids[target, step.body["alert_id"]].append(id_for(step, target))
        return ids

    def check_digests(self) -> None:
        """A digest lists what the log says that it has listed, each notice once, in its text and in its page.

        If it comes again, it is about the same id.
        """
        digests = {
            (self._names[address], about): mails
            for (address, about), mails in self._came.about.items()
            if address in self._names and about in self._log.digests
        }
        for place, mails in digests.items():
            self._check_digest(f"I9 digest {place[1]}", mails, self._log.listed.get(place, Counter()))
        for place, listed in self._came.digests.items():
            self._check_listed(f"I9 digest {place[1]} to {place[0]}", listed, self._log.listed.get(place, Counter()))
        came = digests.keys() | self._came.digests.keys()
        if never := [place for place in self._log.listed if place not in came]:
            self.found.wrong.append(f"I9 digests that are said to be sent, and have not come: {len(never)}")

    def _check_digest(self, what: str, mails: Iterable[ReceivedMail], expected: "Counter[str]") -> None:
        # A notice that is withdrawn between two copies is not in the second one.
        listed, in_page = Counter[str](), Counter[str]()
        for mail in mails:
            listed |= Counter(mail.listed)
            in_page |= Counter(mail.listed_in_page)
        if in_page != listed:
            self.found.wrong.append(f"{what}: its page lists other notices than its text")
        self._check_listed(what, listed, expected)

    def _check_listed(self, what: str, listed: "Counter[str]", expected: "Counter[str]") -> None:
        if missing := expected - listed:
            self.found.wrong.append(f"{what} does not list {missing.total()} of its notices")
        if repeated := [alert_id for alert_id, count in listed.items() if count > max(1, expected[alert_id])]:
            self.found.wrong.append(f"{what} lists {len(repeated)} notices twice")
        if too_many := {*listed} - {*expected}:
            self.found.doubtful["I9 notices that a digest lists, and that are not settled by it"] += len(too_many)

    def check_reasons(self) -> None:
        """Nothing comes without a reason, and to no receiver more often than there are reasons."""
        on = self._receivers.on
        ids = {name: {id_for(step, one) for step in self._steps for one in targets} for name, targets in on.items()}
        case_steps = [step for step in self._steps if step.body["kind"] == "case"]
        of_case = {id_for(step, one) for step in case_steps for targets in on.values() for one in targets}
        told: dict[tuple[str, str], set[str]] = defaultdict(set)
        for (address, delivery_id), (mail, *_) in self._came.copies.items():
            name = self._names.get(address)
            if name is None:
                self.found.wrong.append("I9 a mail to an address that is not in the settings")
            elif mail.alert_id in self._log.digests:
                for alert_id in mail.listed:
                    told[name, alert_id].add(mail.alert_id)
            elif delivery_id not in ids[name]:
                self.found.wrong.append(f"I9 mail {delivery_id} to {name} has no reason")
            elif delivery_id not in of_case:
                told[name, mail.alert_id].add(delivery_id)
        reasons = Counter(step.body["alert_id"] for step in self._steps if _is_reason(step.body))
        for (name, alert_id), times in told.items():
            if len(times) <= reasons[alert_id]:
                continue
            if (name, alert_id) in self._came.again:
                self.found.doubtful["I9 notices that came, and again after a silence"] += 1
            else:
                self.found.wrong.append(f"I9 {alert_id} has come to {name} more often than there are reasons")
        self._check_reasons_of_events(ids)

    def _check_reasons_of_events(self, ids: Mapping[str, Collection[str]]) -> None:
        """No event has come to an endpoint without a reason. `ids`: those of all deliveries to each receiver."""
        digests = {event_id for event_id, digest in self._came.digest_of.items() if digest in self._log.digests}
        for endpoint, accepted in self._came.accepted.items():
            on = self._receivers.on.items()
            named = [name for name, targets in on if any(one.receiver == endpoint for one in targets)]
            if unknown := accepted.keys() - {one for name in named for one in ids[name]} - digests:
                self.found.wrong.append(f"I9 events to {endpoint} that have no reason: {len(unknown)}")


def id_for(step: Step, target: Target) -> str:
    """Return the id of the delivery of an event to a receiver."""
    return id_of("delivery", target.channel, step.id, target.receiver)


def _is_reason(body: Mapping[str, Any]) -> bool:
    """Say whether a step of an alert or an incident is a reason for a notice."""
    return body["kind"] != "case" and (
        body["action"] in {"opened", "withdrawn", "resolved"} or body["reason"] in _ALWAYS
    )
