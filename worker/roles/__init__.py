"""The roles of a worker: their names, and which of them one process runs."""

from typing import Literal

#: What `--role` takes: one role, or all of them in one process.
Role = Literal["process", "notify", "all"]
