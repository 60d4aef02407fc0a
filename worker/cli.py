"""The command line: `python -m worker …`."""

import argparse
import asyncio
import difflib
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import get_args

from aiokafka.errors import KafkaError

from worker import logs, maintenance, reference, status
from worker.app import Role, run
from worker.errors import Fatal, Refused, SettingsError, StillRunning, Unreachable
from worker.flow import outbox
from worker.flow.lineage import spelled, survey_of
from worker.notify.channels.email import EmailChannel
from worker.nps.windows import WINDOWS
from worker.publishing import lines, publish
from worker.scores.latest import latest
from worker.scores.table import table
from worker.scores.tree import branches
from worker.settings import CONFIG_VARIABLE, Settings, load
from worker.streams.connection import ssl_context
from worker.streams.topics import topic_name

_WRONG_SETTINGS = 2
#: What the scores show unless asked: long enough to be sure of, short enough to be about now.
_WINDOW = "90d"
_SETTINGS_HELP = (
    f"Settings come from worker.toml (or the file that {CONFIG_VARIABLE} names) and NPS_ variables, which win."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 fine, 1 failed, 2 wrong usage or settings."""
    asked = _parser().parse_args(arguments)
    if asked.command == "demo":
        return _demo(asked)
    if asked.command == "settings":
        print(reference.example(), end="")
        return 0
    try:
        settings = load()
        ssl_context(settings.kafka)
        EmailChannel(settings.smtp)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return _WRONG_SETTINGS
    return _with_settings(asked, settings)


def _with_settings(asked: argparse.Namespace, settings: Settings) -> int:
    if asked.command == "check-config":
        print(_summary(settings))
        return 0
    if asked.command == "health":
        return _health(settings, asked.role)
    logs.configure(settings.log_level)
    if asked.command == "scores":
        return asyncio.run(_scores(settings, asked))
    if asked.command == "publish":
        return asyncio.run(_publish(settings, asked.file))
    if asked.command == "take-over":
        return asyncio.run(_maintain(settings, maintenance.take_over(settings)))
    return asyncio.run(run(settings, asked.role))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Turns NPS responses on Kafka into alerts, e-mails, invitations and rolling scores.",
        epilog=_SETTINGS_HELP,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    running = commands.add_parser("run", help="run the worker until SIGTERM or Ctrl-C", epilog=_SETTINGS_HELP)
    publishing = commands.add_parser("publish", help="publish a file's lines as responses, each as one record's value")
    publishing.add_argument("file", type=_file, help="a file with one response per line (JSON Lines)")
    scores = commands.add_parser(
        "scores",
        help="show a segment's NPS and what drags it down",
        description="Shows a segment and those below it, what takes most from their parent's NPS first. `drag` is how "
        "many points of the parent's NPS a segment adds or takes; * marks one that differs from the rest of its parent "
        "by more than chance explains.",
        epilog=_SETTINGS_HELP,
    )
    scores.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="the segment, such as fr/shop-3; default: all"
    )
    scores.add_argument("--tree", action="store_true", help="go all the way down, not only one step")
    scores.add_argument("--surveys", action="store_true", help="what is below the root are the surveys, not segments")
    scores.add_argument(
        "--window",
        choices=WINDOWS,
        default=_WINDOW,
        help=f"which answers: {', '.join(WINDOWS)} (default: {_WINDOW})",
        metavar="W",
    )
    commands.add_parser("check-config", help="check the settings and say what they come to", epilog=_SETTINGS_HELP)
    commands.add_parser("settings", help="print a worker.toml with every setting, its meaning and its default")
    running.add_argument(
        "--role",
        choices=get_args(Role),
        default="all",
        help="process: decide and count; notify: send mail; all: both in one process (default)",
    )
    health = commands.add_parser("health", help="exit 0 if the workers on this machine are alive and ready")
    health.add_argument("--role", choices=get_args(Role), help="only of this role; default: whichever are running")
    commands.add_parser(
        "take-over",
        help="make kafka.group the owner of the topics in place of another group, whose workers are stopped for good",
        description="Makes kafka.group the owner of the topics of topic_prefix, in place of the group that owns them. "
        "That group's workers must be stopped. Its state and its place stay behind: the new group reads what is "
        "retained from the beginning, so that retained answers are counted and mailed once more.",
        epilog=_SETTINGS_HELP,
    )
    demo = commands.add_parser("demo", help="a Kafka, an inbox, the worker and sample responses, on this machine only")
    demo.add_argument("--once", action="store_true", help="publish everything, wait until it is processed, and exit")
    demo.add_argument(
        "--input", type=_file, metavar="FILE", help="responses to publish, one per line; default: samples"
    )
    demo.add_argument("--json", action="store_true", help="with --once: print the result as one line of JSON")
    demo.add_argument(
        "--kafka", metavar="HOST:PORT", help="use this Kafka, with topics of its own, instead of an embedded one"
    )
    demo.add_argument("--rate", type=float, default=4.0, metavar="N", help="responses per second (default: 4)")
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return path


def _summary(settings: Settings) -> str:
    kafka, smtp = settings.kafka, settings.smtp
    return "\n".join(
        [
            f"kafka    {kafka.bootstrap_servers} ({kafka.security_protocol}), group {kafka.group}",
            f"topics   {settings.topic_prefix}.*",
            f"mail     {smtp.host}:{smtp.port} (tls: {smtp.tls}), from {settings.email.sender}",
            *(
                f"route    {route.name}: {route.segment or 'every segment'}, "
                f"{' or '.join(route.kinds) + ', ' if route.kinds else ''}{route.min_severity} and up, "
                f"{len(route.to)} receiver{'s' if len(route.to) > 1 else ''}"
                for route in settings.email.all_routes()
            ),
            "settings are fine",
        ]
    )


def _health(settings: Settings, role: str | None) -> int:
    roles = get_args(Role) if role is None else [role]
    problem = status.problem({name: settings.status_path(name) for name in roles})
    print(problem or "alive and ready")
    return 1 if problem else 0


async def _scores(settings: Settings, asked: argparse.Namespace) -> int:
    topic = topic_name(settings.topic_prefix, outbox.SCORES)
    try:
        found = await latest(settings.kafka, topic)
    except (Unreachable, Refused, KafkaError) as error:
        return _kafka_failed(settings, error)
    path = "" if asked.surveys else spelled(asked.path)
    if path not in found:
        known = ", ".join(name for name in difflib.get_close_matches(path, found) if survey_of(name) is None)
        hint = f"did you mean {known}?" if known else "see them all with --tree" if found else "has the worker run?"
        print(f"{topic} has no scores of {path or 'any segment'}; {hint}", file=sys.stderr)
        return 1
    depth = None if asked.tree else 1
    shown = branches(found, path, asked.window, depth=depth, surveys=asked.surveys)
    print(table(shown, colours=sys.stdout.isatty()))
    return 0


async def _maintain(settings: Settings, work: Coroutine[None, None, str]) -> int:
    """Have something done while no worker runs, and say what was done."""
    try:
        print(await work)
    except (Unreachable, Refused, KafkaError) as error:
        return _kafka_failed(settings, error)
    except (Fatal, StillRunning) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _publish(settings: Settings, path: Path) -> int:
    def progress(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count} published", end="", file=sys.stderr, flush=True)

    topic = topic_name(settings.topic_prefix, outbox.RESPONSES)
    try:
        count = await publish(settings.kafka, topic, lines(path), progress)
    except (Unreachable, Refused, KafkaError) as error:
        return _kafka_failed(settings, error)
    print(f"\r{count} published to {topic}")
    return 0


def _kafka_failed(settings: Settings, error: Unreachable | Refused | KafkaError) -> int:
    """Say why a command got no further; return its exit code."""
    if isinstance(error, KafkaError):
        print(f"\n{settings.kafka.bootstrap_servers}: {type(error).__name__}; is Kafka there?", file=sys.stderr)
    else:
        print(error, file=sys.stderr)
    return 1


def _demo(asked: argparse.Namespace) -> int:
    try:
        from worker.demo import show  # noqa: PLC0415 - the demo's packages are an extra
    except ModuleNotFoundError as error:
        print(f"the demo needs the package {error.name}: pip install 'detractor-worker[embedded]'", file=sys.stderr)
        return 1
    return show.main(once=asked.once, path=asked.input, as_json=asked.json, rate=asked.rate, kafka=asked.kafka)
