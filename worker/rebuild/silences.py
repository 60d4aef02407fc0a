"""The silences again, from the topic that has the newest state of each: commands that were deleted are not missed.

The rows do not remember the commands. One that comes again finds the silence as it has made it, and changes nothing.
"""

from collections.abc import Iterable

from pydantic import ValidationError

from schemas.silence import Silence
from worker.flow.batch import Record
from worker.flow.silences.silence import decode, encode, row_of


class SilencesAgain:
    """The silences of one partition, from the records of their topic."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Take in records in their order. A version that is not higher than the known one is obsolete."""
        for record in records:
            key = record.key or b""
            if record.value is None:
                # The silence was forgotten, so that another one may have its id, beginning with version 1 again.
                self.rows.pop(key, None)
                continue
            try:
                state = Silence.model_validate_json(record.value)
            except ValidationError:
                continue  # another program has written it
            known = self.rows.get(key)
            if known is None or state.version > decode(known).version:
                self.rows[key] = encode(row_of(state))
