"""Long work in slices: pure code cannot wait, so it says where whoever carries it out may do something else first."""


class Slices:
    """Counts the steps of some work; after each `steps` of them a slice of it is full."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    def is_full(self, steps: int = 1) -> bool:
        """Count further steps, and say whether a slice is full with them; the next one then begins."""
        self._done += steps
        if self._done < self._steps:
            return False
        self._done = 0
        return True
