"""`routes test`: which route takes an alert, an incident or a response, whom it reaches and when, and why."""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from schemas.alert import Alert
from schemas.decision import Decision
from schemas.incident import Incident
from worker.alerts.limits import Limits, limits_of
from worker.clock import SystemClock
from worker.commands.common import SETTINGS_HELP, TIME_HELP, Commands, Exit, file, time, with_offset, with_settings
from worker.errors import Rejected
from worker.flow import events
from worker.flow.responses import road
from worker.flow.responses.intake import validate
from worker.flow.responses.rules.detractor_alert import RULE
from worker.flow.text import printable_json
from worker.flow.timestamps import to_ms
from worker.lineage import canonical_path
from worker.notify.notice import Notice, notice_in
from worker.routing.explaining import explain
from worker.routing.routable import routable, routables
from worker.settings import Settings

_STANDARD_INPUT = "-"


class _Line(NamedTuple):
    """A response in the form of a record."""

    value: bytes
    timestamp: int
    key: bytes | None = None
    topic: str = events.RESPONSES
    partition: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


class _NoNotice(Exception):
    """The event causes no alert. The text says why."""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "routes",
        help="show which route takes an event, whom it reaches and when",
        description="Shows what the routes of the settings do with an alert, an incident or a response.",
        epilog=SETTINGS_HELP,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    test = actions.add_parser(
        "test",
        help="show which route takes an event, whom it reaches and when",
        description="Shows which route takes an event and why, which receivers get it and when, which days off are "
        "skipped until then, and why other routes do not take it. If an alert has time limits, the command shows them, "
        "and who is asked if nobody acts. A response counts as the first answer of its customer, published at the time "
        "--at. If an incident is about several segments, the routes are tried for each of them. The command sends "
        "nothing, and needs no Kafka. Exit codes: 0: somebody gets the event; 1: nobody gets "
        "it; 2: the event or the settings are wrong.",
        epilog=SETTINGS_HELP,
    )
    test.add_argument(
        "event",
        type=_event,
        metavar="FILE",
        help="a file with the JSON of an alert, an incident or a response; - reads the standard input",
    )
    test.add_argument(
        "--at",
        type=time,
        metavar="TIME",
        help=f"judge the event at this time, such as 2026-12-24T20:00+01:00 (default: now); {TIME_HELP}",
    )
    test.add_argument("--json", action="store_true", help="print the result as JSON")
    test.set_defaults(run=with_settings(_test))


def _event(text: str) -> Path | None:
    """Return the path of a file; None for the standard input."""
    return None if text == _STANDARD_INPUT else file(text)


def _test(args: argparse.Namespace, settings: Settings) -> int:
    value = sys.stdin.buffer.read() if args.event is None else args.event.read_bytes()
    at = SystemClock().now() if args.at is None else to_ms(with_offset(args.at, settings))
    try:
        notice = _notice(value, at, settings)
    except Rejected as error:
        print(f"the event is neither an alert nor an incident, and no valid response: {error}", file=sys.stderr)
        return Exit.WRONG
    except _NoNotice as error:
        print(json.dumps({"reached": [], "nobody": "no_alert", "why": str(error)}) if args.json else _no_alert(error))
        return Exit.FAILED
    first, *further = [explain(event, settings.routing, at) for event in routables(notice)]
    limits = _limits(notice, at, settings)
    if args.json:
        service = None if limits is None else limits.as_json()
        others = [one.as_json() for one in further]
        print(printable_json({**first.as_json(), "further_segments": others, "service_level": service}, indent=2))
    else:
        print("\n".join([*first.lines(), *([] if limits is None else limits.lines())]))
        for one in further:
            print("\n".join(["", _why(one.event.segment, notice), *one.lines()]))
    return Exit.FINE if any(one.deliveries for one in (first, *further)) else Exit.FAILED


def _why(segment: str, notice: Notice) -> str:
    """Return why the routes decide for a further segment, too."""
    name = segment or "the root segment"
    also = [canonical_path(path) for path in notice.also] if isinstance(notice, Incident) else []
    if segment in also:
        return f"the incident is also about {name}:"
    return f"an incident about {name} has become part of this one:"


def _limits(notice: Notice, at: int, settings: Settings) -> Limits | None:
    """Return the time limits of an alert that is opened at a time, in ms; None if it has none."""
    of = settings.terms
    if of is None or not isinstance(notice, Alert):
        return None
    return limits_of(of(routable(notice)), settings.service, at)


def _no_alert(error: _NoNotice) -> str:
    return f"nobody gets it: the response opens no alert: {error}"


def _notice(value: bytes, at: int, settings: Settings) -> Notice:
    """Return the alert or incident of an event, or the alert that a response opens as a customer's first answer.

    Raise Rejected if it is none of them, _NoNotice if a response opens no alert.
    """
    try:
        return notice_in(_data(value))
    except ValidationError:
        return _opened(value, at, settings)


def _data(value: bytes) -> bytes:
    """Return the data of a CloudEvents envelope, or the value itself if it has none."""
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):
        return value
    has_envelope = isinstance(body, dict) and "specversion" in body and "data" in body
    return json.dumps(body["data"]).encode() if has_envelope else value


def _opened(value: bytes, at: int, settings: Settings) -> Alert:
    response, _ = validate(_Line(value, at), settings.policy.intake)
    record = _Line(value, at, response.customer_id.encode())
    batch = road.Batch([record], partition=0, topic=events.RESPONSES, home="", rerouted={})
    decided = road.decide(batch, settings.policy, lambda _: None, lambda _: 0)
    for output in decided.outputs:
        if output.topic == events.ALERTS and output.value is not None:
            return Alert.model_validate_json(output.value)
    [decision] = [output for output in decided.outputs if output.topic == events.DECISIONS]
    found = Decision.model_validate_json(decision.value or b"")
    reasons = [rule.reason for rule in found.rules if rule.rule == RULE]
    raise _NoNotice(", ".join(reasons) or found.outcome)
