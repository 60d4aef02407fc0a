"""The composition roots: one file a role, and what a role has beside the engine of streams/."""

from typing import Literal

#: What `--role` takes: one role, or all of them in one process.
Role = Literal["process", "notify", "all"]
