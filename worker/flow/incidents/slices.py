"""Long work in slices. Pure code cannot wait, so it says where its caller may do something else before it goes on."""


class Slices:
    """Counts the steps of some work, and says when a slice of it is full, which is after `steps` of them."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    def is_full(self, steps: int = 1) -> bool:
        """Count further steps. Say whether they have filled the slice; if so, the next slice begins."""
        self._done += steps
        if self._done < self._steps:
            return False
        self._done = 0
        return True
