"""What a row of a file becomes: a response, or the reason why it is none. Pure.

The fields of the response are found as in a delivery (docs/sources.md). If nothing finds the id of an answer, it is
made of what the row has, and of how many equal rows the file has before it. So the same row is the same answer in
whichever file it is, and three equal rows of one file are three answers.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from worker.flow.policy import IntakePolicy
from worker.flow.responses.admission import admitted
from worker.flow.responses.formats.canonical import answered, mapped, mapped_ids, reading
from worker.flow.responses.formats.outcome import Accepted, Ignored, Refused
from worker.flow.responses.formats.source import Source
from worker.flow.responses.formats.template import select
from worker.importing.rows import Row

#: The length of an id that is made of a row, in bytes: nobody will see two rows with the same one.
_ID_BYTES = 16
#: How many hexadecimal digits of it tell rows apart.
_KEY_DIGITS = 16


class Repeats:
    """Tells apart the equal rows of one file that have no id."""

    def __init__(self) -> None:
        #: How often each id has come, by its last 64 bits, which take less memory.
        self._times = Counter[int]()
        #: The number of responses that were told apart from an earlier one.
        self.found = 0

    def told_apart(self, found: Accepted) -> Accepted:
        """Return a response whose id is made of its row: with a number after its id if it is not the first one."""
        key = int(found.response_id[-_KEY_DIGITS:], 16)
        self._times[key] += 1
        times = self._times[key]
        if times == 1:
            return found
        self.found += 1
        response_id = f"{found.response_id}-{times}"
        return replace(found, fields={**found.fields, "response_id": response_id}, response_id=response_id)


@dataclass(frozen=True)
class Reading:
    """How rows are read."""

    #: Its mapping says where the fields of a response are.
    source: Source
    #: Whether the ids in the rows stand as they are; otherwise they follow the name of the source.
    has_own_ids: bool = False
    #: Whether the answers are of the past: they count, and nobody is called because of them.
    is_history: bool = False
    #: Whether a mapping says where the fields are; otherwise the names of the columns say it.
    is_mapped: bool = False

    @property
    def makes_ids(self) -> bool:
        """Whether nothing finds the ids of answers, so that they are made of the rows."""
        return "response_id" not in self.source.mapping

    def outcome(self, row: Row, now: int, policy: IntakePolicy, repeats: Repeats) -> Accepted | Ignored | Refused:
        """Return what a row becomes that is published now, in ms.

        `repeats`: that of the file. It has seen the rows before this one.
        """
        if row.refused is not None:
            return row.refused
        [found] = _read(row.values, self)
        assert isinstance(found, Accepted | Ignored | Refused), "a row has neither parts nor anything to fetch"
        if not isinstance(found, Accepted):
            return found
        if self.makes_ids:
            found = repeats.told_apart(found)
        if self.is_history:
            found = replace(found, fields={**found.fields, "history": True})
        return admitted(found, now, policy)


@reading
def _read(values: Mapping[str, Any], how: Reading) -> Accepted:
    source = how.source
    select(values, source)
    found = mapped(source.mapping, values)
    if how.makes_ids:
        found["response_id"] = f"{source.name}:{_id_of(values)}"
    if not how.has_own_ids:
        found |= {**mapped_ids(found, source), "origin.system": source.name}
    return answered(found, source)


def _id_of(values: Mapping[str, Any]) -> str:
    """Return an id that is made of all that a row has. The order of the columns does not matter."""
    content = json.dumps(values, sort_keys=True, ensure_ascii=True).encode()
    return sha256(content).digest()[:_ID_BYTES].hex()
