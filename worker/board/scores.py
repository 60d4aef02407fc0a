"""The newest scores of each segment and survey, as nps.scores has them."""

import zlib
from array import array

import msgspec

from schemas.scores import Scores
from worker.lineage import is_segment, parent_of, survey_of
from worker.nps.windows import WINDOWS, Classes

_PLACES = {window: place for place, window in enumerate(WINDOWS)}
_NONE: Classes = (0, 0, 0)


class _Row(msgspec.Struct, frozen=True, gc=False):
    """The scores of a path. Decoded, they would take several times as much memory."""

    #: The event, as JSON, compressed.
    value: bytes
    #: The numbers of promoters, passives and detractors of each window, in the order of WINDOWS.
    counts: "array[int]"
    #: The Kafka time of the record, in ms, and its partition.
    at: int
    partition: int


class ScoreBook:
    """The scores by path."""

    def __init__(self) -> None:
        #: It grows with each change.
        self.version = 0
        self._rows: dict[str, _Row] = {}
        #: The paths directly below each segment. Those of surveys are kept apart.
        self._children: dict[str, set[str]] = {}
        self._surveys: set[str] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, path: str, value: bytes | None, at: int = 0, partition: int = 0) -> None:
        """Take in a record of nps.scores: its key, its value, its Kafka time in ms, and its partition.

        A value of None means that the segment is forgotten. If records of a path are in several partitions, since
        another program has written one of them, the newest one counts. Raise one of UNREADABLE if the value is no
        scores.
        """
        known = self._rows.get(path)
        if known is not None and known.partition != partition and known.at > at:
            return
        if value is None:
            self._remove(path)
            return
        scores = Scores.model_validate_json(value)
        counts = array("I")
        for name in WINDOWS:
            window = scores.windows.get(name)
            counts.extend(_NONE if window is None else (window.promoters, window.passives, window.detractors))
        self._rows[path] = _Row(zlib.compress(value, zlib.Z_BEST_SPEED), counts, at, partition)
        self.version += 1
        if known is None:
            self._note(path)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        for path in [path for path, row in self._rows.items() if row.partition == partition]:
            self._remove(path)

    def get(self, path: str) -> Scores | None:
        """Return the scores of a segment or a survey (`/survey/` and its id); None if they are not known."""
        row = self._rows.get(path)
        return None if row is None else Scores.model_validate_json(zlib.decompress(row.value))

    def counts(self, path: str, window: str) -> Classes:
        """Return the numbers of promoters, passives and detractors in a window; zeros if they are not known."""
        row, place = self._rows.get(path), _PLACES.get(window)
        if row is None or place is None:
            return _NONE
        promoters, passives, detractors = row.counts[3 * place : 3 * place + 3]
        return promoters, passives, detractors

    def children(self, path: str) -> list[str]:
        """Return the segments directly below a segment, by name. Surveys are not among them."""
        return sorted(self._children.get(path, ()))

    def surveys(self) -> list[str]:
        """Return the paths of the surveys, by name."""
        return sorted(self._surveys)

    def paths(self) -> list[str]:
        """Return the paths of all segments, by name; the root, whose path is empty, is the first."""
        return sorted(path for path in self._rows if is_segment(path))

    def _note(self, path: str) -> None:
        above = parent_of(path)
        if survey_of(path) is not None:
            self._surveys.add(path)
        elif above is not None and is_segment(path):
            self._children.setdefault(above, set()).add(path)

    def _remove(self, path: str) -> None:
        if self._rows.pop(path, None) is None:
            return
        self.version += 1
        self._surveys.discard(path)
        above = parent_of(path) or ""
        siblings = self._children.get(above, set())
        siblings.discard(path)
        if not siblings:
            self._children.pop(above, None)
