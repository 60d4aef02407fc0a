"""The rows of files: encodings, delimiters, headers, and what cannot be read."""

import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.responses.formats.outcome import Refused
from worker.importing.encoding import CP_1252, UTF_8, UTF_16, encoding_of
from worker.importing.rows import (
    DELIMITERS,
    LONGEST_CELL,
    NOTES,
    Header,
    Row,
    csv_rows,
    header_of,
    is_json,
    json_rows,
    noted_json,
    without_notes,
)

TEXT = "id;note\n1;Très déçu – 3 €\n"


def in_pieces(content: bytes, size: int = 3) -> list[bytes]:
    return [content[first : first + size] for first in range(0, len(content), size)]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), UTF_8),
        (TEXT.encode("utf-8-sig"), UTF_8),
        (TEXT.encode("utf-16"), UTF_16),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), UTF_16),
        (TEXT.encode("cp1252"), CP_1252),
        (b"", UTF_8),
    ],
)
def test_the_encoding_is_found_and_a_mark_is_no_text(content: bytes, encoding: str) -> None:
    found = encoding_of(lambda: in_pieces(content))

    assert found == encoding
    assert content.decode(found) in (TEXT, "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\x03\x04\x14", "is an Excel workbook or a zip file"),
        (b"\xff\xfea", "begins like UTF-16, and is not UTF-16"),
        (TEXT.encode("utf-16-le"), "has bytes that no text has"),
        (b"a;b\n\xe9;\x81\n", "is neither UTF-8 nor CP-1252"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        encoding_of(lambda: [content])


@pytest.mark.parametrize(
    ("text", "names", "delimiter"),
    [
        ("id,note\n1,a b\n", ("id", "note"), ","),
        ("id;note\n1;a, b, c\n2;d, e, f\n", ("id", "note"), ";"),
        ("id\tnote, why\n1\ta, b; c\n", ("id", "note, why"), "\t"),
        ("id|note\n1|a;b\n", ("id", "note"), "|"),
        # Letters that are frequent are no delimiters, and a delimiter inside of quotes is none.
        ('id,"why, oh why"\n1,"a; b; c"\n2,"d; e; f"\n', ("id", "why, oh why"), ","),
        (" id , ,note,note,note\n", ("id", "column 2", "note", "note (2)", "note (3)"), ","),
        ("note,note (2),note (3),note\n", ("note", "note (2)", "note (3)", "note (4)"), ","),
        ("note,note (3),note\n", ("note", "note (3)", "note (2)"), ","),
        ("id,note\r\n1,a\r\n", ("id", "note"), ","),
        ('id,note\n1,"cut off in the mid', ("id", "note"), ","),
        # Another character is in the header as often, and in no row.
        ("id;note,why\n1,a\n2,b\n", ("id;note", "why"), ","),
    ],
)
def test_the_header_and_the_delimiter_are_found(text: str, names: tuple[str, ...], delimiter: str) -> None:
    assert header_of(text)[:2] == Header(names, delimiter)[:2]


@pytest.mark.parametrize("text", ["", "\n\n", "score\n3\n", "What a nice text.\nIt has no table.\n"])
def test_without_two_columns_there_is_no_header(text: str) -> None:
    with pytest.raises(ValueError, match="has no header"):
        header_of(text)


def test_a_delimiter_that_is_given_needs_no_second_column() -> None:
    assert header_of("score\n3\n", ",") == Header(("score",), ",")
    assert header_of("a#b\n1#2\n", "#") == Header(("a", "b"), "#")


def rows(text: str, header: Header | None = None) -> list[Row]:
    return list(csv_rows(io.StringIO(text, newline=""), header or header_of(text)))


def test_a_cell_may_have_line_ends_and_quotation_marks() -> None:
    found = rows('id,note\n1,"a\r\n""b"""\n\n2,c\n')

    assert [(row.line, row.values) for row in found] == [
        (2, {"id": "1", "note": 'a\r\n"b"'}),
        (5, {"id": "2", "note": "c"}),
    ]


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("1", "has 1 cells, and the header has 2"),
        ("1,2,3", "has 3 cells, and the header has 2"),
        ('1,"a"b', "',' expected after '\"'; is a quotation mark not closed?"),
        (f"1,{'x' * (LONGEST_CELL + 1)}", "field larger than field limit (1000000)"),
    ],
)
def test_a_row_that_cannot_be_read_does_not_affect_the_others(line: str, detail: str) -> None:
    wrong, right = rows(f"id,note\n{line}\n2,b\n")

    assert isinstance(wrong.refused, Refused)
    assert (wrong.refused.reason, wrong.line) == ("wrong_type", 2)
    assert wrong.refused.detail.startswith(detail)
    assert (right.values, right.refused) == ({"id": "2", "note": "b"}, None)


def test_a_quotation_mark_that_is_never_closed_takes_in_no_more_than_a_cell_can_have() -> None:
    good = "9,fine\n" * 300_000
    found = rows(f'id,note\n1,"never closed\n{good}')

    assert found[0].refused is not None
    assert found[0].refused.detail.startswith("lines 2 to 1428")
    assert len(found) > 150_000
    assert all(row.refused is None for row in found[1:])


def test_at_the_end_of_the_file_it_is_refused_and_no_comment() -> None:
    [wrong] = rows('id,note\n1,"never closed\n2,b\n')

    assert wrong.refused is not None
    assert wrong.refused.detail == "lines 2 to 3 are one row: unexpected end of data; is a quotation mark not closed?"


def test_the_notes_of_an_earlier_import_are_no_part_of_a_row() -> None:
    [row] = rows("id,note,import line,import reason,import detail\n1,a,7,wrong_type,x\n")

    assert row.values == {"id": "1", "note": "a"}
    assert len(NOTES) == 3


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (["1", "a", "7", "wrong_type", "x"], ["1", "a"]),
        # A cell too few, and one too many: the notes are the last ones.
        (["1", "7", "wrong_type", "x"], ["1"]),
        (["1", "a", "b", "7", "wrong_type", "x"], ["1", "a", "b"]),
        # What does not look like notes is what somebody has answered.
        (["1", "a", "b", "c", "d"], ["1", "a", "b", "c", "d"]),
        (["1", "7", "none of the reasons", "x"], ["1", "7", "none of the reasons", "x"]),
        (["1"], ["1"]),
    ],
)
def test_the_notes_of_an_earlier_import_are_not_written_again(cells: list[str], kept: list[str]) -> None:
    header = header_of("id,note,import line,import reason,import detail\n")

    assert without_notes(cells, header) == kept


def test_a_row_without_a_number_where_the_line_is_noted_is_refused() -> None:
    [row] = rows("id,note,import line,import reason,import detail\n1,7,wrong_type,x,\n")

    assert row.refused is not None
    assert row.refused.detail == "has no number in 'import line': the cells are not in their columns"


def test_a_line_that_only_excel_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with a line 'sep=', which only Excel reads"):
        header_of("sep=;\nid;note\n")


cell = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@given(st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=8), st.sampled_from(DELIMITERS), st.booleans())
def test_what_is_written_is_what_is_read(table: list[tuple[str, ...]], delimiter: str, quoted: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(("one", "two", "three"))
    writer.writerows(table)
    header = header_of(text.getvalue(), delimiter)

    expected = [tuple(cell.strip() for cell in cells) for cells in table]
    assert [tuple(row.values.values()) for row in rows(text.getvalue(), header)] == expected


def test_json_lines() -> None:
    lines = ['{"score": 3}\n', "\n", "[1]\n", "{\n", '{"score": 4, "import line": 2}\r\n']
    found = list(json_rows(lines))

    assert [(row.line, row.values) for row in found if row.refused is None] == [(1, {"score": 3}), (5, {"score": 4})]
    assert [row.refused.reason for row in found if row.refused is not None] == ["not_an_object", "not_json"]


@pytest.mark.parametrize(("text", "found"), [('\n {"a": 1}', True), ("a,b", False), ("", False)])
def test_json_lines_are_told_from_csv(text: str, found: bool) -> None:
    assert is_json(text) is found


def test_an_array_is_told_how_it_becomes_lines() -> None:
    with pytest.raises(ValueError, match=r"is one JSON array: each line must be one object \(jq"):
        is_json("[{}]")


def noted(values: Iterable[Row]) -> list[str]:
    return [noted_json(row, row.refused) for row in values if row.refused is not None]


def test_a_refused_line_keeps_what_it_has() -> None:
    assert noted(json_rows(["{é\n"])) == [
        (
            '{"import text": "{é", "import line": 1, "import reason": "not_json", '
            '"import detail": "byte 1: expecting property name enclosed in double quotes"}'
        )
    ]
    assert noted_json(Row(1, {"a": 1}, ["{}"]), Refused("x", "y")).startswith('{"a": 1, ')  # type: ignore[arg-type]
