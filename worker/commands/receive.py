"""`receive`: the sources of the settings, and what a delivery of a survey tool becomes, without Kafka."""

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from worker.clock import SystemClock
from worker.commands.common import (
    SETTINGS_HELP,
    TIME_HELP,
    Commands,
    Exit,
    content_of,
    file,
    file_or_input,
    time,
    with_offset,
    with_settings,
)
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.admission import admitted
from worker.flow.responses.formats.merging import Known, merge
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcome, Part, Refused
from worker.flow.text import on_lines, on_one_line, printable_json
from worker.flow.timestamps import to_ms
from worker.receive.deliveries import Deliveries
from worker.receive.settings import SourceSettings
from worker.receive.setup import easier, steps, url_of
from worker.receive.signatures import MEANING, Request, Scheme, Unauthentic
from worker.settings import Settings

_COLUMNS = 80


class _Given(NamedTuple):
    """A delivery of the command line. `lacks`: what is missing to verify it; empty if nothing is."""

    request: Request
    lacks: str = ""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "receive",
        help="list the survey tools of the settings, and show what a delivery of one becomes",
        description="Shows the sources of the settings ([[receive.sources]]), and what they deliver.",
        epilog=SETTINGS_HELP,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    sources = actions.add_parser(
        "sources",
        help="list the path of each source, and what to enter in the tool",
        description="Lists the path of each source, and what to enter in the survey tool. Secrets are not printed.",
        epilog=SETTINGS_HELP,
    )
    sources.set_defaults(run=with_settings(_sources))
    _add_test(actions)


def _add_test(actions: Any) -> None:
    test = actions.add_parser(
        "test",
        help="show what a delivery becomes, and why",
        description="Shows what a delivery of a survey tool becomes, and why. The command publishes nothing, and needs "
        "no Kafka. It checks a signature or a secret only if the headers or the address with it are given. "
        "Exit codes: 0: nothing is wrong; 1: an answer is refused, or the signature is wrong; 2: wrong usage or "
        "settings.",
        epilog=SETTINGS_HELP,
    )
    test.add_argument("source", metavar="SOURCE", help="the name of the source in the settings")
    test.add_argument(
        "file", type=file_or_input, metavar="FILE", help="a file with the body of a request; - reads the standard input"
    )
    test.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header of the request; the option can be repeated",
    )
    test.add_argument(
        "--delivery",
        action="store_true",
        help="the file has whole requests as JSON: an object with raw_body, headers and perhaps uri, a list of such "
        "objects, or an object with such a list as deliveries",
    )
    test.add_argument(
        "--url",
        default="",
        metavar="URL",
        help="the address to which the tool has posted: HubSpot signs it, and it ends in the secret of secret-path",
    )
    test.add_argument(
        "--fetched",
        type=_named_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a file with the answer of the tool's API to a request that the output names; the option can be repeated",
    )
    test.add_argument(
        "--at",
        type=time,
        metavar="TIME",
        help="check the time of the signature as if the request arrived at this time, such as 2026-03-02T10:00+01:00 "
        f"(default: now); {TIME_HELP}",
    )
    test.add_argument("--json", action="store_true", help="print one line of JSON for each outcome")
    test.set_defaults(run=partial(_with_parser, test))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError("must be 'NAME: VALUE'")
    return name.strip().lower(), value.strip()


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("must be NAME=FILE")
    return name, file(path)


def _sources(args: argparse.Namespace, settings: Settings) -> int:
    del args
    if not settings.receive.sources:
        print("there are no sources: add [[receive.sources]] to the settings, as docs/sources.md says", file=sys.stderr)
    for source in settings.receive.sources:
        print(f"{source.name}: {source.of_tool.title}")
        print(f"  path       {source.path}")
        print(f"  address    {url_of(source, settings.receive.public_url)}")
        scheme, header = source.signing
        print(f"  signature  {scheme}{f', header {header}' if header else ''}")
        if hint := easier(source.tool):
            print(_wrapped(f"  {hint}", "  "))
        for number, step in enumerate(steps(source, settings.receive.public_url), 1):
            print(_wrapped(f"  {number}. {step}", "     "))
    return Exit.FINE


def _wrapped(text: str, indent: str) -> str:
    """Return a text in lines of at most 80 columns. Addresses and names of settings are not broken."""
    return fill(text, _COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _with_parser(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    return with_settings(partial(_test, parser))(args)


def _test(parser: argparse.ArgumentParser, args: argparse.Namespace, settings: Settings) -> int:
    source = settings.receive.source(args.source)
    if source is None:
        known = ", ".join(one.name for one in settings.receive.sources) or "there are none"
        print(f"no source is called {args.source}; the sources are: {known}", file=sys.stderr)
        return Exit.WRONG
    given = _deliveries(parser, args, source)
    now = SystemClock().now() if args.at is None else to_ms(with_offset(args.at, settings))
    fetched = {name: path.read_bytes() for name, path in args.fetched}
    shown = _Shown(settings, source, fetched, now, as_json=args.json)
    for number, one in enumerate(given, 1):
        if len(given) > 1 and not args.json:
            print(f"delivery {number}")
        shown.delivery(one)
    # What is not authentic is not read, so nothing has to be fetched for it.
    if not shown.is_wrong and (vain := sorted(fetched.keys() - shown.asked)):
        asked = ", ".join(sorted(shown.asked)) or "there are none"
        print(f"--fetched: no request is called {', '.join(vain)}; the requests are: {asked}", file=sys.stderr)
        return Exit.WRONG
    return Exit.FAILED if shown.is_wrong else Exit.FINE


def _deliveries(parser: argparse.ArgumentParser, args: argparse.Namespace, source: SourceSettings) -> list[_Given]:
    content = content_of(args.file)
    if not args.delivery:
        headers = dict(args.header)
        request = Request(content, headers, url=args.url, path_secret=_path_secret(args.url, source))
        return [_Given(request, _lacks(request, source.signing.scheme))]
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        parser.error(f"{args.file}: is not JSON, which --delivery needs")
    if isinstance(found, dict):
        found = found.get("deliveries", [found])
    if not isinstance(found, list) or not found or not all(map(_is_delivery, found)):
        parser.error(f"{args.file}: each delivery must be an object with raw_body, a text, and headers, an object")
    return [_whole(one, args, source) for one in found]


def _lacks(request: Request, scheme: Scheme) -> str:
    """Return what a request lacks by which its sender could be verified, and the options that add it."""
    if scheme is Scheme.QUALTRICS:  # the signature is inside the body
        return ""
    if scheme is Scheme.SECRET_PATH:
        return "" if request.url else "the address, which ends in the secret, is not given (--url)"
    if request.headers.keys() - {"content-type"}:
        return ""
    return f"no header says who has sent it (--header{' and --url' if scheme is Scheme.HUBSPOT_V3 else ''})"


def _is_delivery(given: Any) -> bool:
    if not isinstance(given, dict) or not isinstance(given.get("raw_body"), str):
        return False
    headers = given.get("headers", {})
    return isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())


def _whole(given: Mapping[str, Any], args: argparse.Namespace, source: SourceSettings) -> _Given:
    headers = {name.lower(): value for name, value in given.get("headers", {}).items()} | dict(args.header)
    url = args.url or str(given.get("uri", ""))
    body = given["raw_body"].encode(errors="surrogatepass")
    return _Given(Request(body, headers, url=url, path_secret=_path_secret(url, source)))


def _path_secret(url: str, source: SourceSettings) -> str:
    """Return the part of an address that follows the path of a source."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    beginning = f"{source.path}/"
    return path.removeprefix(beginning) if path.startswith(beginning) else ""


class _Shown:
    """Prints what deliveries become, one after the other, with what is known of their answers by then."""

    def __init__(
        self, settings: Settings, source: SourceSettings, fetched: Mapping[str, bytes], now: int, *, as_json: bool
    ) -> None:
        self._deliveries = Deliveries(settings.receive)
        self._intake = settings.intake
        self._source = source
        self._fetched = fetched
        #: When the deliveries arrived, in ms.
        self._now = now
        self._as_json = as_json
        self._known: dict[str, Known] = {}
        #: Whether something was refused.
        self.is_wrong = False
        #: The names of the requests to the tool's API that were shown.
        self.asked: set[str] = set()

    def delivery(self, given: _Given) -> None:
        """Print the outcomes of a delivery."""
        name = self._source.name
        if given.lacks:
            self._line("signature", f"not checked, since {given.lacks}", {"signature": None})
            found: Unauthentic | tuple[Outcome, ...] = self._deliveries.read_unverified(
                name, given.request._replace(arrived_at=self._now)
            )
        else:
            found = self._deliveries.read(name, given.request, self._now)
        if isinstance(found, Unauthentic):
            self.is_wrong = True
            said = {"outcome": "unauthentic", "reason": found, "detail": MEANING[found]}
            self._line("signature", f"not authentic: {found}: {MEANING[found]}", said)
            return
        if not given.lacks and not self._as_json:
            print(f"signature  fine ({self._source.signing.scheme})")
        for outcome in found:
            self._outcome(outcome)

    def _outcome(self, outcome: Outcome) -> None:
        if isinstance(outcome, Fetch):
            self._fetch(outcome)
            return
        if isinstance(outcome, Accepted | Part):
            response_id = outcome.response_id
            self._known[response_id], outcome = merge(self._known.get(response_id, Known()), outcome)
        if isinstance(outcome, Accepted):
            outcome = admitted(outcome, self._now, self._intake)
        if isinstance(outcome, Accepted):
            key = "none: the answer is anonymous" if outcome.key is None else on_one_line(outcome.customer_id)
            head = f"{on_one_line(outcome.response_id)}, revision {outcome.revision}, key {key}"
            fields = printable_json(outcome.fields, indent=2)
            key_or_none = None if outcome.key is None else outcome.customer_id
            said = {"outcome": "response", "key": key_or_none, "value": outcome.fields, "left_out": outcome.left_out}
            self._line("response", f"{head}\n{fields}", said)
            if outcome.left_out and not self._as_json:
                self._line("left out", f"{', '.join(outcome.left_out)}: no response can have these values", {})
        elif isinstance(outcome, Ignored):
            said = {"outcome": "ignored", "reason": outcome.why, "detail": outcome.detail}
            self._line("ignored", _reason(outcome.why, outcome.detail), said)
        else:
            self._refused(outcome)

    def _refused(self, outcome: Refused) -> None:
        self.is_wrong = True
        said = {"outcome": "refused", "reason": outcome.reason, "detail": outcome.detail}
        self._line("refused", _reason(outcome.reason, outcome.detail), said)

    def _fetch(self, outcome: Fetch) -> None:
        self.asked |= outcome.gets.keys()
        for name, get in outcome.gets.items():
            self._line("fetch", f"{name}: {_address(get)}", {"outcome": "fetch", "name": name, "get": _address(get)})
        if outcome.gets.keys() <= self._fetched.keys():
            for one in self._deliveries.read_fetched(self._source.name, outcome, self._fetched):
                # A further page cannot be shown, since it would be the same file again.
                if not isinstance(one, Fetch):
                    self._outcome(one)

    def _line(self, word: str, text: str, said: Mapping[str, Any]) -> None:
        print(printable_json(said) if self._as_json else f"{word:<10} {on_lines(text)}")


def _reason(word: str, detail: str) -> str:
    return f"{word}: {detail}" if detail else word


def _address(get: Get) -> str:
    query = "&".join(f"{name}={value}" for name, value in get.query.items())
    return f"GET {get.path}{f'?{query}' if query else ''}"
