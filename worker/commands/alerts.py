"""`alerts`: the cases of alerts, and commands to work on them."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.alert_command import LONGEST_NOTE, CommandAction
from schemas.alert_command_result import AlertCommandResult, CommandOutcome
from schemas.case import CaseOutcome, CaseState
from worker import terminal
from worker.alerts import text
from worker.alerts.commanding import give, give_all
from worker.alerts.known import Filter, beginning_with, in_order, known_cases
from worker.commands.common import (
    SETTINGS_HELP,
    Commands,
    Exit,
    add_giver,
    age,
    given,
    name,
    not_answered,
    with_kafka,
)
from worker.flow.cases.known import SEVERITIES, KnownCase
from worker.flow.text import on_lines, printable_json
from worker.kafka.asking import alert_topics
from worker.kafka.topics import CASES, changelog_name
from worker.lineage import canonical_path
from worker.logs import counted
from worker.settings import Settings

#: The states of cases on which somebody still has to work.
_TO_DO = (CaseState.OPEN, CaseState.ACKNOWLEDGED)
_LIMIT = 50
_ALERT_HELP = "the alert's id, or its beginning if no other alert's id begins like this"
_ANSWER_HELP = (
    "It waits for the worker's answer. Exit codes: 0: the case is as you want it; 1: the command was refused, or there "
    "was no answer in time; 2: the usage or the settings are wrong."
)


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "alerts",
        help="list the cases of alerts; acknowledge, assign, resolve and reopen them",
        description="Shows the cases of alerts, and changes them by commands; docs/cases.md describes the life of a "
        "case. `list` prints neither customers' ids nor notes, `list --json` prints the ids, and `show` prints both. "
        "Ids and notes may be personal data.",
        epilog=SETTINGS_HELP,
    )
    inner: Commands = parser.add_subparsers(dest="what", required=True, metavar="what")
    _add_list(inner)
    _add_show(inner)
    _add_commands(inner)
    _add_reapply(inner)


def _add_list(inner: Commands) -> None:
    parser = inner.add_parser(
        "list",
        help="list cases: the most severe first, and of these the one that was opened first",
        description="Lists cases. Without --state, these are the ones on which somebody still has to work: the open "
        "and the acknowledged ones. The most severe ones come first, and of these the one that was opened first.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--state",
        action="append",
        choices=[*(state.value for state in CaseState), "all"],
        default=[],
        help="list cases in this state; the option may be repeated (default: open and acknowledged)",
    )
    parser.add_argument("--segment", metavar="PATH", help="list cases of this segment and those below, such as fr/lyon")
    parser.add_argument(
        "--severity",
        action="append",
        choices=SEVERITIES,
        default=[],
        help="list cases with this severity; the option may be repeated",
    )
    parser.add_argument(
        "--older-than", type=age, metavar="AGE", help="list cases that were opened longer ago than this, such as 4h"
    )
    parser.add_argument(
        "--younger-than",
        type=age,
        metavar="AGE",
        help="list cases that were opened within this time, such as 30m or 7d",
    )
    parser.add_argument(
        "--overdue",
        action="store_true",
        help="list cases that should have been acknowledged, or resolved, by now (docs/service-levels.md)",
    )
    parser.add_argument(
        "--limit", type=_limit, default=_LIMIT, metavar="N", help=f"list at most this many (default: {_LIMIT})"
    )
    parser.add_argument("--json", action="store_true", help="print each case as JSON, one per line")
    parser.set_defaults(run=with_kafka(_list))


def _add_show(inner: Commands) -> None:
    parser = inner.add_parser(
        "show",
        help="show one case with its customer and its notes",
        epilog=SETTINGS_HELP,
        description="Shows one case with its customer's id and its notes, which may be personal data.",
    )
    parser.add_argument("alert", type=name, metavar="ALERT", help=_ALERT_HELP)
    parser.add_argument("--json", action="store_true", help="print the case as JSON")
    parser.set_defaults(run=with_kafka(_show))


def _add_commands(inner: Commands) -> None:
    helps = {
        "ack": (CommandAction.ACKNOWLEDGE, "acknowledge the case of an alert: you look after it from now on"),
        "assign": (CommandAction.ASSIGN, "assign the case of an alert to somebody, who looks after it from now on"),
        "note": (CommandAction.NOTE, "add a note to the case of an alert"),
        "resolve": (CommandAction.RESOLVE, "resolve the case of an alert: nothing is left to do"),
        "reopen": (CommandAction.REOPEN, "reopen the case of an alert: there is something to do again"),
    }
    for word, (action, about) in helps.items():
        description = f"Use this command to {about}. {_ANSWER_HELP}"
        parser = inner.add_parser(word, help=about, epilog=SETTINGS_HELP, description=description)
        parser.add_argument("alert", type=name, metavar="ALERT", help=_ALERT_HELP)
        if action is CommandAction.ASSIGN:
            parser.add_argument("assignee", type=name, metavar="WHO", help="a name or an address")
        if action is CommandAction.RESOLVE:
            parser.add_argument(
                "--outcome",
                required=True,
                choices=[outcome.value for outcome in CaseOutcome],
                help="the outcome of the work",
            )
            parser.add_argument(
                "--cause",
                type=name,
                metavar="WORD",
                help="what had gone wrong: one of the words in the setting cases.causes",
            )
        if action is CommandAction.NOTE:
            parser.add_argument("note", type=_note, metavar="TEXT", help="the text of the note")
        else:
            parser.add_argument("--note", type=_note, metavar="TEXT", help="also add this note")
        add_giver(parser)
        parser.set_defaults(run=with_kafka(_command), action=action, assignee=None, outcome=None, cause=None)


def _add_reapply(inner: Commands) -> None:
    about = "compute the time limits of open and acknowledged cases again, by the current settings"
    parser = inner.add_parser(
        "reapply",
        help=about,
        description=f"Use this command to {about}. New settings change no case that is open already, unless you ask "
        "for it. Without ALERT, it changes all open and acknowledged cases that match the options. What should have "
        "happened by now, by the new time limits, happens within some seconds; what has happened does not happen "
        "again. Before that, restart the workers with the new settings. The command waits for the worker's answers. "
        "Exit codes: 0: all cases with a service level have the new time limits; 1: commands were refused, or not "
        "answered in time; 2: the usage or the settings are wrong.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("alert", nargs="?", type=name, metavar="ALERT", help=_ALERT_HELP)
    parser.add_argument("--segment", metavar="PATH", help="only cases of this segment and those below, such as fr/lyon")
    parser.add_argument(
        "--severity",
        action="append",
        choices=SEVERITIES,
        default=[],
        help="only cases with this severity; the option may be repeated",
    )
    parser.add_argument(
        "--service-level",
        type=name,
        metavar="NAME",
        help="the service level that the cases have from now on (default: each keeps the one that it has)",
    )
    add_giver(parser)
    parser.set_defaults(run=with_kafka(_reapply))


def _limit(written: str) -> int:
    if not (written.isascii() and written.isdigit() and 0 < int(written) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{written} is not a number from 1 to 1,000,000")
    return int(written)


def _note(written: str) -> str:
    if len(written) > LONGEST_NOTE or not (shown := on_lines(written)):
        raise argparse.ArgumentTypeError(f"must have 1 to {LONGEST_NOTE} characters")
    return shown


async def _known(settings: Settings) -> list[KnownCase] | None:
    """Return all cases. If their table does not exist, say what to do, and return None."""
    changelog = changelog_name(settings.kafka.group, "process", CASES)
    found = await known_cases(settings.kafka, changelog, settings.cases, int(time.time() * 1_000))
    if found is None:
        print(
            f"{changelog} does not exist yet: start the worker once (python -m worker run), so that it creates its "
            "topics",
            file=sys.stderr,
        )
    return found


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    found = await _known(settings)
    if found is None:
        return Exit.FAILED
    now = int(time.time() * 1_000)
    wanted = Filter(
        states=frozenset() if "all" in args.state else frozenset(args.state or _TO_DO),
        segment=None if args.segment is None else canonical_path(args.segment),
        severities=frozenset(args.severity),
        opened_before=None if args.older_than is None else now - args.older_than * 1_000,
        opened_since=None if args.younger_than is None else now - args.younger_than * 1_000,
        due_by=now if args.overdue else None,
    )
    cases = in_order(known for known in found if wanted.takes(known.case))
    shown = cases[: args.limit]
    if args.json:
        for known in shown:
            print(printable_json(text.as_json(known, notes=False)))
    elif shown:
        print("\n".join(text.table(shown, now, terminal.width())))
    if len(cases) > len(shown):
        print(f"and {len(cases) - len(shown):,} more: --limit {len(cases)} lists all", file=sys.stderr)
    elif not cases:
        print("no case matches these options" if found else "there are no cases", file=sys.stderr)
    return Exit.FINE


async def _show(args: argparse.Namespace, settings: Settings) -> int:
    known = await _find(args.alert, settings)
    if known is None:
        return Exit.FAILED
    print(printable_json(text.as_json(known, notes=True)) if args.json else "\n".join(text.details(known)))
    return Exit.FINE


async def _find(alert: str, settings: Settings) -> KnownCase | None:
    """Return the case of an alert, whose id or its beginning is given. If there is not exactly one, say so."""
    cases = await _known(settings)
    if cases is None:
        return None
    found = beginning_with(cases, alert)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(known.case.alert_id for known in found)[:5])
        print(f"{len(found)} alerts have an id that begins with {alert}: {ids}", file=sys.stderr)
    else:
        print(
            f"no case is known of an alert whose id begins with {alert}; python -m worker alerts list --state all "
            "lists those that are known",
            file=sys.stderr,
        )
    return None


async def _command(args: argparse.Namespace, settings: Settings) -> int:
    known = await _find(args.alert, settings)
    if known is None:
        return Exit.FAILED
    more = {"assignee": args.assignee, "outcome": args.outcome, "cause": args.cause, "note": args.note}
    command = _command_about(known, args.action, args) | more
    answer = await give(settings.kafka, alert_topics(settings.topic_prefix), command, args.timeout)
    if answer is None:
        return not_answered(args)
    return _say(answer, known, as_json=args.json)


async def _reapply(args: argparse.Namespace, settings: Settings) -> int:
    level = args.service_level
    if level is not None and level not in settings.service_levels:
        print(f"--service-level: the settings have no service level {level}", file=sys.stderr)
        return Exit.WRONG
    cases = await _known(settings)
    if cases is None:
        return Exit.FAILED
    found = _to_reapply(args, cases)
    if args.alert is not None and len(found) > 1:
        print(f"{len(found)} alerts have an id that begins with {args.alert}", file=sys.stderr)
        return Exit.FAILED
    if not found:
        print("no open or acknowledged case matches", file=sys.stderr)
        return Exit.FAILED if args.alert is not None else Exit.FINE
    measured = [known for known in found if level is not None or known.case.service_level]
    if len(measured) < len(found):
        left_out = f"{len(found) - len(measured):,} cases have no service level: --service-level gives them one"
        print(left_out, file=sys.stderr)
        if args.alert is not None:
            return Exit.FAILED
    commands = [_command_about(known, CommandAction.REAPPLY, args) | {"service_level": level} for known in measured]
    answers = (
        await give_all(settings.kafka, alert_topics(settings.topic_prefix), commands, args.timeout) if commands else {}
    )
    return _say_reapplied(args, len(commands), list(answers.values()))


def _to_reapply(args: argparse.Namespace, cases: Iterable[KnownCase]) -> list[KnownCase]:
    """Return the cases whose time limits shall be computed again."""
    wanted = Filter(
        states=frozenset(_TO_DO),
        segment=None if args.segment is None else canonical_path(args.segment),
        severities=frozenset(args.severity),
    )
    found = in_order(known for known in cases if wanted.takes(known.case))
    return found if args.alert is None else beginning_with(found, args.alert)


def _say_reapplied(args: argparse.Namespace, asked: int, answers: Sequence[AlertCommandResult]) -> int:
    """Say what has become of so many commands."""
    refused = Counter(answer.detail for answer in answers if answer.outcome == CommandOutcome.REFUSED)
    if args.json:
        for answer in answers:
            print(answer.model_dump_json())
    else:
        print(f"new time limits: {counted(len(answers) - refused.total(), 'case')}")
        for detail, count in refused.most_common():
            print(f"{count:,} refused: {detail}", file=sys.stderr)
    if missing := asked - len(answers):
        print(
            f"{missing:,} commands are not answered within {args.timeout:g} s: is a worker running (python -m worker "
            "run)? They are written, and will be carried out, or refused, once a worker runs",
            file=sys.stderr,
        )
    return Exit.FAILED if missing or refused else Exit.FINE


def _command_about(known: KnownCase, action: CommandAction, args: argparse.Namespace) -> dict[str, Any]:
    """Return what each command about a case has."""
    return {
        **given(args),
        "alert_id": known.case.alert_id,
        "customer_id": known.customer_id,
        "action": action,
        "opening": known.case.opening,
    }


def _say(answer: AlertCommandResult, known: KnownCase, *, as_json: bool) -> int:
    if as_json:
        print(answer.model_dump_json())
    elif answer.outcome == CommandOutcome.REFUSED:
        print(f"refused ({answer.reason}): {answer.detail}", file=sys.stderr)
    else:
        nothing = "nothing to do, since it is so already: " if answer.outcome == CommandOutcome.UNCHANGED else ""
        print(f"{nothing}alert {known.case.alert_id[: text.SHORT_ID]} is {answer.state} (step {answer.step})")
    return Exit.FAILED if answer.outcome == CommandOutcome.REFUSED else Exit.FINE
