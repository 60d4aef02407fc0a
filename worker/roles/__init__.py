"""The composition roots: one file for each role, and what a role needs in addition to the engine of streams/."""

from typing import Literal, get_args

#: A role. The name of one that is a consumer group is a part of the group's id, and of the names of its changelogs.
RoleName = Literal["process", "notify", "web", "receive"]
#: What `--role` takes: one role, or `all`.
Role = Literal["process", "notify", "web", "receive", "all"]

NAMES: tuple[RoleName, ...] = get_args(RoleName)
#: The roles of `all`. The roles web and receive are not among them, so that a worker listens on no port unless it is
#: told to.
_ALL: tuple[RoleName, ...] = ("process", "notify")


def names(role: Role) -> tuple[RoleName, ...]:
    """Return the roles that a process runs."""
    return _ALL if role == "all" else (role,)
