"""The commands of the command line: one file each, with its arguments and what it does.

A file's `add` declares the command and sets the function that runs it, which returns the exit code.
"""

from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Protocol, cast

from worker.commands.common import Commands

#: The commands, in the order in which the help lists them.
NAMES = (
    "run",
    "publish",
    "import",
    "scores",
    "alerts",
    "silences",
    "loop",
    "dead-letters",
    "check-config",
    "routes",
    "receive",
    "replay",
    "settings",
    "hash-password",
    "health",
    "topics",
    "rebuild",
    "new-epoch",
    "take-over",
    "copy",
    "demo",
)


class Command(Protocol):
    """A command's file."""

    def add(self, commands: Commands) -> None:
        """Declare the command."""


def commands_for(arguments: Sequence[str]) -> list[Command]:
    """Return the command that the arguments begin with; all commands if they begin with another word.

    A command needs only some of what the others import, and to import everything takes a second.
    """
    names = arguments[:1] if arguments and arguments[0] in NAMES else NAMES
    return [cast(Command, import_module(f"worker.commands.{_module(name)}")) for name in names]


def _module(name: str) -> str:
    """Return the name of a command's file. It cannot be a word of Python."""
    return f"{name}_file" if iskeyword(name) else name.replace("-", "_")
