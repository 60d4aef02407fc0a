"""A file that is read several times, one after the other: its encoding is found out first; then its lines are read."""

import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from worker.importing.encoding import encoding_of, is_in

#: The number of characters of the beginning of a file by which its header is found.
_BEGINNING = 65_536
_CHUNK = 1_048_576


class File(NamedTuple):
    """A file of text."""

    binary: IO[bytes]
    #: In bytes.
    size: int
    encoding: str

    @property
    def share_read(self) -> float:
        """Which share of the file has been read, from 0 to 1."""
        return self.binary.tell() / max(self.size, 1)

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole file."""
        self.binary.seek(0)
        while chunk := self.binary.read(_CHUNK):
            yield chunk

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file with their line ends."""
        text = self._text()
        try:
            for line in text:  # noqa: UP028 - `yield from` would close the file with the iterator
                yield line
        finally:
            _let_go(text)

    def beginning(self) -> str:
        """Return the first lines of the file."""
        text = self._text()
        try:
            found = text.read(_BEGINNING)
        finally:
            _let_go(text)
        return found if len(found) < _BEGINNING else found[: found.rfind("\n") + 1] or found

    def _text(self) -> io.TextIOWrapper:
        self.binary.seek(0)
        return io.TextIOWrapper(self.binary, self.encoding, newline="")


def _let_go(text: io.TextIOWrapper) -> None:
    """Keep the file open without its text. If the reading is given up, the file may be closed already."""
    if not text.closed:
        text.detach()


def opened(path: Path | None) -> IO[bytes]:
    """Return a file, or the standard input if there is no path. What comes from a pipe is kept on the disk for now."""
    if path is None:
        return _kept(sys.stdin.buffer)
    binary = path.open("rb")
    if binary.seekable():
        return binary
    with binary:
        return _kept(binary)


def _kept(pipe: IO[bytes]) -> IO[bytes]:
    kept = TemporaryFile()  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(pipe, kept, _CHUNK)
    return kept


def file_of(binary: IO[bytes], encoding: str | None) -> File:
    """Return a file with its encoding, which is found out if it is None.

    Raise ValueError if that is not possible, or if anything in the whole file does not have the encoding.
    """
    size = binary.seek(0, os.SEEK_END)
    chunks = File(binary, size, "").chunks
    if encoding is not None and not is_in(encoding, chunks()):
        raise ValueError(f"is not {encoding}: see --encoding")
    return File(binary, size, encoding or encoding_of(chunks))
