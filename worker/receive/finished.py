"""Which records of a partition are finished, if several are in work at the same time. Pure."""


class Finished:
    """The records of one partition that are in work, and the offset up to which all earlier ones are finished."""

    def __init__(self) -> None:
        # In the order of their offsets.
        self._in_work: dict[int, None] = {}
        self._end: int | None = None

    def begin(self, offset: int) -> None:
        """Note that the record at an offset is in work. Offsets come in their order."""
        self._in_work[offset] = None
        self._end = offset + 1

    def finish(self, offset: int) -> None:
        """Note that the record at an offset is finished."""
        self._in_work.pop(offset, None)

    @property
    def position(self) -> int | None:
        """The offset to commit: the lowest that is not finished, or the next one; None if none was ever in work."""
        return next(iter(self._in_work), self._end)
