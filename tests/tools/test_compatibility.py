"""Nothing that others rely on is taken away, and the judge of it sees each way to do so."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from schemas.__main__ import HERE
from schemas.catalog import CONTRACTS, POSTED, Contract
from schemas.export import json_schema
from tools.compatibility import breaking_changes

Schema = dict[str, Any]

PUBLISHED = {(path.parent.name, path.name): path for path in sorted((HERE / "published").glob("*/*.schema.json"))}
PUBLIC = [contract for contract in (*CONTRACTS, *POSTED) if contract.public]

BASE: Schema = {
    "$defs": {
        "Colour": {"type": "string", "enum": ["red", "green"]},
        "Person": {
            "type": "object",
            "properties": {"name": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "age": {"type": "integer"}},
            "required": ["age"],
        },
    },
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[a-z]+$"},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "ratio": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "kind": {"type": "string", "const": "visit"},
        "note": {"type": "string", "default": ""},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "colour": {"$ref": "#/$defs/Colour"},
        "owner": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
        "people": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Person"}},
    },
    "required": ["id", "score", "kind"],
}


def put(path: str, value: Any) -> Callable[[Schema], None]:
    """Return the change that sets what the path names; its last part may be new."""

    def change(schema: Schema) -> None:
        *way, last = path.split("/")
        for part in way:
            schema = schema[part]
        schema[last] = value

    return change


def drop(path: str) -> Callable[[Schema], None]:
    """Return the change that removes what the path names."""

    def change(schema: Schema) -> None:
        *way, last = path.split("/")
        for part in way:
            schema = schema[part]
        del schema[last]

    return change


class Case(NamedTuple):
    """One change, and what it breaks for readers of what is emitted and for publishers of what is consumed."""

    sentence: str
    change: Callable[[Schema], None]
    emitted: list[str]
    consumed: list[str]


NULLABLE_INTEGER = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 10}, {"type": "null"}]}

CASES = (
    Case("nothing", lambda _: None, [], []),
    Case("a description is other words", put("properties/score/description", "Points."), [], []),
    Case("a title is other words", put("title", "Visit"), [], []),
    Case("an optional field is added", put("properties/extra", {"type": "string"}), [], []),
    Case(
        "a required field is added",
        lambda s: (put("properties/extra", {"type": "string"})(s), s["required"].append("extra"))[0],
        [],
        ["$.extra: is now required"],
    ),
    Case("a field is removed", drop("properties/ratio"), ["$.ratio: was removed"], ["$.ratio: is no longer read"]),
    Case(
        "a required field is removed",
        lambda s: (drop("properties/score")(s), s["required"].remove("score"))[0],
        ["$.score: was removed"],
        ["$.score: is no longer read"],
    ),
    Case(
        "a required field becomes optional", lambda s: s["required"].remove("score"), ["$.score: may now be absent"], []
    ),
    Case("an optional field becomes required", lambda s: s["required"].append("at"), [], ["$.at: is now required"]),
    Case(
        "a type is another one",
        put("properties/ratio/type", "string"),
        ["$.ratio: may now be string"],
        ["$.ratio: may no longer be number"],
    ),
    Case(
        "an integer becomes a number",
        put("properties/score/type", "number"),
        ["$.score: may now be number"],
        [],
    ),
    Case(
        "a number becomes an integer", put("properties/ratio/type", "integer"), [], ["$.ratio: may no longer be number"]
    ),
    Case("null is allowed", put("properties/score", NULLABLE_INTEGER), ["$.score: may now be null"], []),
    Case(
        "null is allowed by a list of types",
        put("properties/ratio/type", ["number", "null"]),
        ["$.ratio: may now be null"],
        [],
    ),
    Case(
        "null is no longer allowed", put("properties/maybe", {"type": "string"}), [], ["$.maybe: may no longer be null"]
    ),
    Case("a type is left open", put("properties/ratio", {}), ["$.ratio: may now be anything"], []),
    Case(
        "an enumeration has one value more",
        put("$defs/Colour/enum", ["red", "green", "blue"]),
        ["$.colour: may now be 'blue'"],
        [],
    ),
    Case(
        "an enumeration has one value less",
        put("$defs/Colour/enum", ["red"]),
        [],
        ["$.colour: may no longer be 'green'"],
    ),
    Case("an enumeration is opened", drop("$defs/Colour/enum"), ["$.colour: may now be any value"], []),
    Case("a text is closed", put("properties/note/enum", ["a"]), [], ["$.note: may no longer be any value"]),
    Case(
        "a constant is another one",
        put("properties/kind/const", "call"),
        ["$.kind: may now be 'call'"],
        ["$.kind: may no longer be 'visit'"],
    ),
    Case(
        "a format is another one",
        put("properties/at/format", "date"),
        ["$.at: format date-time became date"],
        ["$.at: format date-time became date"],
    ),
    Case("a format is no longer kept", drop("properties/at/format"), ["$.at: format date-time became none"], []),
    Case("a format is asked for", put("properties/note/format", "email"), [], ["$.note: format none became email"]),
    Case(
        "a pattern is another one",
        put("properties/id/pattern", "^[0-9]+$"),
        ["$.id: pattern ^[a-z]+$ became ^[0-9]+$"],
        ["$.id: pattern ^[a-z]+$ became ^[0-9]+$"],
    ),
    Case("a maximum is higher", put("properties/score/maximum", 100), ["$.score: maximum 10 became 100"], []),
    Case("a maximum is lower", put("properties/score/maximum", 5), [], ["$.score: maximum 10 became 5"]),
    Case("a minimum is higher", put("properties/score/minimum", 1), [], ["$.score: minimum 0 became 1"]),
    Case("a minimum is lower", put("properties/score/minimum", -1), ["$.score: minimum 0 became -1"], []),
    Case("a minimum is dropped", drop("properties/score/minimum"), ["$.score: minimum 0 became none"], []),
    Case("a text must be shorter", put("properties/id/maxLength", 10), [], ["$.id: maxLength 20 became 10"]),
    Case("a text may be empty", put("properties/id/minLength", 0), ["$.id: minLength 1 became 0"], []),
    Case("a list may be longer", put("properties/tags/maxItems", 9), ["$.tags: maxItems 3 became 9"], []),
    Case(
        "a list's items may be longer",
        put("properties/tags/items/maxLength", 9),
        ["$.tags[*]: maxLength 5 became 9"],
        [],
    ),
    Case(
        "a list's items are of another type",
        put("properties/tags/items", {"type": "integer"}),
        ["$.tags[*]: may now be integer"],
        ["$.tags[*]: may no longer be string"],
    ),
    Case("a list's items are left open", drop("properties/tags/items"), ["$.tags[*]: may now be anything"], []),
    Case(
        "a nested field is removed, wherever it is referred to",
        drop("$defs/Person/properties/name"),
        ["$.owner.name: was removed", "$.people.*.name: was removed"],
        ["$.owner.name: is no longer read", "$.people.*.name: is no longer read"],
    ),
    Case(
        "a nested field is required",
        put("$defs/Person/required", ["age", "name"]),
        [],
        ["$.owner.name: is now required", "$.people.*.name: is now required"],
    ),
    Case(
        "a dictionary's values are left open",
        drop("properties/people/additionalProperties"),
        ["$.people.*: may now be anything"],
        [],
    ),
    Case("unknown fields are refused", put("additionalProperties", False), [], ["$.*: may no longer be anything"]),
    Case(
        "an absent field means something else",
        put("properties/note/default", "none"),
        ["$.note: default  became none"],
        ["$.note: default  became none"],
    ),
    Case(
        "a reference is written out",
        put("properties/colour", {"type": "string", "enum": ["green", "red"]}),
        [],
        [],
    ),
    Case(
        "a word of the language is not understood here",
        put("properties/id/contentEncoding", "base64"),
        ["$.id: contentEncoding none became base64"],
        ["$.id: contentEncoding none became base64"],
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_a_change_is_judged_from_the_side_of_those_who_rely_on_it(case: Case) -> None:
    current = deepcopy(BASE)
    case.change(current)

    assert case.emitted == breaking_changes(BASE, current, consumed=False)
    assert case.consumed == breaking_changes(BASE, current, consumed=True)


def test_a_field_added_to_an_emitted_object_that_readers_keep_closed_is_refused() -> None:
    closed = BASE | {"additionalProperties": False}
    current = deepcopy(closed)
    current["properties"]["extra"] = {"type": "string"}

    assert breaking_changes(closed, current, consumed=False) == ["$.extra: may now be string"]
    assert breaking_changes(closed, current, consumed=True) == []


def test_a_schema_that_contains_itself_is_compared_once() -> None:
    tree: Schema = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                    "n": {"type": "integer"},
                },
            }
        },
    }
    changed = deepcopy(tree)
    changed["$defs"]["Node"]["properties"]["n"] = {"type": "string"}

    assert breaking_changes(tree, tree, consumed=False) == []
    assert "$.n: may now be string" in breaking_changes(tree, changed, consumed=False)


def test_every_public_contract_is_published_and_nothing_published_is_gone() -> None:
    assert {(f"v{contract.version}", f"{contract.name}.schema.json") for contract in PUBLIC} <= PUBLISHED.keys()
    assert {name for _, name in PUBLISHED} == {f"{contract.name}.schema.json" for contract in PUBLIC}


@pytest.mark.parametrize("contract", PUBLIC, ids=lambda contract: contract.name)
def test_the_current_contract_keeps_what_was_published(contract: Contract) -> None:
    published = read(PUBLISHED[f"v{contract.version}", f"{contract.name}.schema.json"])

    assert breaking_changes(published, json_schema(contract), consumed=contract.consumed) == []
    assert Draft202012Validator(published).is_valid(contract.example)


@pytest.mark.parametrize("contract", PUBLIC, ids=lambda contract: contract.name)
def test_taking_any_field_away_from_a_contract_is_noticed(contract: Contract) -> None:
    published = read(PUBLISHED[f"v{contract.version}", f"{contract.name}.schema.json"])
    for name in published["properties"]:
        current = json_schema(contract)
        del current["properties"][name]

        assert breaking_changes(published, current, consumed=contract.consumed), name


def read(path: Path) -> Schema:
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    return schema
