"""`hash-password`: the hash of a password with which somebody logs in on the page."""

import argparse
import getpass
import sys

from worker.access.passwords import LONGEST, SHORTEST, hash_of
from worker.commands.common import Commands, Exit


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "hash-password",
        help="print the hash of a password for web.auth.users",
        description="Asks for a password, and prints its hash (argon2id), which is the value of "
        "web.auth.users.NAME.password_hash. If the input is no terminal, its first line is the password. "
        "docs/page.md describes the login of the page.",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    del args
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            print("the two passwords differ", file=sys.stderr)
            return Exit.FAILED
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(password) <= LONGEST:
        print(f"the password must have {SHORTEST} to {LONGEST:,} characters", file=sys.stderr)
        return Exit.FAILED
    print(hash_of(password))
    return Exit.FINE
