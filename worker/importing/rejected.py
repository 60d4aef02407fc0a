"""The file of refused rows: in the form of the file that they are from, with the reasons, so that it can be mended."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from worker.flow.responses.formats.outcome import Refused
from worker.importing.rows import DETAIL, LINE, NOTES, REASON, Header, Row, note, noted_json, without_notes
from worker.importing.table import Table

_LINE_ENDS = "\r\n"


class NotWritten(Exception):
    """The file of refused rows cannot be written. The text says which file, and why."""


class Rejected:
    """The file of refused rows. It is made when the first row is refused, and only its owner can read it."""

    def __init__(self, path: Path | None, table: Table) -> None:
        """Raise ValueError if the file exists already; None: nothing is written."""
        if path is not None and path.exists():
            raise ValueError(f"--rejected {path}: exists already")
        self._path = path
        self._table = table
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: Row, refused: Refused) -> None:
        """Write a refused row with its reason. Raise NotWritten if that fails."""
        if self._path is None:
            return
        try:
            self._write(self._path, row, refused)
        except OSError as error:
            raise NotWritten(f"--rejected {self._path}: {error.strerror or type(error).__name__}") from error

    def _write(self, path: Path, row: Row, refused: Refused) -> None:
        header = self._table.header
        if self._file is None:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")
            if header is not None:
                names = [name for name in header.names if name not in NOTES]
                self._write_cells(header, names, (LINE, REASON, DETAIL))
                for one in self._table.header_rows:
                    self._write_cells(header, without_notes(one.cells, header), ("", "", ""))
        if header is None:
            self._file.write(f"{noted_json(row, refused)}\n")
        elif row.text:
            self._file.write(f"{row.text.rstrip(_LINE_ENDS)}{self._notes_of_text(header, row, refused)}\r\n")
        else:
            self._write_cells(header, without_notes(row.cells, header), list(note(row, refused).values()))

    def _write_cells(self, header: Header, cells: Sequence[str], notes: Sequence[str | int]) -> None:
        """Write the cells that a row has, however many they are: with one more, it could be taken for a right row."""
        assert self._file is not None, "it is open"
        csv.writer(self._file, delimiter=header.delimiter).writerow([*cells, *notes])

    def _notes_of_text(self, header: Header, row: Row, refused: Refused) -> str:
        """Return what is written after a row that has no cells; nothing if it has the notes of an earlier import."""
        if NOTES & set(header.names):
            return ""
        notes = io.StringIO(newline="")
        csv.writer(notes, delimiter=header.delimiter).writerow(["", *note(row, refused).values()])
        return notes.getvalue().rstrip(_LINE_ENDS)
