"""The composition roots: one file for each role, and what a role needs in addition to the engine of streams/."""

from typing import Literal, get_args

#: A role. Its name is a part of the id of its consumer group, and of the names of its changelogs.
RoleName = Literal["process", "notify"]
#: What `--role` takes: one role, or all of them in one process.
Role = Literal["process", "notify", "all"]

NAMES: tuple[RoleName, ...] = get_args(RoleName)


def names(role: Role) -> tuple[RoleName, ...]:
    """Return the roles that a process runs."""
    return NAMES if role == "all" else (role,)
