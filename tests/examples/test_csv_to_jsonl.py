"""What `examples/csv_to_jsonl.py` makes of a CSV file is accepted, and it knows each field that a response may have."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from schemas.response import Response

PROGRAM = Path(__file__).parents[2] / "examples" / "csv_to_jsonl.py"


def converted(path: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
    """Return the objects that the program writes about a file, and its remarks."""
    done = subprocess.run([sys.executable, PROGRAM, path, *options], capture_output=True, check=True, encoding="utf-8")
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def fields(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the fields of a model; those of an object in it come after a dot."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        found |= fields(inner[0], f"{prefix}{name}.") if inner else {prefix + name}
    return found


def test_a_file_whose_columns_are_fields(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text(
        "response_id,survey_id,customer_id,score,responded_at,comment,segment,customer.name,consent.callback,shoe_size\n"
        'r-1,delivery,c-1,2,2026-03-02T09:14:05+01:00,"late, and broken",fr/lyon,Zoé,yes,44\n'
        "r-2,delivery,c-2,10,2026-03-02T09:14:06Z,,,,,\n",
        encoding="utf-8",
    )

    responses, remarks = converted(tmp_path / "answers.csv")

    assert responses == [
        {
            "response_id": "r-1",
            "survey_id": "delivery",
            "customer_id": "c-1",
            "score": 2,
            "responded_at": "2026-03-02T09:14:05+01:00",
            "comment": "late, and broken",
            "segment": ["fr", "lyon"],
            "customer": {"name": "Zoé"},
            "consent": {"callback": True},
        },
        {
            "response_id": "r-2",
            "survey_id": "delivery",
            "customer_id": "c-2",
            "score": 10,
            "responded_at": "2026-03-02T09:14:06Z",
        },
    ]
    assert [Response.model_validate_json(json.dumps(response)).score for response in responses] == [2, 10]
    assert remarks == "left out, since no field has this name: shoe_size\n"


def test_a_file_of_a_spreadsheet_with_other_names(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_bytes("\ufeffRéf;Note;survey_id\r\nr-1;2;\r\nr-2;ten;shop\r\n;;\r\n".encode())

    responses, remarks = converted(
        tmp_path / "answers.csv", "--map", "Réf=response_id", "--map", "Note=score", "--set", "survey_id=delivery"
    )

    # What is no number stays as it is, so that the check of `publish` names it; an empty row is no response.
    assert responses == [
        {"survey_id": "delivery", "response_id": "r-1", "score": 2},
        {"survey_id": "shop", "response_id": "r-2", "score": "ten"},
    ]
    assert remarks == "--set survey_id: is used only in rows whose own survey_id is empty\n"


def test_it_knows_each_field() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    known = set(re.findall(r'"([\w.]+)"', text[text.index("FIELDS = {") : text.index("NUMBERS")]))

    assert known == fields(Response)
