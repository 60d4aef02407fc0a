"""`silences`: which notices are held back, until when, by whom and why; adding silences, and ending them."""

import argparse
import json
import sys
from contextlib import aclosing
from datetime import datetime, tzinfo
from functools import partial
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from schemas.dead_letter import Reason
from schemas.silence import Silence, SilenceMatch
from schemas.silence_command import LONGEST_REASON, SilenceAction
from schemas.silence_command_result import SilenceCommandResult
from worker import terminal
from worker.clock import SystemClock
from worker.commands.common import (
    SETTINGS_HELP,
    TIME_HELP,
    Commands,
    Exit,
    add_giver,
    given,
    name,
    not_answered,
    printable,
    time,
    time_zone,
    topic_exists,
    with_kafka,
    with_offset,
)
from worker.errors import Rejected
from worker.expectations import expectation
from worker.flow import events
from worker.flow.text import on_one_line, printable_json
from worker.flow.timestamps import from_ms
from worker.kafka import changelogs, reading, topics
from worker.kafka.asking import ask, silence_topics
from worker.notify.silenced import Known, KnownSilences, Waiting, waiting_in
from worker.routing.silencing import Silencing
from worker.settings import Settings

#: The matchers, by the words of --match.
_MATCHERS = {
    "segment": "segment",
    "kind": "kinds",
    "severity": "severities",
    "tier": "tiers",
    "language": "languages",
    "survey": "surveys",
    "receiver": "receivers",
}
_WORDS = {key: word for word, key in _MATCHERS.items()}
#: The largest number of ids that a message lists.
_MOST_IDS = 5


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "silences",
        help="hold notices back until a time; list silences, and end them",
        description="Adds, lists and ends silences, which hold notices back; docs/silences.md describes them.",
        epilog=SETTINGS_HELP,
    )
    inner: Commands = parser.add_subparsers(dest="what", required=True, metavar="what")
    _add_add(inner)
    _add_list(inner)
    about = "end a silence before its time"
    ending = inner.add_parser("end", help=about, epilog=SETTINGS_HELP, description=f"{about.capitalize()}.")
    ending.add_argument(
        "silence",
        type=name,
        metavar="ID",
        help="the id of the silence, as `list` prints it, or its beginning if no other one's id begins like this",
    )
    add_giver(ending)
    ending.set_defaults(run=with_kafka(_end))


def _add_add(inner: Commands) -> None:
    parser = inner.add_parser(
        "add",
        help="hold notices back until a time",
        description="Adds a silence, or changes the one that --id names. What it holds back comes in one digest when "
        "it is over.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--match",
        type=_matcher,
        action="append",
        required=True,
        metavar="WHAT=VALUE",
        help=f"hold back the notices that fit; WHAT is {', '.join(_MATCHERS)}. The option may be repeated: a notice "
        "has to fit every WHAT that is given, and one of its values is enough. Without a severity, critical notices "
        "are not held back",
    )
    parser.add_argument(
        "--until",
        type=time,
        required=True,
        metavar="TIME",
        help=f"when the silence is over, such as 2026-12-01T08:00+01:00; {TIME_HELP}",
    )
    parser.add_argument(
        "--reason",
        type=partial(printable, longest=LONGEST_REASON),
        required=True,
        help="why; receivers read it in the digest at the end",
    )
    parser.add_argument("--id", type=name, metavar="ID", help="the id of the silence (default: a new one)")
    add_giver(parser)
    parser.set_defaults(run=with_kafka(_add))


def _add_list(inner: Commands) -> None:
    parser = inner.add_parser(
        "list",
        help="list silences: the one that is over first comes first",
        description="Lists the silences that hold notices back now; with --all, also those that are over.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("--all", action="store_true", help="list those that are over, too")
    parser.add_argument(
        "--held",
        action="store_true",
        help="also print how many notices each silence holds back, and when the last of them came; this reads the "
        "changelogs of the role notify",
    )
    parser.add_argument("--json", action="store_true", help="print each silence as JSON, one per line")
    parser.set_defaults(run=with_kafka(_list))


def _matcher(text: str) -> tuple[str, str]:
    what, _, value = text.partition("=")
    if what not in _MATCHERS or not value.strip():
        raise argparse.ArgumentTypeError(f"{text} is not WHAT=VALUE, where WHAT is {', '.join(_MATCHERS)}")
    return _MATCHERS[what], value


def _match(given: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the matchers of a command."""
    found: dict[str, Any] = {}
    for key, value in given:
        if key == "segment":
            if key in found:
                raise Rejected(Reason.WRONG_TYPE, "segment: a silence has one segment, and all segments below it")
            found[key] = value
        else:
            found.setdefault(key, []).append(value)
    return found


async def _add(args: argparse.Namespace, settings: Settings) -> int:
    until = with_offset(args.until, settings)
    try:
        match = _match(args.match)
        Silencing(SilenceMatch.model_validate_json(json.dumps(match)))
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        print(f"--match {_WORDS[str(problem['loc'][0])]}: {expectation(problem)}", file=sys.stderr)
        return Exit.WRONG
    except Rejected as rejected:
        print(f"--match {rejected.detail}", file=sys.stderr)
        return Exit.WRONG
    unknown = set(match.get("receivers", [])) - settings.routing.receivers.keys()
    for receiver in sorted(unknown):
        print(
            f"warning: the settings have no receiver {receiver!r}; the silence holds nothing of it back",
            file=sys.stderr,
        )
    silence_id = args.id or str(uuid4())
    wanted = {"match": match, "until": until.isoformat(), "reason": args.reason}
    answer = await _give(args, settings, silence_id, SilenceAction.ADD, wanted)
    said = f"silence {silence_id} holds notices back until {_time(until, time_zone(settings))}"
    return not_answered(args) if answer is None else _say(answer, said, as_json=args.json)


async def _end(args: argparse.Namespace, settings: Settings) -> int:
    known = await known_silences(settings)
    if known is None:
        return Exit.FAILED
    found = _beginning_with(known, args.silence)
    if len(found) > 1:
        ids = ", ".join(sorted(found)[:_MOST_IDS])
        print(f"{len(found)} silences have an id that begins with {args.silence}: {ids}", file=sys.stderr)
        return Exit.FAILED
    silence_id = found[0] if found else args.silence  # the worker answers that it does not know this one
    answer = await _give(args, settings, silence_id, SilenceAction.END, {})
    said = f"silence {silence_id} is over"
    return not_answered(args) if answer is None else _say(answer, said, as_json=args.json)


def _beginning_with(known: KnownSilences, beginning: str) -> list[str]:
    """Return the ids that begin with a text: the one that is equal to it, or else those of silences that hold back."""
    if known.find(beginning) is not None:
        return [beginning]
    now = SystemClock().now()
    silences = [one for one in known.all() if one.state.silence_id.startswith(beginning)]
    return [one.state.silence_id for one in [one for one in silences if one.hold.until > now] or silences]


async def _give(
    args: argparse.Namespace, settings: Settings, silence_id: str, action: SilenceAction, wanted: dict[str, Any]
) -> SilenceCommandResult | None:
    command = {
        **given(args),
        "silence_id": silence_id,
        "action": action,
        **wanted,
    }
    key, read = silence_id.encode(), SilenceCommandResult.model_validate_json
    return await ask(settings.kafka, silence_topics(settings.topic_prefix), key, command, args.timeout, read)


def _say(answer: SilenceCommandResult, said: str, *, as_json: bool) -> int:
    is_refused = answer.outcome == "refused"
    if as_json:
        print(answer.model_dump_json())
    elif is_refused:
        print(f"refused ({answer.reason}): {answer.detail}", file=sys.stderr)
    else:
        print(f"{'nothing to do, since it is so already: ' if answer.outcome == 'unchanged' else ''}{said}")
    return Exit.FAILED if is_refused else Exit.FINE


async def known_silences(settings: Settings) -> KnownSilences | None:
    """Return the silences that the worker has; None, after saying what to do, if their topic does not exist."""
    topic = topics.topic_name(settings.topic_prefix, events.SILENCES)
    if not await topic_exists(settings.kafka, topic):
        return None
    known = KnownSilences()
    async with reading.reader(settings.kafka) as reader:
        partitions = await reader.partitions(topic)
        starts, ends = await reader.starts(topic, partitions), await reader.ends(topic, partitions)
        spans = {partition: (starts[partition], ends[partition]) for partition in partitions}
        async with aclosing(reader.read(topic, spans)) as chunks:
            async for records in chunks:
                for record in records:
                    try:
                        known.take(record.key or b"", record.value)
                    except (ValidationError, Rejected):
                        print(f"{topic}: offset {record.offset} is no silence of this version", file=sys.stderr)
    return known


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    known = await known_silences(settings)
    if known is None:
        return Exit.FAILED
    now = SystemClock().now()
    found = [one for one in known.all() if args.all or one.hold.until > now]
    found.sort(key=lambda one: (one.hold.until, one.hold.silence_id))
    held = await held_back(settings) if args.held else None
    for one in found:
        waits = None if held is None else held.get(one.state.silence_id, Waiting())
        line = _line(one, now, waits, time_zone(settings))
        print(_json(one.state, waits) if args.json else terminal.fitting(line, terminal.width()))
    if not found:
        print("there are no silences" if args.all else "nothing is held back by a silence now", file=sys.stderr)
    return Exit.FINE


async def held_back(settings: Settings) -> dict[str, Waiting]:
    """Return what silences hold back now, by their ids. What waits for its digest counts, also after the end."""
    found: dict[str, Waiting] = {}
    tables = [(role, table) for role, names in topics.tables(settings).items() for table in names if role != "process"]
    async with reading.reader(settings.kafka) as reader:
        for role, table in tables:
            changelog = topics.changelog_name(settings.kafka.group, role, table)
            partitions = await reader.partitions(changelog)
            for state in (await changelogs.states(reader, changelog, partitions)).values() if partitions else ():
                for silence_id, waiting in waiting_in(state.rows).items():
                    known = found.get(silence_id, Waiting())
                    found[silence_id] = Waiting(known.number + waiting.number, max(known.last, waiting.last))
    return found


def _json(state: Silence, waits: Waiting | None) -> str:
    body = state.model_dump(mode="json")
    if waits is not None:
        last = from_ms(waits.last).isoformat() if waits.number else None
        body |= {"held": waits.number, "last_held_at": last}
    return printable_json(body)


def _line(one: Known, now: int, waits: Waiting | None, zone: tzinfo) -> str:
    state = one.state
    if one.hold.until > now:
        word = f"until {_time(state.until, zone)}"
    elif state.ended_at is None:
        word = f"over since {_time(state.until, zone)}"
    else:
        word = f"ended by {state.changed_by} at {_time(state.ended_at, zone)}"
    parts = [state.silence_id, word, f"added by {state.created_by}", _matchers(state), state.reason]
    if waits is not None:
        parts.append(
            f"holds {waits.number} back" + (f", the last of {_time(from_ms(waits.last), zone)}" if waits.number else "")
        )
    return "  ".join(map(on_one_line, parts))


def _time(when: datetime, zone: tzinfo) -> str:
    return when.astimezone(zone).isoformat(timespec="minutes").replace("+00:00", "Z")


def _matchers(state: Silence) -> str:
    """Return the matchers as --match has them."""
    given = [
        (_WORDS[key], value)
        for key, values in state.match.model_dump(mode="json").items()
        for value in ([values] if isinstance(values, str) else values)
        if value
    ]
    return " ".join(f"{word}={value}" for word, value in given)
