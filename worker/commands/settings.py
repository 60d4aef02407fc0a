"""`settings`: a worker.toml with everything that can be set."""

import argparse

from worker import reference
from worker.commands.common import Commands, Exit


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "settings",
        help="print a worker.toml with every setting, its meaning and its default",
        description="Prints a worker.toml in which every setting is a comment with its meaning and its default. To "
        "change a setting, remove the # before its name and change the value.",
    )
    parser.set_defaults(run=_print)


def _print(args: argparse.Namespace) -> int:
    del args
    print(reference.example(), end="")
    return Exit.FINE
