"""The rows of a file, and how they are read: as its columns, a survey tool's export, or a mapping say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from worker.flow.responses.formats.source import Expression, Source
from worker.flow.responses.formats.template import CANONICAL
from worker.flow.responses.formats.times import Times
from worker.flow.text import on_one_line
from worker.importing.exports import EXPORTS, MOST_HEADER_LINES, Column, Export, columns_in
from worker.importing.file import File
from worker.importing.map_file import read_map
from worker.importing.reading import Reading
from worker.importing.rows import NOTES, Header, Row, csv_rows, header_of, is_json, json_rows
from worker.receive.settings import ReceiveSettings

#: How many columns a message names, and how many characters of each.
_COLUMNS_SHOWN, _LONGEST_SHOWN = 30, 60
_HELP_WITH_CUSTOMERS = "name its column with --column customer_id=COLUMN, or use --unknown-customers anonymous"
#: The fields that a row has to have, and the options that say where they are.
_OPTIONS = {"survey_id": "--survey ID"}


@dataclass(frozen=True)
class Options:
    """What the command line says about a file. None stands for what is not given."""

    #: The tool whose export it is.
    tool: str | None
    #: The path of a file with a mapping, or the name of a source.
    map: str | None
    #: Columns by the fields that they have.
    columns: Mapping[str, str]
    survey: str | None
    unknown_customers: Literal["refuse", "anonymous"] | None
    date_format: str | None
    time_zone: tzinfo | None
    delimiter: str | None
    history: bool


class Table(NamedTuple):
    """The rows of a file, and how they are read."""

    file: File
    reading: Reading
    #: None if the file has JSON lines.
    header: Header | None
    #: The first rows, as far as they belong to the header.
    header_rows: Sequence[Row] = ()

    def rows(self) -> Iterator[Row]:
        """Yield the rows, without those that belong to the header."""
        return islice(_rows(self.file, self.header), len(self.header_rows), None)

    @property
    def unused(self) -> list[str]:
        """The columns from which nothing is read, except perhaps for the id of an answer that has none."""
        used = _used(self.reading.source)
        return [] if self.header is None else [name for name in self.header.names if name not in {*used, *NOTES}]

    @property
    def missing(self) -> list[str]:
        """The columns that a mapping names, and that the file does not have."""
        if self.header is None or not self.reading.is_mapped:
            return []
        return sorted(_used(self.reading.source) - set(self.header.names))


def _used(source: Source) -> frozenset[str]:
    """Return the names of the columns in which something is looked for."""
    selecting = () if source.only_if is None else (source.only_if,)
    return frozenset().union(*map(columns_in, (*source.mapping.values(), *selecting)))


def table_of(file: File, options: Options, settings: ReceiveSettings) -> Table:
    """Return the rows of a file. Raise ValueError if it cannot be read, or if the options do not say how."""
    beginning = file.beginning()
    if options.delimiter is None and is_json(beginning):
        if options.tool:
            raise ValueError(f"has JSON lines, and an export of {options.tool} is a CSV file")
        return Table(file, _reading(options, settings, None, []), None)
    header = header_of(beginning, options.delimiter)
    first = list(islice(_rows(file, header), MOST_HEADER_LINES))
    lines = EXPORTS[options.tool].header_lines(first) if options.tool else 0
    reading = _reading(options, settings, header, first)
    if unclear := sorted(header.repeated & _used(reading.source)):
        raise ValueError(f"has several columns with the name {on_one_line(unclear[0])!r}: rename all but one")
    return Table(file, reading, header, first[:lines])


def _rows(file: File, header: Header | None) -> Iterator[Row]:
    return json_rows(file.lines()) if header is None else csv_rows(file.lines(), header)


def _reading(options: Options, settings: ReceiveSettings, header: Header | None, first: Sequence[Row]) -> Reading:
    """Return how the rows are read, of which the first ones are given."""
    source, fields = _source_and_fields(options, settings, header, first)
    for field, column in options.columns.items():
        if header is not None and column not in header.names:
            raise ValueError(f"has no column {on_one_line(column)!r}; {columns(header)}")
        fields[field] = Column((column,))
    times = Times(options.date_format or source.times.format, options.time_zone or source.times.zone)
    if times.lacks_zone:
        raise ValueError("its times have no offset: name their zone with --time-zone")
    source = replace(
        source,
        mapping=fields,
        times=times,
        survey_id=options.survey or source.survey_id,
        help_with_customers=_HELP_WITH_CUSTOMERS,
    )
    if options.unknown_customers:
        source = replace(source, unknown_is_anonymous=options.unknown_customers == "anonymous")
    survey = () if source.survey_id else ("survey_id",)
    if missing := [name for name in ("score", "responded_at", *survey) if name not in fields]:
        needed = " and ".join(_OPTIONS.get(name, f"--column '{name}=COLUMN'") for name in missing)
        raise ValueError(f"needs {needed}{'' if header is None else f'; {columns(header)}'}")
    has_own_ids = not (options.tool or options.map)
    return Reading(source, has_own_ids, is_history=options.history, is_mapped=options.map is not None)


def columns(header: Header) -> str:
    """Return the names of the columns as a part of a sentence."""
    return f"the columns are: {shown([name for name in header.names if name not in NOTES])}"


def shown(names: Sequence[str]) -> str:
    """Return names of columns for a message: not too many, and not too long ones."""
    first = [repr(on_one_line(name)[:_LONGEST_SHOWN]) for name in names[:_COLUMNS_SHOWN]]
    more = f" and {len(names) - _COLUMNS_SHOWN} more" if len(names) > _COLUMNS_SHOWN else ""
    return f"{', '.join(first)}{more}"


def _source_and_fields(
    options: Options, settings: ReceiveSettings, header: Header | None, first: Sequence[Row]
) -> tuple[Source, dict[str, Expression]]:
    if options.map:
        source = _mapped_source(options.map, settings)
        return source, {**source.mapping}
    source = Source(name=options.tool or "import", pseudonym_key=settings.key)
    if options.tool:
        assert header is not None, "an export is a CSV file"
        export = EXPORTS[options.tool]
        return replace(source, times=export.times(first)), _fields_of_export(export, header)
    if header is None:
        return source, {**CANONICAL}
    return source, {path: Column((path,)) for path in CANONICAL if path in header.names}


def _fields_of_export(export: Export, header: Header) -> dict[str, Expression]:
    if missing := export.missing(header.names):
        raise ValueError(f"is no export of {export.tool}: it has no column {missing[0]!r}; {columns(header)}")
    score = export.score(header.names)
    return {**export.fields, **({} if score is None else {"score": Column((score,))})}


def _mapped_source(name: str, settings: ReceiveSettings) -> Source:
    """Return how rows are read by the mapping of a source of the settings, or else of a file."""
    known = settings.source(name)
    if known is not None:
        if known.tool != "template" or not known.mapping.fields:
            raise ValueError(f"--map {name}: this source has no mapping for rows; its tool must be template")
        if known.mapping.each:
            raise ValueError(f"--map {name}: mapping.each of this source is for deliveries with several answers")
        if known.responded_at == "arrival":
            raise ValueError(f"--map {name}: this source takes the time at which an answer arrives, and a row has none")
        return settings.reading_of(known)
    if not Path(name).is_file():
        raise ValueError(f"--map {name}: is neither a file nor a source of the settings")
    try:
        return read_map(Path(name).read_bytes().decode("utf-8-sig")).source(settings.key)
    except UnicodeDecodeError:
        raise ValueError(f"--map {name}: is not UTF-8") from None
    except ValueError as error:
        raise ValueError("\n".join(f"--map {name}: {line}" for line in str(error).splitlines())) from None
