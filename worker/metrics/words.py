"""The values of labels. Each label has a fixed, small set of values, so that the number of series is bounded. Pure.

A value that is not in its set is counted as `other`. Reasons in the delivery log name each code of SMTP and HTTP; here
they are put into classes.
"""

import re
from collections.abc import Iterator
from itertools import chain, product

from schemas.alert import AlertAction, AlertReason
from schemas.case import CaseAction
from schemas.decision import Category, Outcome
from schemas.delivery import DeliveryStatus
from worker.flow import events
from worker.flow.responses.facts import NONE
from worker.notify import deliveries, planning
from worker.notify.receiver_plan import Why
from worker.routing.routing import Nobody

#: Stands for a value that is not in its set.
OTHER = "other"

#: The topics whose records publishers and people write, and which can so be refused. Dead letters of other topics are
#: those of messages between workers.
WRITTEN_BY_OTHERS = (events.RESPONSES, events.ALERT_COMMANDS, events.SILENCE_COMMANDS)

#: Why the delivery of a notice failed, or is tried again.
_FAILURES = (
    "smtp_4xx",
    "smtp_5xx",
    "http_3xx",
    "http_4xx",
    "http_5xx",
    "timeout",
    "disconnected",
    "refused",
    "name_not_found",
    "protocol_error",
    "tls_failed",
    "starttls_missing",
    "auth_refused",
    "recipients_refused_partly",
)
_GAVE_UP = "gave_up"
#: The reasons of each status in the delivery log.
_DELIVERY_REASONS: dict[DeliveryStatus, tuple[str, ...]] = {
    DeliveryStatus.PENDING: ("planned", deliveries.RELEASED),
    DeliveryStatus.SENT: ("accepted", deliveries.IN_DIGEST, deliveries.COUNTED_IN_DIGEST),
    DeliveryStatus.DEFERRED: (*Why, deliveries.SILENCED, deliveries.HANDED_OVER, *_FAILURES),
    DeliveryStatus.FAILED: (planning.TOO_MANY_WAITING, "letter_lost", _GAVE_UP, *_FAILURES),
    DeliveryStatus.CANCELLED: (
        AlertAction.WITHDRAWN,
        *CaseAction,
        deliveries.MERGED,
        deliveries.NO_LONGER_NEWS,
        deliveries.SILENCED,
        planning.CAPPED,
        planning.OWN_STEP,
        "nothing_left",
        *Nobody,
    ),
    DeliveryStatus.NOBODY: (*Nobody, planning.RECEIVERS_REMOVED, planning.NOBODY_INFORMED),
}
#: A reply of SMTP or an answer of HTTP.
_CODE = re.compile(r"(smtp|http)_([1-5])[0-9]{2}")

#: Why an answer does not count, although it is no test.
_EXCLUSIONS = (Outcome.DOUBLE_CLICK, Outcome.SUSPECT_SCANNER)
#: What each rule can decide, and why.
_RULE_DECISIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("detractor_alert", "alert_opened"): (AlertReason.DETRACTOR,),
    ("detractor_alert", "alert_updated"): (
        AlertReason.COMMENT_ADDED,
        AlertReason.COMMENT_CHANGED,
        AlertReason.CONSENT_CHANGED,
        AlertReason.CORRECTED,
    ),
    ("detractor_alert", "alert_withdrawn"): (
        AlertReason.NO_LONGER_DETRACTOR,
        AlertReason.SUSPECT_SCANNER,
        AlertReason.MOVED,
    ),
    ("detractor_alert", NONE): ("not_detractor", "test", "history", "too_old", "alert_open", *_EXCLUSIONS),
    ("review_invitation", "invited"): (*Category,),
    ("review_invitation", NONE): (
        "test",
        "history",
        "not_promoter",
        "no_consent",
        "no_address",
        "no_url",
        "too_old",
        "quarantine",
        *_EXCLUSIONS,
    ),
    ("suspect_gaming", "marked"): ("asked_by_whom_it_judges",),
    ("suspect_gaming", NONE): ("nobody_asked", "another_asked", "no_contact", "not_right_after"),
    ("burst", "counted"): ("shared_id", "suspect_scanner"),
    ("burst", "not_counted"): _EXCLUSIONS,
}


def _pairs() -> Iterator[tuple[str, str]]:
    for status, reasons in _DELIVERY_REASONS.items():
        yield from ((status.value, str(reason)) for reason in (*reasons, OTHER))


#: What the deliveries of survey tools become, or why they are not taken.
RECEIVED = (
    "accepted",
    "part",
    "fetch",
    "ignored",
    "refused",
    "unauthentic",
    "plain_http",
    "unavailable",
    "overloaded",
    "too_large",
    "too_slow",
    "unreadable",
    "error",
)
#: What becomes of orders to fetch answers, and of the answers that are fetched.
FETCHES = ("accepted", "ignored", "refused", "next_page", "retried", "given_up", "unavailable")
#: The statuses of deliveries with their reasons.
DELIVERIES = tuple(dict.fromkeys(_pairs()))
#: What rules decide: rule, verdict, reason.
RULE_DECISIONS = tuple(
    chain.from_iterable(product((rule,), (verdict,), map(str, reasons)) for (rule, verdict), reasons in
    _RULE_DECISIONS.items())
)  # fmt: skip
_KNOWN_DELIVERIES = frozenset(DELIVERIES)
_KNOWN_RULE_DECISIONS = frozenset(RULE_DECISIONS)


def delivery(status: str, reason: str) -> tuple[str, str]:
    """Return the labels of a line of the delivery log: its status, and the class of its reason."""
    if reason.startswith(_GAVE_UP):
        reason = _GAVE_UP
    elif code := _CODE.fullmatch(reason):
        reason = f"{code[1]}_{code[2]}xx"
    return (status, reason) if (status, reason) in _KNOWN_DELIVERIES else (status, OTHER)


def rule_decision(rule: str, verdict: str, reason: str) -> tuple[str, str, str]:
    """Return the labels of what a rule has decided."""
    labels = rule, verdict, reason
    return labels if labels in _KNOWN_RULE_DECISIONS else (OTHER, OTHER, OTHER)
