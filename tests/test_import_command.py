"""`import --dry-run` with files in many forms: what it shows, what it refuses, and what it says about wrong usage."""

import gc
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from importing.test_exports import FOLDER

from worker.cli import main
from worker.commands import import_file
from worker.errors import Unreachable
from worker.importing.file import file_of

HEADER = "response_id;Note;Kommentar;Datum;Kunde\n"
GERMAN = (
    "--survey", "s", "--column", "score=Note", "--column", "comment=Kommentar", "--column", "responded_at=Datum",
    "--column", "customer_id=Kunde", "--date-format", "%d.%m.%Y %H:%M", "--time-zone", "Europe/Berlin",
)  # fmt: skip


pytestmark = pytest.mark.usefixtures("nothing_set")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["import", *arguments, "--dry-run"])
    except SystemExit as ended:
        code = int(str(ended.code))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def written(content: str | bytes, name: str = "answers.csv") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def german(number: int, note: object = 3, comment: str = "", time: str = "02.03.2026 08:26") -> str:
    return f"{number};{note};{comment};{time};c-{number}\n"


def shown(output: str) -> list[dict[str, Any]]:
    return [json.loads(line.partition(": ")[2]) for line in output.splitlines() if re.match(r"line \d+: \{", line)]


def test_the_first_ten_are_shown_as_they_would_become_and_the_wrong_ones_with_their_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = "".join(german(number) for number in range(1, 13))
    wrong = german(13, 11) + german(14, 7, time="32.03.2026 08:26") + german(15, "") + "16;7\n"
    code, out, err = run(capsys, written(HEADER + rows + wrong), *GERMAN)

    assert (code, err) == (1, "")
    assert len(shown(out)) == 10
    assert shown(out)[0] == {
        "response_id": "1", "score": 3, "responded_at": "2026-03-02T08:26:00+01:00", "customer_id": "c-1",
        "survey_id": "s",
    }  # fmt: skip
    assert out.splitlines()[10:] == [
        "line 14: score_out_of_range: score: expected a whole number from 0 to 10",
        "line 15: time_invalid: responded_at: is not written as the format of times says, or there is no such day",
        "line 17: wrong_type: has 2 cells, and the header has 5",
        (
            "12 of 16 rows are responses; 1 ignored (not_yet_answered); 1 refused (score_out_of_range); "
            "1 refused (time_invalid); 1 refused (wrong_type)"
        ),
        "how times are written, and in which zone, is said with --date-format and --time-zone",
    ]


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("cp1252", "so it is read as CP-1252")]
)
def test_encodings(encoding: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = (HEADER + german(1, comment="Très déçu – 3 €")).encode(encoding)
    code, out, err = run(capsys, written(content), *GERMAN)

    assert (code, shown(out)[0]["comment"]) == (0, "Très déçu – 3 €")
    assert (said in err) if said else not err


def test_an_encoding_that_is_given_is_believed(capsys: pytest.CaptureFixture[str]) -> None:
    content = (HEADER + german(1, comment="Žlutý kůň")).encode("cp1250")
    assert shown(run(capsys, written(content), *GERMAN, "--encoding", "cp1250")[1])[0]["comment"] == "Žlutý kůň"
    code, _, err = run(capsys, written(content), *GERMAN, "--encoding", "utf-8")
    assert (code, err) == (2, "answers.csv: is not utf-8: see --encoding\n")


def test_a_byte_that_is_not_of_the_encoding_is_found_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = "".join(german(number) for number in range(5_000))
    content = (HEADER + rows).encode() + b"1;2;\xe9;02.03.2026 08:26;c-1\n"
    code, out, err = run(capsys, written(content), *GERMAN, "--encoding", "utf-8")

    assert (code, out, err) == (2, "", "answers.csv: is not utf-8: see --encoding\n")


@pytest.mark.parametrize(
    ("tool", "options", "customers"),
    [
        ("typeform", ("--column", "score=How likely are you to recommend us?"), ["c-301", "c-302", "c-304"]),
        ("qualtrics", (), ["c-501", "c-502", "c-503"]),
    ],
)
def test_exports_of_tools(
    tool: str, options: tuple[str, ...], customers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, str(FOLDER / f"{tool}.csv"), "--tool", tool, "--survey", "s", *options)

    assert (code, [one["customer_id"] for one in shown(out)]) == (0, customers)
    assert {one["response_id"].partition(":")[0] for one in shown(out)} == {tool}


def test_an_export_needs_what_it_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    export, tool = str(FOLDER / "surveymonkey.csv"), ("--tool", "surveymonkey")
    score = ("--column", "score=How likely is it that you would recommend us?")

    _, _, err = run(capsys, export, *tool)
    assert err.startswith(f"{export}: its times have no offset: name their zone with --time-zone")
    _, _, err = run(capsys, export, *tool, "--time-zone", "UTC")
    assert f"{export}: needs --column 'score=COLUMN' and --survey ID; the columns are: 'Respondent ID', " in err
    _, out, err = run(capsys, export, *tool, "--time-zone", "UTC", "--survey", "s", *score)
    assert "1 refused (no_pseudonym_key)" in out
    _, _, err = run(capsys, written(HEADER), *tool)
    assert err.startswith("answers.csv: is no export of surveymonkey: it has no column 'Respondent ID'; the columns ")
    _, _, err = run(capsys, written('{"score": 3}\n'), *tool)
    assert err == "answers.csv: has JSON lines, and an export of surveymonkey is a CSV file\n"


def test_columns_with_the_names_of_the_fields_need_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    header = "response_id,survey_id,customer_id,score,responded_at,customer.email,origin.system\n"
    table = f"{header}r-1,s,c-1,3,2026-03-02T08:26:40Z,a@b.fr,kiosk\n"
    _, out, _ = run(capsys, written(table))
    found = shown(out)

    assert found[0]["response_id"] == "r-1"
    assert found[0]["customer"] == {"email": "a@b.fr"}
    assert found[0]["origin"] == {"system": "kiosk"}
    assert "nothing is read from" not in out
    lines = json.dumps(found[0]) + "\n\n" + json.dumps({**found[0], "score": None}) + "\n[]\n"
    code, out, _ = run(capsys, written(lines, "answers.jsonl"))
    assert (code, shown(out)) == (1, found)
    assert "line 4: not_an_object: expected an object\n1 of 3 rows are responses; 1 ignored (not_yet_answered)" in out


MAP = 'name = "shop"\nsurvey_id = "s"\ntime_zone = "UTC"\n[mapping]\nscore = "Note"\nresponded_at = "Datum"\n'
SOURCE = """
[[receive.sources]]
name = "shop"
tool = "template"
secrets = ["0123456789abcdef"]
survey_id = "s"
time_format = "%d.%m.%Y %H:%M"
time_zone = "Europe/Berlin"
[receive.sources.mapping]
response_id = "response_id"
score = "Note"
responded_at = "Datum"
customer_id = "Kunde"
[[receive.sources]]
name = "typeform"
tool = "typeform"
secrets = ["0123456789abcdef"]
[[receive.sources]]
name = "timeless"
tool = "template"
secrets = ["0123456789abcdef"]
survey_id = "s"
responded_at = "arrival"
[receive.sources.mapping]
response_id = "response_id"
score = "Note"
[[receive.sources]]
name = "several"
tool = "template"
secrets = ["0123456789abcdef"]
survey_id = "s"
[receive.sources.mapping]
response_id = "response_id"
score = "Note"
responded_at = "Datum"
each = "answers"
"""


def test_a_mapping_from_a_file_or_of_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    answers = written(HEADER + german(1))
    options = ("--date-format", "%d.%m.%Y %H:%M", "--unknown-customers", "anonymous")
    code, out, err = run(capsys, answers, "--map", written(MAP, "map.toml"), *options)
    [by_file] = shown(out)
    assert (code, by_file["anonymous"], by_file["responded_at"]) == (0, True, "2026-03-02T08:26:00+00:00")
    assert re.fullmatch("shop:[0-9a-f]{32}", by_file["response_id"])
    assert err == ""
    assert "\n1 response has no id: the id is made of what the row has, so a row that is changed is another" in out

    Path("worker.toml").write_text(SOURCE)
    code, out, err = run(capsys, answers, "--map", "shop")
    assert (code, err, shown(out)[0]["response_id"]) == (0, "", "shop:1")
    assert shown(out)[0]["responded_at"] == "2026-03-02T08:26:00+01:00"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--map", "typeform"), "--map typeform: this source has no mapping for rows; its tool must be template"),
        (
            ("--map", "timeless"),
            "--map timeless: this source takes the time at which an answer arrives, and a row has none",
        ),
        (("--map", "several"), "--map several: mapping.each of this source is for deliveries with several answers"),
        (("--map", "lacking.toml"), "--map lacking.toml: needs mapping.score and mapping.responded_at as well\n"),
        (("--map", "wrong.toml"), "--map wrong.toml: mapping.scor: is not a key; did you mean mapping.score?\n"),
        (("--map", "none.toml"), "--map none.toml: is neither a file nor a source of the settings"),
        (("--map", "worker.toml"), "answers.csv: --map worker.toml: "),
        (("--map", "latin"), "--map latin: is not UTF-8"),
        (("--column", "scores=Note"), "'scores' is no field; the fields are response_id, "),
        (("--column", "score="), "must be FIELD=COLUMN"),
        (("--column", "score=note"), "answers.csv: has no column 'note'; the columns are: 'response_id', 'Note', "),
        (("--date-format", "soon"), "must have the day, the month and the year of a time"),
        (("--time-zone", "Paris"), "Paris"),
        (("--delimiter", ";;"), "must be one character, or tab"),
        (("--encoding", "latin-99"), "latin-99 is not the name of an encoding of texts, such as cp1252"),
        (("--encoding", "hex"), "hex is not the name of an encoding of texts, such as cp1252"),
        (("--encoding", "rot13"), "rot13 is not the name of an encoding of texts, such as cp1252"),
        (("--encoding", "undefined"), "undefined is not the name of an encoding of texts, such as cp1252"),
        (("--encoding", "utf-16"), "answers.csv: "),
        (("--tool", "typeform", "--map", "shop"), "not allowed with argument --tool"),
        (("--delimiter", "tab"), "needs --column 'score=COLUMN' and --column 'responded_at=COLUMN' and --survey ID"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text(SOURCE)
    Path("latin").write_bytes(b"\xe9")
    Path("lacking.toml").write_text('name = "shop"\nsurvey_id = "s"\n[mapping]\n')
    Path("wrong.toml").write_text(MAP + 'scor = "Note"\n')
    code, out, err = run(capsys, written(HEADER + german(1)), *arguments)

    assert (code, out) == (2, "")
    assert said in err


def test_a_file_that_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    for content, said in (
        (b"PK\x03\x04", "is an Excel workbook or a zip file"),
        (b"[{}]", "is one JSON array"),
        (b"", "has no header"),
        (b"sep=;\nscore;a\n", "begins with a line 'sep=', which only Excel reads: remove this line"),
    ):
        code, _, err = run(capsys, written(content))
        assert (code, said in err) == (2, True)
    assert run(capsys, "none.csv")[0] == 2


def test_a_wrong_column_of_the_score_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, written(HEADER + german(1)), *GERMAN, "--column", "score=Kommentar")

    assert (code, out) == (1, "0 of 1 row is a response; 1 ignored (not_yet_answered)\nnothing is read from: 'Note'\n")
    assert err == "answers.csv: has no answer; the columns are: 'response_id', 'Note', 'Kommentar', 'Datum', 'Kunde'\n"


def test_equal_rows_without_an_id_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    table = "survey_id,score,responded_at\n" + "s,3,2026-03-02T08:26:40Z\n" * 3 + "s,9,2026-03-02T08:26:40Z\n"
    code, out, _ = run(capsys, written(table), "--unknown-customers", "anonymous")

    assert (code, len({one["response_id"] for one in shown(out)})) == (0, 4)
    assert "4 responses have no id: " in out
    assert out.endswith("; 2 rows are equal to earlier ones, and each counts\n")


def test_columns_that_are_not_used_or_not_there_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    header = "survey_id,customer_id,score,responded_at,Comment,segment \n"
    _, out, _ = run(capsys, written(header + "s,c-1,3,2026-03-02T08:26:40Z,a,fr\n"))
    assert "\nnothing is read from: 'Comment'\n" in out
    assert "no column" not in out

    mapping = MAP + "customer_id = \"join('-', [Kunde, Kundin])\"\nonly_if = \"Kommentar != 'x'\"\n"
    options = ("--date-format", "%d.%m.%Y %H:%M", "--unknown-customers", "anonymous")
    _, out, _ = run(capsys, written(HEADER + german(1)), "--map", written(mapping, "map.toml"), *options)
    assert "\nnothing is read from: 'response_id'\nthe mapping names what is no column of the file: 'Kundin'\n" in out

    _, out, _ = run(capsys, str(FOLDER / "qualtrics.csv"), "--tool", "qualtrics", "--survey", "s")
    assert "nothing is read from: 'StartDate', " in out
    assert not {"'Status'", "'RecipientLastName'", "'UserLanguage'", "'ResponseId'"} & set(re.findall("'[^']*'", out))


def test_a_column_that_is_there_twice_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    twice = "survey_id,customer_id,score,responded_at,score,a,a\ns,c-1,3,2026-03-02T08:26:40Z,4,,\n"
    code, out, err = run(capsys, written(twice))
    assert (code, out) == (2, "")
    assert err == "answers.csv: has several columns with the name 'score': rename all but one\n"

    code, out, _ = run(capsys, written(twice), "--column", "score=score (2)")
    assert (code, shown(out)[0]["score"]) == (0, 4)


def test_blanks_around_cells_are_no_part_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    table = "response_id, survey_id, customer_id, score, responded_at\nr-1 , s, c 1, 3, 2026-03-02T08:26:40Z\n"
    found = shown(run(capsys, written(table))[1])[0]

    assert (found["response_id"], found["survey_id"], found["customer_id"]) == ("r-1", "s", "c 1")


@pytest.mark.parametrize(("second", "said"), [("02.03.2026", True), ("02.03.2026 08:26", False)])
def test_times_without_a_time_of_day_are_noticed(second: str, said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    days = german(1, time="02.03.2026 00:00") + german(2, time=second if " " in second else f"{second} 00:00")

    assert ("no answer has a time of day" in run(capsys, written(HEADER + days), *GERMAN)[1]) is said


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2026-03-02t00:00:00z", True),
        ("2026-03-02 00:00+01:00", True),
        ("2026-03-02_00:00:00.000-01:00", True),
        ("2026-03-02T00:00:00.5Z", False),
        ("2026-03-02T00:00:01Z", False),
        ("2026-03-02T08:26:40\u221201:00", False),
        ("1772440000", False),
    ],
)
def test_times_are_read_in_every_form_that_the_worker_accepts(
    time: str, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"r-{number},s,c-{number},3,{time}\n" for number in range(2))
    code, out, err = run(capsys, written("response_id,survey_id,customer_id,score,responded_at\n" + rows))

    assert (code, err, len(shown(out))) == (0, "", 2)
    assert ("no answer has a time of day" in out) is said


def test_an_import_that_ends_in_the_middle_says_how_much_was_published(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def has_topic(*_: object) -> bool:
        return True

    async def publish(_kafka: object, _topic: str, values: Iterator[bytes]) -> None:
        next(values)
        next(values)
        raise Unreachable("Kafka is gone")

    monkeypatch.setattr(import_file, "topic_exists", has_topic)
    monkeypatch.setattr(import_file, "publish", publish)
    code = main(["import", written(HEADER + german(1) + german(2) + german(3)), *GERMAN])

    assert code == 1
    assert "\nup to 2 were published to nps.responses: import the file again\nKafka is gone" in capsys.readouterr().err


def test_a_file_may_be_closed_before_its_lines_are_given_up() -> None:
    binary = io.BytesIO(b"a;b\n1;2\n")
    lines = file_of(binary, None).lines()
    assert next(lines) == "a;b\n"
    binary.close()

    del lines  # an error would be one of the collector, which pytest reports
    gc.collect()


def test_reasons_name_what_helps_in_an_import(capsys: pytest.CaptureFixture[str]) -> None:
    table = "survey_id,score,responded_at,revision\ns,3,2026-03-02T08:26:40Z,x\n"
    whole = written(table.replace(",x\n", ",1\n"))
    assert "customer_id=COLUMN, or use --unknown-customers anonymous\n" in run(capsys, whole)[1]
    _, out, _ = run(capsys, written(table), "--unknown-customers", "anonymous")
    assert "line 2: time_invalid: revision: expected a whole number or a time\n" in out


def test_a_naive_time_without_a_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    answers = written("response_id,survey_id,customer_id,score,responded_at\nr-1,s,c-1,3,2026-03-02 08:26:40\n")

    assert "line 2: time_naive: responded_at: has no time zone" in run(capsys, answers)[1]
    code, out, _ = run(capsys, answers, "--time-zone", "America/Denver")
    assert (code, shown(out)[0]["responded_at"]) == (0, "2026-03-02T08:26:40-07:00")
    _, _, err = run(capsys, answers, "--date-format", "%Y-%m-%d %H:%M:%S")
    assert err == "answers.csv: its times have no offset: name their zone with --time-zone\n"


def test_refused_rows_are_written_to_a_file_that_can_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    answers = written(HEADER + german(1) + german(2, 11, "a, b") + german(3, 12) + "4;3\n")
    rejected = ("--rejected", "rejected.csv")
    assert run(capsys, answers, *GERMAN, *rejected)[0] == 1
    text = Path("rejected.csv").read_text()
    assert stat.S_IMODE(Path("rejected.csv").stat().st_mode) == 0o600
    assert text.splitlines()[:2] == [
        "response_id;Note;Kommentar;Datum;Kunde;import line;import reason;import detail",
        "2;11;a, b;02.03.2026 08:26;c-2;3;score_out_of_range;score: expected a whole number from 0 to 10",
    ]
    code, _, err = run(capsys, answers, *GERMAN, *rejected)
    assert (code, err) == (2, "answers.csv: --rejected rejected.csv: exists already\n")

    Path("mended.csv").write_text(text.replace(";11;", ";1;"))
    code, out, _ = run(capsys, "mended.csv", *GERMAN, "--rejected", "again.csv")
    assert (code, shown(out)[0]["score"], "1 of 3 rows are responses" in out) == (1, 1, True)
    assert Path("again.csv").read_text().splitlines()[0] == text.splitlines()[0]


@pytest.mark.parametrize(
    "row",
    [
        "2;3;02.03.2026 08:26;c-2",
        "2;3;;;02.03.2026 08:26;c-2",
        "2",
        '2;3;"a "word" of it";02.03.2026 08:26;c-2',
        '2;3;"never closed;02.03.2026 08:26;c-2',
        '2;3;"two\nlines" of it;02.03.2026 08:26;c-2',
        '2;"3;4";02.03.2026 08:26;c-2',
    ],
)
def test_a_row_that_cannot_be_read_is_written_as_it_was(row: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With one cell more, it could be taken for a right row whose values are in other columns."""
    code, first, _ = run(capsys, written(HEADER + german(1) + row + "\n"), *GERMAN, "--rejected", "1.csv")
    assert (code, row in Path("1.csv").read_text()) == (1, True)
    for number in (1, 2):
        code, out, _ = run(capsys, f"{number}.csv", *GERMAN, "--rejected", f"{number + 1}.csv")
        assert (code, out.splitlines()[-1]) == (1, "0 of 1 row is a response; 1 refused (wrong_type)")
    assert "1 of 2 rows are responses; 1 refused (wrong_type)" in first
    assert row in Path("3.csv").read_text()

    mended = Path("3.csv").read_text().replace(f"\n{row};", "\n2;3;;02.03.2026 08:26;c-2;")
    assert [one["customer_id"] for one in shown(run(capsys, written(mended), *GERMAN)[1])] == ["c-2"]


def test_a_short_row_that_a_spreadsheet_has_filled_up_is_still_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, written(HEADER + "2;3;02.03.2026 08:26;c-2\n"), *GERMAN, "--rejected", "1.csv")
    filled_up = Path("1.csv").read_text().rstrip("\r\n") + ";\r\n"
    said = "line 2: wrong_type: has no number in 'import line': the cells are not in their columns\n"

    assert said in run(capsys, written(filled_up), *GERMAN, "--rejected", "2.csv")[1]
    assert run(capsys, "2.csv", *GERMAN)[0] == 1


def test_notes_that_were_moved_to_the_front_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    notes = "import line;import reason;import detail;"
    moved = notes + HEADER + "3;wrong_type;a;" + german(1) + "4;wrong_type;b;" + german(2, 11)
    run(capsys, written(moved), *GERMAN, "--rejected", "1.csv")

    assert [line.split(";")[:6] for line in Path("1.csv").read_text().splitlines()] == [
        [*HEADER.strip().split(";"), "import line"], [*german(2, 11).strip().split(";"), "3"],
    ]  # fmt: skip


def test_further_ends_of_lines_that_unicode_has_are_no_ends_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    header = HEADER.replace("Kommentar", "Kom\u2028men\x0btar")
    options = tuple(one.replace("Kommentar", "Kom men tar") for one in GERMAN)
    code, out, _ = run(capsys, written(header + german(1, comment="Gut\u2028so")), *options)

    assert (code, shown(out)[0]["comment"]) == (0, "Gut\u2028so")


def test_a_file_of_refused_rows_that_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    answers = written(HEADER + german(2, 11))
    code, _, err = run(capsys, answers, *GERMAN, "--rejected", "none/rejected.csv")

    assert (code, err) == (1, "--rejected none/rejected.csv: No such file or directory\n")


def test_the_header_of_an_export_is_in_its_file_of_refused_rows(capsys: pytest.CaptureFixture[str]) -> None:
    export = (FOLDER / "qualtrics.csv").read_text().replace("Promoter,10", "Promoter,11")
    options = ("--tool", "qualtrics", "--survey", "s", "--rejected", "rejected.csv")
    assert run(capsys, written(export), *options)[0] == 1
    mended = Path("rejected.csv").read_text().replace("Promoter,11", "Promoter,9")

    code, out, _ = run(capsys, written(mended), *options[:4])
    assert (code, shown(out)[0]["customer_id"]) == (0, "c-502")
    assert shown(out)[0]["responded_at"] == "2026-07-12T15:01:10-06:00"


def test_each_row_is_read_once_although_one_is_written_to_the_file_of_refused_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file is longer than what is read of it at once, so its header is not in memory any more."""
    *header, first, second, _ = (FOLDER / "qualtrics.csv").read_text().splitlines()
    assert len(header) == 3
    rows = [second.replace("a2", f"{number:05}") for number in range(300)]
    rows[150] = first.replace("Detractor,0", "Detractor,11")
    export = written("\n".join([*header, *rows]) + "\n")
    code, out, _ = run(capsys, export, "--tool", "qualtrics", "--survey", "s", "--rejected", "rejected.csv")

    assert code == 1
    assert "\n299 of 300 rows are responses; 1 refused (score_out_of_range)\n" in out
    assert Path("rejected.csv").read_text().count("\n") == 4


def test_refused_lines_of_json_are_written_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, written('{"score": 11}\n{é\n', "a.jsonl"), "--survey", "s", "--rejected", "b.jsonl")[0] == 1
    first, second = map(json.loads, Path("b.jsonl").read_text().splitlines())

    assert (first["score"], first["import line"], second["import text"]) == (11, 1, "{é")


def test_half_of_a_character_in_a_refused_line_of_json_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    line = r'{"score": 11, "comment": "é \ud83d"}'
    assert run(capsys, written(line, "a.jsonl"), "--survey", "s", "--rejected", "b.jsonl")[0] == 1

    assert json.loads(Path("b.jsonl").read_text())["comment"] == "é \ud83d"
    assert "é" in Path("b.jsonl").read_text()


def test_the_standard_input_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((HEADER + german(1)).encode())))

    assert len(shown(run(capsys, "-", *GERMAN)[1])) == 1


def test_a_pipe_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, (HEADER + german(1)).encode())
    os.close(writing)

    assert len(shown(run(capsys, f"/dev/fd/{reading}", *GERMAN)[1])) == 1
    os.close(reading)


def test_fresh_answers_are_said_unless_they_are_history(capsys: pytest.CaptureFixture[str]) -> None:
    table = "response_id,survey_id,customer_id,score,responded_at\nr-1,s,c-1,3,2099-01-01T00:00:00Z\n"
    Path("worker.toml").write_text("[intake]\nmax_ahead_hours = 8760\n")
    now = "2026-03-02T08:26:40Z"
    assert "younger" not in run(capsys, written(table.replace("2099-01-01T00:00:00Z", now)))[1]
    recent = table.replace("2099-01-01T00:00:00Z", datetime.now(UTC).isoformat())
    assert "1 answer is younger than 14 days (alerts.max_age_days): det" in run(capsys, written(recent))[1]
    code, out, _ = run(capsys, written(recent), "--history")
    assert (code, shown(out)[0]["history"], "younger" in out) == (0, True, False)


def test_scores_of_another_scale_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    stars = "".join(german(number, number % 5 + 1) for number in range(200))
    said = "no score is above 5: if the scale is not from 0 to 10, do not import these answers"

    assert said in run(capsys, written(HEADER + stars), *GERMAN)[1]
    assert said not in run(capsys, written(HEADER + stars + german(201, 9)), *GERMAN)[1]


def test_only_some_of_many_problems_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, written(HEADER + "".join(german(number, 11) for number in range(150))), *GERMAN)

    assert len([line for line in out.splitlines() if line.startswith("line ")]) == 100
    assert out.splitlines()[-2:] == ["… and 50 more", "0 of 150 rows are responses; 150 refused (score_out_of_range)"]


def test_a_wrong_optional_field_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    line = {
        "response_id": "r", "survey_id": "s", "customer_id": "c", "score": 3, "responded_at": "2026-03-02T08:26:40Z",
        "comment": {"a": 1},
    }  # fmt: skip
    code, out, _ = run(capsys, written(json.dumps(line), "a.jsonl"))

    assert (code, out.splitlines()[-1]) == (0, "1 response does without comment, since its value is wrong")
