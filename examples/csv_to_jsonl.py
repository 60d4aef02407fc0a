"""Turns a CSV file into responses, one JSON object per line.

The first row has the names of the fields. A dot leads into an object, as in `customer.email`; the names of a segment's
path are separated by slashes. `--map` and `--set` help where the file has other names, or lacks a field:

    python examples/csv_to_jsonl.py answers.csv > answers.jsonl
    python examples/csv_to_jsonl.py answers.csv --map Note=score --set survey_id=after-delivery > answers.jsonl
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIELDS = {
    *("response_id", "revision", "survey_id", "customer_id", "score", "comment", "language", "responded_at", "segment"),
    *("customer.name", "customer.email", "customer.phone", "customer.tier", "customer.owner"),
    *("consent.callback", "consent.public_review", "consent.marketing", "follow_up_requested"),
    *("origin.system", "origin.permalink", "solicitation.asked_by", "solicitation.contact_at", "test", "anonymous"),
}
NUMBERS = {"score", "revision"}
FLAGS = {
    *("consent.callback", "consent.public_review", "consent.marketing"),
    *("follow_up_requested", "test", "anonymous"),
}
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def typed(field: str, text: str) -> Any:
    """Return a cell as JSON has it. What cannot be read stays a text: `publish --check` says what is wrong with it."""
    if field == "segment":
        return text.split("/")
    if field in NUMBERS and text.isdecimal():
        return int(text)
    return WORDS.get(text.lower(), text) if field in FLAGS else text


def response(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the response of a row, whose cells are given by field, without the empty ones."""
    made: dict[str, Any] = {}
    for field, cell in cells.items():
        outer, _, inner = field.rpartition(".")
        (made.setdefault(outer, {}) if outer else made)[inner] = typed(field, cell.strip())
    return made


def pair(text: str) -> tuple[str, str]:
    """Split LEFT=RIGHT at its first equals sign."""
    left, sign, right = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text} has no equals sign")
    return left, right


def main() -> None:
    """Write the responses to the standard output, and to the standard error which columns were left out."""
    parser = argparse.ArgumentParser(description="Turns a CSV file into responses, one JSON object per line.")
    parser.add_argument("file", type=Path, help="a CSV file; its first row has the names of the columns")
    parser.add_argument("--map", type=pair, action="append", default=[], metavar="COLUMN=FIELD", help="rename a column")
    parser.add_argument(
        "--set",
        type=pair,
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="add to each row in which the field is empty",
    )
    parser.add_argument("--encoding", default="utf-8-sig", help="the file's encoding, such as cp1252 (default: UTF-8)")
    asked = parser.parse_args()
    names, constants = dict(asked.map), dict(asked.set)
    if unknown := {*names.values(), *constants} - FIELDS:
        parser.error(f"not a field of a response: {', '.join(sorted(unknown))}")
    with asked.file.open(encoding=asked.encoding, newline="") as file:
        separator = max(",;\t", key=file.readline().count)
        file.seek(0)
        rows = csv.DictReader(file, delimiter=separator, restkey="", restval="")
        columns = {column: names.get(column, column.strip()) for column in rows.fieldnames or ()}
        set_elsewhere: set[str] = set()
        for row in rows:
            filled = {
                field: row[column] for column, field in columns.items() if field in FIELDS and row[column].strip()
            }
            set_elsewhere |= filled.keys() & constants.keys()
            if filled:
                print(json.dumps(response(constants | filled), ensure_ascii=False))
    for field in sorted(set_elsewhere):
        print(f"--set {field}: is used only in rows whose own {field} is empty", file=sys.stderr)
    if others := [column for column, field in columns.items() if field not in FIELDS]:
        print(f"left out, since no field has this name: {', '.join(others)}", file=sys.stderr)


main()
