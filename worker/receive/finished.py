"""Which records of a partition are finished, if several are in work at the same time. Pure."""

from collections import OrderedDict


class Finished:
    """The records of one partition that are in work, and the offset up to which all earlier ones are finished."""

    def __init__(self) -> None:
        # All records from the position on, in the order of their offsets. The value is None for a record in work, and
        # otherwise how many records a restart would process again although they are finished: this one, or none.
        self._records: OrderedDict[int, int | None] = OrderedDict()
        self._end: int | None = None
        #: The number of records in work.
        self.in_work = 0
        self._ahead = 0
        self._last = -1

    def begin(self, offset: int) -> None:
        """Note that the record at an offset is in work. Offsets come in their order."""
        self._records[offset] = None
        self.in_work += 1
        self._end = offset + 1

    def finish(self, offset: int, *, moved: bool = False) -> None:
        """Note that the record at an offset is finished. `moved`: nothing came of it but the same record once more."""
        if self._records.get(offset, 0) is not None:
            return
        self._records[offset] = 0 if moved else 1
        self.in_work -= 1
        if not moved:
            self._ahead += 1
            self._last = max(self._last, offset)
        while self._records:
            first, worth = next(iter(self._records.items()))
            if worth is None:
                break
            del self._records[first]
            self._ahead -= worth

    @property
    def position(self) -> int | None:
        """The offset to commit: the lowest that is not finished, or the next one; None if none was ever in work."""
        return next(iter(self._records), self._end)

    @property
    def ahead(self) -> int:
        """The number of finished records behind the position: a restart would process them again."""
        return self._ahead

    @property
    def last(self) -> int:
        """The highest offset of a record that is finished and was not moved; -1 if there is none."""
        return self._last
