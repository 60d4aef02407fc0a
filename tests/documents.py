"""What the documents link to, and which commands, options, settings and files they name; and what of it is wrong."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tools import docs
from worker import cli, reference

ROOT = docs.ROOT
#: CHANGELOG.md also names what is gone; all others describe what is there.
PRESENT = [
    *docs.documents(),
    *(ROOT / file for file in ("CONTRIBUTING.md", "SECURITY.md", "bench/README.md", "examples/README.md")),
]
ALL = [*PRESENT, ROOT / "CHANGELOG.md"]

_FENCED = re.compile(r"^```[a-z]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)

_MAKE = re.compile(r"\bmake (?P<target>[a-z]+)\b")
_WORKER = re.compile(r"\bpython3? -m worker (?P<command>[a-z][a-z-]*)")
_OPTION = re.compile(r"(?<![\w-])(?P<option>--[a-z][a-z-]*)(?:[ =](?P<value>\w[\w-]*))?")
_DOTTED = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_VARIABLE = re.compile(r"\bNPS_[A-Z_]+")
_FILE = re.compile(r"(?:worker|schemas|tests|bench|tools|examples|docs)/[\w/.-]*")
#: The program to which `make TARGET ARGS=…` hands options on.
_PROGRAMS = {
    "chaos": "tests/chaos/__main__.py",
    "clients": "tests/clients/__main__.py",
    "bench": "bench/__main__.py",
    "detector": "bench/detector/__main__.py",
}
#: What is no setting although it is written like one: topics, files, Kafka's own configuration, attributes of spans.
_NO_SETTING = re.compile(
    r"nps\..*|.*\.(?:py|toml|md)|min\.insync\.replicas|cleanup\.policy|compression\.type|error\.type"
)


class Link(NamedTuple):
    """A link to a file of the repository; `anchor` is empty for the file as a whole."""

    file: Path
    anchor: str


def name(path: Path) -> str:
    """Return a document's name as people write it."""
    return str(path.relative_to(ROOT))


def links(path: Path, text: str) -> Iterator[Link]:
    """Yield the relative links of a document; what looks like one in code is none."""
    for target in _LINK.findall(_CODE.sub("code", _FENCED.sub("", text))):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield Link((path.parent / file).resolve() if file else path, anchor)


def wrong_links(path: Path, text: str) -> list[str]:
    """Return the links of a document that lead nowhere."""
    wrong = []
    for link in links(path, text):
        if not link.file.exists():
            wrong.append(f"{link.file} does not exist")
        elif link.anchor and link.anchor not in _anchors(link.file.read_text() if link.file != path else text):
            wrong.append(f"{link.file} has no heading #{link.anchor}")
    return wrong


def _anchors(text: str) -> set[str]:
    """Return what may stand behind '#' in a link to a document, as GitHub makes it of the headings."""
    counts: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
        counts[slug] += 1
    return found


def wrong_names(text: str) -> list[str]:
    """Return what a document names that is not there: targets of make, commands, options, settings, files."""
    options = _Options()
    settings, fields = _settings(), _fields_of_a_response()
    wrong: list[str] = []
    for code in _code(text):
        wrong += options.wrong(code)
        if _DOTTED.fullmatch(code) and code not in settings | fields and not _NO_SETTING.fullmatch(code):
            wrong.append(f"setting {code}")
        wrong += [f"variable {found}" for found in _VARIABLE.findall(code) if not _is_variable(found, settings)]
        if _FILE.fullmatch(code) and not (ROOT / code).exists():
            wrong.append(f"file {code}")
    return wrong


def _fields_of_a_response() -> set[str]:
    """Return the names of fields, which are written like settings where they are in an object."""
    return {line.split("`")[1] for line in docs.fields().splitlines() if line.startswith("| `")}


def _code(text: str) -> Iterator[str]:
    """Yield the code of a document: each line of its blocks, and each piece in its prose, which may be wrapped."""
    for block in _FENCED.findall(text):
        yield from block.splitlines()
    prose = _FENCED.sub("", text)
    yield from _INDENTED.findall(prose)
    yield from (" ".join(piece.split()) for piece in _CODE.findall(prose))


def _options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, Any]]:
    """Yield the options of a command, and those of the commands below it, each with the values to choose from."""
    for action in parser._actions:
        yield from ((option, action.choices) for option in action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options_of(below)


class _Options:
    """The options of each command of the worker, and of the programs that make starts."""

    def __init__(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        self._targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
        actions = cli._parser()._actions
        (commands,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))
        self._commands = {command: dict(_options_of(parser)) for command, parser in commands.choices.items()}
        self._programs = {
            target: dict.fromkeys(re.findall(r'"(--[a-z-]+)"', (ROOT / file).read_text()))
            for target, file in _PROGRAMS.items()
        } | {"demo": self._commands["demo"]}

    def wrong(self, code: str) -> Iterator[str]:
        """Yield what a line or a piece of code names that is not there."""
        made, asked = _MAKE.search(code), _WORKER.search(code)
        if made:
            if made["target"] not in self._targets:
                yield code
            elif "ARGS" in code:
                yield from self._unknown(code, [self._programs.get(made["target"], {})])
        elif asked:
            if asked["command"] not in self._commands:
                yield code
            else:
                yield from self._unknown(code[asked.start() :], [self._commands[asked["command"]]])
        elif code.startswith("--"):
            yield from self._unknown(code, [*self._commands.values(), *self._programs.values()])

    @staticmethod
    def _unknown(code: str, programs: list[dict[str, object]]) -> Iterator[str]:
        for found in _OPTION.finditer(code):
            option, value = found["option"], found["value"]
            if option != "--help" and not any(
                option in program and (not value or value.isupper() or _allows(program[option], value))
                for program in programs
            ):
                yield f"{found[0]} in {code}"


def _allows(choices: object, value: str) -> bool:
    return not isinstance(choices, list | tuple | set | range) or value in map(str, choices)


def _settings() -> set[str]:
    """Return every key of the settings, and the tables that they stand in."""
    keys = {setting.key for setting in reference.settings()}
    return keys | {key.rpartition(".")[0] for key in keys}


def _is_variable(variable: str, settings: set[str]) -> bool:
    """Say whether the worker reads this variable of the environment."""
    parts = variable.removeprefix("NPS_").lower().split("__")
    # The user chooses the names of some tables.
    named = (key.split(".") for key in settings)
    return variable == "NPS_CONFIG" or any(
        len(key) == len(parts) and all(one in {part, "NAME"} for one, part in zip(key, parts, strict=True))
        for key in named
    )
