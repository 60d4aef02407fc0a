"""Mails of the demo as files, which a mail program can open."""

from pathlib import Path

from worker.embedded.inbox import Mail


class MailFolder:
    """Writes each mail to a file of its own: 0001.eml, 0002.eml and so on, in the order in which they arrive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def add(self, mail: Mail) -> None:
        """Write a mail to its file. Raise OSError if that fails."""
        self._count += 1
        (self._folder / f"{self._count:04d}.eml").write_bytes(mail.content)
