"""How often something was tried, by a name or an address: who has tried it too often has to wait."""

from collections import OrderedDict, deque


class Attempts:
    """At most `most` attempts of each key within a span. What is remembered is bounded: old keys are forgotten first.

    The attempts of the empty key are not counted: it stands for an address that is not known. Times are in ms.
    """

    def __init__(self, most: int, span: int, keys: int = 10_000) -> None:
        self._most = most
        self._span = span
        self._keys = keys
        #: The times of the newest attempts of each key; the key that was used last is the last one.
        self._times: OrderedDict[str, deque[int]] = OrderedDict()

    def wait(self, key: str, now: int) -> int:
        """Return how long the next attempt has to wait; 0 if it may be made now."""
        times = self._times.get(key)
        if times is None or len(times) < self._most:
            return 0
        return max(0, times[0] + self._span - now)

    def note(self, key: str, now: int) -> None:
        """Note an attempt."""
        if not key:
            return
        times = self._times.setdefault(key, deque(maxlen=self._most))
        self._times.move_to_end(key)
        times.append(now)
        if len(self._times) > self._keys:
            self._times.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Forget the attempts of a key, since one has succeeded."""
        self._times.pop(key, None)
