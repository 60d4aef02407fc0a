"""The commands of the command line: one file each, with its arguments and what it does.

A file's `add` declares the command and sets the function that runs it, which returns the exit code.
"""

from worker.commands import (
    alerts,
    check_config,
    dead_letters,
    demo,
    health,
    loop,
    new_epoch,
    publish,
    rebuild,
    routes,
    run,
    scores,
    settings,
    take_over,
    topics,
)

#: In the order in which the help lists them.
COMMANDS = (
    run,
    publish,
    scores,
    alerts,
    loop,
    dead_letters,
    check_config,
    routes,
    settings,
    health,
    topics,
    rebuild,
    new_epoch,
    take_over,
    demo,
)
