"""The file of refused rows: in the form of the file that they are from, with the reasons, so that it can be mended."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from worker.flow.responses.formats.outcome import Refused
from worker.importing.table import Table
from worker.receive.table import DETAIL, LINE, NOTES, REASON, Header, Row, note, noted_json


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
                further = [(one.cells, ("", "", "")) for one in self._table.header_rows()]
                self._write_cells(header, [(header.names, (LINE, REASON, DETAIL)), *further])
        if header is None:
            self._file.write(f"{noted_json(row, refused)}\n")
        else:
            self._write_cells(header, [(row.cells, list(note(row, refused).values()))])

    def _write_cells(self, header: Header, rows: Sequence[tuple[Sequence[str], Sequence[str | int]]]) -> None:
        """Write rows with their notes in place of those of an earlier import."""
        assert self._file is not None, "it is open"
        writer, width = csv.writer(self._file, delimiter=header.delimiter), len(header.names)
        for cells, notes in rows:
            padded = [*cells, *[""] * (width - len(cells))]
            kept = [cell for at, cell in enumerate(padded) if at >= width or header.names[at] not in NOTES]
            writer.writerow([*kept, *notes])
