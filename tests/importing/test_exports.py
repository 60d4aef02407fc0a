"""What rows of made-up exports become, and rows that a mapping describes."""

import io
import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.dead_letter import Reason
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.outcome import Accepted, Ignored, Refused
from worker.flow.responses.formats.source import Source, compiled, compiled_all
from worker.flow.responses.formats.times import Times
from worker.flow.timestamps import to_ms
from worker.importing.exports import EXPORTS, Column, columns_in
from worker.importing.map_file import read_map
from worker.importing.reading import Reading, Repeats
from worker.importing.rows import Row, csv_rows, header_of

FOLDER = Path(__file__).parent / "exports"
NOW = to_ms(datetime(2026, 12, 1, tzinfo=UTC))
POLICY = IntakePolicy()
KEY = bytes(32)


def rows_of(tool: str) -> list[Row]:
    text = (FOLDER / f"{tool}.csv").read_text()
    return list(csv_rows(io.StringIO(text), header_of(text)))


def read(tool: str, zone: ZoneInfo | None = None, **columns: str) -> list[Accepted | Ignored | Refused]:
    """Read a made-up export of a tool, as the command does."""
    export, rows = EXPORTS[tool], rows_of(tool)
    assert export.missing([*rows[0].values]) == []
    times = export.times(rows)
    score = export.score([*rows[0].values])
    named = {} if score is None else {"score": score}
    fields = {**export.fields, **{field: Column((name,)) for field, name in {**named, **columns}.items()}}
    zoned = Times(times.format, zone or times.zone)
    source = Source(tool, fields, survey_id="s", pseudonym_key=KEY, times=zoned)
    return [
        Reading(source).outcome(row, NOW, POLICY, Repeats()) for row in islice(rows, export.header_lines(rows), None)
    ]


def fields(outcome: Accepted | Ignored | Refused) -> Any:
    assert isinstance(outcome, Accepted), outcome
    assert outcome.left_out == ()
    return outcome.fields


def test_typeform() -> None:
    first, second, third, fourth = read(
        "typeform", score="How likely are you to recommend us?", comment="What is the reason?"
    )

    assert fields(first) == {
        "response_id": "typeform:tokaaaa1", "survey_id": "s", "customer_id": "c-301", "score": 2, "revision": 1,
        "comment": "Delivered late,\nand nobody answers.", "responded_at": "2026-03-02T08:26:40+00:00",
        "segment": ["fr", "lyon"], "origin": {"system": "typeform"},
    }  # fmt: skip
    assert fields(second)["comment"] == "Très bien"
    assert isinstance(third, Ignored)
    assert (fields(fourth)["revision"], fields(fourth)["responded_at"]) == (0, "2026-03-02T09:21:30+00:00")


def test_surveymonkey() -> None:
    columns = {"score": "How likely is it that you would recommend us?", "comment": "What could we do better?"}
    first, second, third = read("surveymonkey", ZoneInfo("Europe/Paris"), customer_id="Custom Data 1", **columns)

    assert fields(first)["customer"] == {"email": "li@example.com", "name": "Li Chen"}
    assert fields(first)["customer_id"].startswith("email:")
    assert fields(first)["responded_at"] == "2026-03-02T08:20:01+01:00"
    assert fields(first)["revision"] == to_ms(datetime(2026, 3, 2, 7, 26, 40, tzinfo=UTC)) // 1_000
    assert (fields(second)["customer_id"], fields(second)["score"]) == ("c-402", 9)
    assert fields(second)["responded_at"] == "2026-07-12T15:00:00+02:00"
    assert isinstance(third, Ignored)


def test_qualtrics_finds_the_score_the_zone_and_three_header_lines() -> None:
    first, second, third = read("qualtrics", comment="Q2")

    assert fields(first) == {
        "response_id": "qualtrics:R_0000000000000a1", "survey_id": "s", "customer_id": "c-501", "score": 0,
        "comment": "Colis abîmé.", "responded_at": "2026-03-02T08:26:40-07:00", "language": "fr",
        "segment": ["fr", "lyon"], "customer": {"name": "Jeanne Martin", "email": "jeanne@example.com"},
        "origin": {"system": "qualtrics"},
    }  # fmt: skip
    assert fields(second)["responded_at"] == "2026-07-12T15:01:10-06:00"
    assert fields(third)["test"] is True


@pytest.mark.parametrize(
    ("cells", "lines", "has_zone"),
    [
        (['{"ImportId":"a","timeZone":"Europe/Paris"}'], 2, True),
        (['{"ImportId":"a","timeZone":"MST"}', '{"ImportId":"b","timeZone":"Europe/Paris"}'], 2, False),
        (['{"ImportId":"a","timeZone":"no zone"}'], 2, False),
        (['{"ImportId":"a"}'], 2, False),
        (['{"a":1}'], 0, False),
        (["[1]"], 0, False),
        (["5"], 0, False),
        (["text"], 0, False),
    ],
)
def test_the_third_line_of_qualtrics(cells: list[str], lines: int, has_zone: bool) -> None:
    export, rows = EXPORTS["qualtrics"], [Row(2, {}, ["Start"]), Row(3, {}, cells)]

    assert export.header_lines(rows) == lines
    assert (export.times(rows).zone is not None) is has_zone
    assert export.header_lines(rows[:1]) == 0


@pytest.mark.parametrize(
    ("names", "score"),
    [(["Q1", "Q1_NPS_GROUP"], "Q1"), (["Q1_NPS_GROUP"], None), (["Q1"], None),
     (["Q1", "Q1_NPS_GROUP", "Q2", "Q2_NPS_GROUP"], None)],
)  # fmt: skip
def test_qualtrics_has_a_score_if_one_question_has_the_group(names: list[str], score: str | None) -> None:
    assert EXPORTS["qualtrics"].score(names) == score


def test_a_header_without_a_second_line_of_surveymonkey() -> None:
    assert EXPORTS["surveymonkey"].header_lines([Row(2, {"Respondent ID": "1"}, ["1"])]) == 0
    assert EXPORTS["surveymonkey"].header_lines([]) == 0


def test_a_column_may_have_one_of_several_names() -> None:
    export = EXPORTS["surveymonkey"]

    assert export.missing(["Respondent ID", "Date Created", "End Date"]) == []
    assert export.missing(["Respondent ID"]) == ["Start Date", "End Date"]


def reading(mapping: dict[str, str], **changes: Any) -> Reading:
    return Reading(Source("shop", compiled_all(mapping), survey_id="s", **changes))


MAPPING = {"score": "Note", "responded_at": "When", "customer_id": '"Customer ID"'}
VALUES = {"Note": "3", "When": "2026-03-02T08:26:40Z", "Customer ID": "c-1"}
ROW = "0f09d57f3cfd13ee95d049252696ac57"


def outcome(how: Reading, **changes: Any) -> Accepted | Ignored | Refused:
    return how.outcome(Row(2, {**VALUES, **changes}, []), NOW, POLICY, Repeats())


def test_the_columns_in_which_a_field_is_looked_for_are_known() -> None:
    qualtrics = EXPORTS["qualtrics"].fields

    assert columns_in(qualtrics["customer_id"]) == {"customer_id", "ExternalReference"}
    assert columns_in(qualtrics["customer.name"]) == {"RecipientFirstName", "RecipientLastName"}
    assert columns_in(qualtrics["language"]) == {"UserLanguage"}
    assert columns_in(qualtrics["test"]) == {"Status"}
    assert columns_in(compiled("Note || Score")) == {"Note", "Score"}


def test_without_an_id_it_is_made_of_the_row() -> None:
    how = reading(MAPPING)
    first, other = outcome(how), outcome(how, Note="4")
    swapped = how.outcome(Row(9, dict(reversed(VALUES.items())), []), NOW, POLICY, Repeats())

    # The id must stay the same from version to version: otherwise the same file would be imported a second time.
    assert fields(first)["response_id"] == f"shop:{ROW}"
    assert fields(first)["response_id"] == fields(swapped)["response_id"]
    assert fields(first)["response_id"] != fields(other)["response_id"]


def test_equal_rows_without_an_id_are_several_answers() -> None:
    how, row = reading(MAPPING), Row(2, VALUES, [])
    twice = []
    for _ in range(2):
        repeats = Repeats()
        rows = [row, row, Row(4, {**VALUES, "Note": "4"}, []), row]
        twice.append([fields(how.outcome(one, NOW, POLICY, repeats))["response_id"] for one in rows])
    first, second, other, third = twice[0]

    assert (first, second, third) == (f"shop:{ROW}", f"shop:{ROW}-2", f"shop:{ROW}-3")
    assert other not in {first, second, third}
    assert twice[0] == twice[1]
    own = reading({**MAPPING, "response_id": "Note"})
    assert {fields(own.outcome(row, NOW, POLICY, repeats))["response_id"] for _ in range(2)} == {"shop:3"}


def test_the_value_of_an_answer_that_is_told_apart_has_its_id() -> None:
    repeats = Repeats()
    found = [reading(MAPPING).outcome(Row(2, VALUES, []), NOW, POLICY, repeats) for _ in range(2)]

    assert [json.loads(one.value)["response_id"] for one in found if isinstance(one, Accepted)] == [
        f"shop:{ROW}", f"shop:{ROW}-2",
    ]  # fmt: skip


def test_an_id_of_the_row_follows_the_name() -> None:
    found = fields(outcome(reading({**MAPPING, "response_id": "Id"}), Id="7"))

    assert (found["response_id"], found["origin"]) == ("shop:7", {"system": "shop"})


def test_only_rows_that_are_selected_are_answers() -> None:
    how = reading(MAPPING, only_if=compiled("Kind == 'nps'"))

    assert isinstance(outcome(how, Kind="nps"), Accepted)
    other = outcome(how, Kind="csat")
    assert isinstance(other, Ignored)
    assert other.why == "not_selected"


def test_a_row_that_cannot_be_read_stays_refused() -> None:
    refused = Refused(Reason.WRONG_TYPE, "has 2 cells, and the header has 3")

    assert reading(MAPPING).outcome(Row(2, {}, ["1", "2"], refused), NOW, POLICY, Repeats()) is refused


def test_ids_of_the_workers_own_form_stand_as_they_are() -> None:
    fields_by_name = compiled_all({**MAPPING, "response_id": "Id"})
    found = fields(outcome(Reading(Source("import", fields_by_name, survey_id="s"), has_own_ids=True), Id="r-7"))

    assert (found["response_id"], "origin" in found) == ("r-7", False)


def test_history_is_marked() -> None:
    how = reading(MAPPING)

    assert fields(outcome(Reading(how.source, is_history=True)))["history"] is True
    assert "history" not in fields(outcome(how))


def test_what_the_intake_would_refuse_is_refused() -> None:
    later = outcome(reading(MAPPING), When="2027-03-02T08:26:40Z")

    assert isinstance(later, Refused)
    assert later.reason == "time_future"


def test_a_date_in_another_form_is_told_so() -> None:
    found = outcome(reading(MAPPING, times=Times("%d.%m.%Y", ZoneInfo("Europe/Berlin"))), When="2.3.26")

    assert isinstance(found, Refused)
    assert found.detail == "responded_at: is not written as the format of times says, or there is no such day"


MAP = """
name = "shop"
survey_id = "s"
time_format = "%d.%m.%Y %H:%M"
time_zone = "Europe/Berlin"
unknown_customers = "anonymous"

[mapping]
score = "Note"
responded_at = "When"
only_if = "Note != ''"
"""


def test_a_file_with_a_mapping() -> None:
    source = read_map(MAP).source(KEY)
    found = Reading(source).outcome(Row(2, {"Note": "3", "When": "02.03.2026 08:26"}, []), NOW, POLICY, Repeats())

    assert (fields(found)["anonymous"], fields(found)["responded_at"]) == (True, "2026-03-02T08:26:00+01:00")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "is not TOML: "),
        (MAP.replace('name = "shop"', ""), "name: is missing"),
        (MAP.replace('survey_id = "s"', ""), "needs survey_id or mapping.survey_id as well"),
        (MAP.replace('score = "Note"', ""), "needs mapping.score as well"),
        (MAP.replace('time_zone = "Europe/Berlin"', ""), "time_format has no offset (%z), so time_zone is"),
        (MAP.replace('"Note"', "'\"Note\"'"), "mapping.score: names a field, since it is in double quotes"),
        (f'{MAP}each = "a"', "mapping.each has no effect, since each row is one answer: remove it"),
        (f'{MAP}scores = "a"', "mapping.scores: is not a key; did you mean mapping.score?"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_map(text)
    assert str(caught.value).startswith(problem)
