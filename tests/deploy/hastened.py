"""The alarm rules as they are, but for their times, which are divided by a number: a fault then lasts seconds."""

import re
from typing import Any

from deploy.files import DEPLOY, documents

_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
_TIME = re.compile(r"\b(?P<count>\d+)(?P<unit>[smh])\b")
#: The times of an expression: its ranges, such as [15m:1m], and the age with which an age is compared, in seconds.
_RANGE = re.compile(r"\[[^\]]+\]")
_AGE = re.compile(r"(?P<before>_age_seconds\)\s*>\s*)(?P<seconds>\d+)")


def hastened(times: int) -> dict[str, Any]:
    """Return the rules of deploy/prometheus/rules.yml, in which everything takes `times` less time.

    A limit of `nps_response_to_alert_seconds` stays, since an alert that is as late as that is easily made.
    """
    [rules] = documents(DEPLOY / "prometheus/rules.yml")
    for group in rules["groups"]:
        group["interval"] = _shorter(group["interval"], times)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _shorter(rule["for"], times)
            rule["expr"] = _sooner(rule["expr"], times)
    found: dict[str, Any] = rules
    return found


def _sooner(expression: str, times: int) -> str:
    ranged = _RANGE.sub(lambda found: _shorter(found[0], times), expression)
    return _AGE.sub(lambda found: f"{found['before']}{int(found['seconds']) / times:g}", ranged)


def _shorter(text: str, times: int) -> str:
    return _TIME.sub(lambda found: f"{int(found['count']) * _MS[found['unit']] // times}ms", text)
