"""The silences: the newest state of each, as nps.silences has them."""

from worker.notify.silenced import Known, KnownSilences


class SilenceBook:
    """The silences by their ids."""

    def __init__(self) -> None:
        #: It grows with each change.
        self.version = 0
        self._known = KnownSilences()

    def __len__(self) -> int:
        return len(self._known)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take in a record of nps.silences. Raise one of UNREADABLE if it is none."""
        if self._known.take(key, value) is not None:
            self.version += 1

    def forget(self) -> None:
        """Forget all silences, since their topic was deleted and created again."""
        self._known.forget()
        self.version += 1

    def find(self, silence_id: str) -> Known | None:
        """Return a silence; None if it is not known."""
        return self._known.find(silence_id)

    def active(self, now: int) -> list[Known]:
        """Return the silences that hold notices back at a time, in ms; the one that is over first is the first."""
        found = [one for one in self._known.all() if one.hold.until > now]
        return sorted(found, key=lambda one: (one.hold.until, one.hold.silence_id))

    def past(self, now: int) -> list[Known]:
        """Return the silences that are over at a time, in ms; the one that was over last is the first."""
        found = [one for one in self._known.all() if one.hold.until <= now]
        return sorted(found, key=lambda one: (-one.hold.until, one.hold.silence_id))
