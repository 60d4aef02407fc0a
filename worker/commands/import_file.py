"""`import` publishes the rows of a file as responses: a survey tool's export, a table of your own, or JSON lines."""

import argparse
import asyncio
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

from schemas.dead_letter import Reason
from worker.clock import SystemClock
from worker.commands.common import (
    SETTINGS_HELP,
    STANDARD_INPUT,
    Commands,
    Exit,
    file_or_input,
    topic_exists,
    with_kafka,
)
from worker.detect.scales import HIGHEST, answers_on_short_scale
from worker.flow import events
from worker.flow.responses.formats.outcome import Accepted, Ignored, Refused
from worker.flow.responses.formats.source import FIELDS
from worker.flow.responses.formats.times import format_problem
from worker.flow.text import printable_json
from worker.flow.timestamps import DAY
from worker.importing.encoding import CP_1252
from worker.importing.exports import EXPORTS
from worker.importing.file import File, file_of, opened
from worker.importing.reading import Repeats
from worker.importing.rejected import NotWritten, Rejected
from worker.importing.rows import Row
from worker.importing.table import Options, Table, columns, shown, table_of
from worker.kafka.publishing import publish
from worker.kafka.topics import topic_name
from worker.logs import counted
from worker.notify.content.readers import zone
from worker.nps import histogram
from worker.settings import Settings

#: The largest number of refused rows that are printed, and of responses that --dry-run shows.
_PROBLEMS_SHOWN, _RESPONSES_SHOWN = 100, 10
_PROGRESS_EVERY = 1_000
_TAB = {"tab": "\t"}
#: A time at midnight, in every form in which the worker accepts times: `datetime.fromisoformat` reads fewer of them.
_MIDNIGHT = re.compile(r"\d{4}-\d\d-\d\d.00:00(:00([.,]0+)?)?(?![\d:.,])")


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "import",
        help="publish the answers in a file: a survey tool's export, a table of your own, or JSON lines",
        description="Publishes each row of a CSV file, or each line of JSON, as one response. The same file can be "
        "imported again: an answer that is known counts once. Begin with --dry-run. docs/import.md describes it. Exit "
        "codes: 0: all rows are fine; 1: some were refused, there was no answer, or Kafka failed; 2: wrong usage, "
        "settings or file.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("file", type=file_or_input, metavar="FILE", help="the file; - reads the standard input")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--tool", choices=sorted(EXPORTS), help="the file is a CSV export of this survey tool")
    how.add_argument(
        "--map",
        metavar="MAP",
        help="a TOML file with a mapping, or the name of a source of the settings that has one. Without --tool and "
        "--map, the columns have the names of the fields",
    )
    parser.add_argument(
        "--column",
        type=_assignment,
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="the column that has a field of the response, such as 'score=How likely are you to recommend us?'; the "
        "option can be repeated",
    )
    parser.add_argument("--survey", metavar="ID", help="the survey's id of all responses")
    parser.add_argument(
        "--unknown-customers",
        choices=("refuse", "anonymous"),
        help="what becomes of an answer if nothing says who has given it (default: refuse)",
    )
    parser.add_argument(
        "--date-format",
        type=_date_format,
        metavar="FORMAT",
        help="how times are written, such as '%%d/%%m/%%Y %%H:%%M'",
    )
    parser.add_argument(
        "--time-zone", type=_zone, metavar="ZONE", help="the zone of times without an offset, such as Europe/Paris"
    )
    parser.add_argument(
        "--delimiter", type=_delimiter, metavar="CHARACTER", help="what is between the cells; tab for a tab"
    )
    parser.add_argument("--encoding", type=_encoding, metavar="NAME", help="the encoding of the file, such as cp1252")
    parser.add_argument(
        "--history",
        action="store_true",
        help="the answers are of the past: they count, and cause no alert, no invitation and no incident",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="publish nothing, and show the first ten responses and what is wrong with which line",
    )
    parser.add_argument(
        "--rejected", type=Path, metavar="FILE", help="write the rows that are refused to this new file, with reasons"
    )
    parser.set_defaults(run=with_kafka(_import))


def _assignment(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals or not column.strip():
        raise argparse.ArgumentTypeError("must be FIELD=COLUMN")
    if field not in FIELDS:
        raise argparse.ArgumentTypeError(f"{field!r} is no field; the fields are {', '.join(FIELDS)}")
    return field, " ".join(column.split())


def _date_format(text: str) -> str:
    if problem := format_problem(text):
        raise argparse.ArgumentTypeError(problem)
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return zone(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _delimiter(text: str) -> str:
    found = _TAB.get(text, text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError("must be one character, or tab")
    return found


def _encoding(text: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), text).read()
    except (LookupError, UnicodeError):  # names such as hex and undefined are known, and are none of texts
        raise argparse.ArgumentTypeError(f"{text} is not the name of an encoding of texts, such as cp1252") from None
    return text


async def _import(args: argparse.Namespace, settings: Settings) -> int:
    is_input = args.file == STANDARD_INPUT
    name = "standard input" if is_input else str(args.file)
    try:
        binary = opened(None if is_input else args.file)
    except OSError as error:
        print(f"{name}: {error.strerror or type(error).__name__}", file=sys.stderr)
        return Exit.WRONG
    with binary:
        try:
            task = _task(binary, args, settings)
        except ValueError as error:
            print("\n".join(f"{name}: {line}" for line in str(error).splitlines()), file=sys.stderr)
            return Exit.WRONG
        try:
            return await _imported(name, task, settings)
        except NotWritten as error:
            print(error, file=sys.stderr)
            return Exit.FAILED


def _task(binary: IO[bytes], args: argparse.Namespace, settings: Settings) -> "_Task":
    """Return what is to be done. Raise ValueError if the file or the options are wrong."""
    file = file_of(binary, args.encoding)
    if file.encoding == CP_1252 and not args.encoding:
        print("not UTF-8, so it is read as CP-1252: check the accents, or see --encoding", file=sys.stderr)
    found = table_of(file, _options(args), settings.receive)
    return _Task(found, Rejected(args.rejected, found), args.dry_run)


def _options(args: argparse.Namespace) -> Options:
    return Options(
        tool=args.tool,
        map=args.map,
        columns=dict(args.column),
        survey=args.survey,
        unknown_customers=args.unknown_customers,
        date_format=args.date_format,
        time_zone=args.time_zone,
        delimiter=args.delimiter,
        history=args.history,
    )


class _Tally:
    """Counts what the rows become, and prints the refused ones."""

    def __init__(self, now: int, max_age_days: float, *, shows: bool) -> None:
        """Begin to count. `shows`: whether the first responses are printed as well."""
        self._shows = shows
        self._alerted_from = now - max_age_days * DAY
        self.accepted = self.shown = self.fresh = self.at_midnight = 0
        self.repeats = Repeats()
        self.ignored, self.refused, self.left_out = Counter[str](), Counter[str](), Counter[str]()
        self._scores = histogram.empty()

    def take(self, row: Row, outcome: Accepted | Ignored | Refused) -> None:
        """Count what a row has become."""
        if isinstance(outcome, Accepted):
            self.accepted += 1
            self._scores[outcome.fields["score"]] += 1
            self.left_out.update(outcome.left_out)
            self.fresh += outcome.given >= self._alerted_from
            self.at_midnight += _MIDNIGHT.match(outcome.fields["responded_at"]) is not None
            if self._shows and self.shown < _RESPONSES_SHOWN:
                self.shown += 1
                print(f"line {row.line}: {printable_json(outcome.fields)}")
        elif isinstance(outcome, Ignored):
            self.ignored[outcome.why] += 1
        else:
            self.refused[outcome.reason] += 1
            if self.refused.total() <= _PROBLEMS_SHOWN:
                print(f"line {row.line}: {outcome.reason}: {outcome.detail}")

    def print_sums(self) -> None:
        """Print how many rows became what."""
        if self.refused.total() > _PROBLEMS_SHOWN:
            print(f"… and {self.refused.total() - _PROBLEMS_SHOWN:,} more")
        rows = self.accepted + self.ignored.total() + self.refused.total()
        parts = [f"{self.accepted:,} of {counted(rows, 'row is a response', 'rows are responses')}"]
        parts += [f"{count:,} ignored ({why})" for why, count in self.ignored.most_common()]
        parts += [f"{count:,} refused ({reason})" for reason, count in self.refused.most_common()]
        print("; ".join(parts))
        for path, count in self.left_out.most_common():
            print(f"{counted(count, 'response does', 'responses do')} without {path}, since its value is wrong")
        if self.refused.keys() & {Reason.TIME_INVALID, Reason.TIME_NAIVE}:
            print("how times are written, and in which zone, is said with --date-format and --time-zone")
        if answers_on_short_scale(self._scores):
            print(f"no score is above {HIGHEST}: if the scale is not from 0 to 10, do not import these answers")


class _Task(NamedTuple):
    """What is to be done with the rows of a file."""

    table: Table
    #: Where the refused rows are written.
    rejected: Rejected
    #: Whether nothing is published.
    is_dry: bool


async def _imported(name: str, task: _Task, settings: Settings) -> int:
    now, max_age = SystemClock().now(), settings.alerts.max_age_days
    reading, header = task.table.reading, task.table.header
    tally, topic = _Tally(now, max_age, shows=task.is_dry), topic_name(settings.topic_prefix, events.RESPONSES)
    if not task.is_dry and not await topic_exists(settings.kafka, topic):
        return Exit.FAILED
    with task.rejected as rejected:
        values = _values(task.table, tally, rejected, now, settings)
        if task.is_dry:
            await _read(values)
        else:
            await _publish(values, topic, tally, settings)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    tally.print_sums()
    for line in _warnings(task.table, tally):
        print(line)
    if not task.is_dry:
        print(f"{tally.accepted:,} published to {topic}")
    if tally.fresh and not reading.is_history:
        what = counted(tally.fresh, "answer is", "answers are")
        print(f"{what} younger than {max_age:g} days (alerts.max_age_days): detractors among them open alerts")
    if not tally.accepted:
        print(f"{name}: has no answer{'' if header is None else f'; {columns(header)}'}", file=sys.stderr)
        return Exit.FAILED
    return Exit.FAILED if tally.refused else Exit.FINE


async def _read(values: Iterator[bytes]) -> None:
    for number, _ in enumerate(values, 1):
        if number % _PROGRESS_EVERY == 0:
            await asyncio.sleep(0)  # so that Ctrl-C ends it


async def _publish(values: Iterator[bytes], topic: str, tally: _Tally, settings: Settings) -> None:
    """Publish responses. If that is interrupted or fails, say how many may have been published."""
    is_done = False
    try:
        await publish(settings.kafka, topic, values)
        is_done = True
    finally:
        if not is_done and tally.accepted:
            print(f"\nup to {tally.accepted:,} were published to {topic}: import the file again", file=sys.stderr)


def _warnings(table: Table, tally: _Tally) -> Iterator[str]:
    """Yield lines about what may be wrong although the rows are responses."""
    if unused := table.unused:
        yield f"nothing is read from: {shown(unused)}"
    if missing := table.missing:
        yield f"the mapping names what is no column of the file: {shown(missing)}"
    if table.reading.makes_ids and tally.accepted:
        yield _words_about_ids(tally)
    if tally.accepted == tally.at_midnight > 1:
        yield (
            "no answer has a time of day: if one customer has several answers on one day, they look like double clicks "
            "or a mail scanner's, and may not count (bursts)"
        )


def _words_about_ids(tally: _Tally) -> str:
    what = counted(tally.accepted, "response has no id", "responses have no id")
    said = f"{what}: the id is made of what the row has, so a row that is changed is another answer"
    equal = counted(tally.repeats.found, "row is equal to an earlier one", "rows are equal to earlier ones")
    return f"{said}; {equal}, and each counts" if tally.repeats.found else said


def _values(table: Table, tally: _Tally, rejected: Rejected, now: int, settings: Settings) -> Iterator[bytes]:
    """Yield the responses of a file as the values of records."""
    for number, row in enumerate(table.rows(), 1):
        outcome = table.reading.outcome(row, now, settings.intake, tally.repeats)
        tally.take(row, outcome)
        if isinstance(outcome, Accepted):
            yield outcome.value
        elif isinstance(outcome, Refused):
            rejected.write(row, outcome)
        if number % _PROGRESS_EVERY == 0:
            _show_progress(number, table.file)


def _show_progress(number: int, file: File) -> None:
    if sys.stderr.isatty():
        print(f"\r{number:,} rows, {file.share_read:.0%} of the file", end="", file=sys.stderr, flush=True)
