"""The contracts as texts: a JSON Schema for each event, and one AsyncAPI document for all public topics.

A developer's command (`python -m schemas`) needs this, and PyYAML with it; the worker does neither import nor need it.
The texts depend on the models only: no time, no path, no order by chance.
"""

import json
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from schemas.asyncapi import document
from schemas.catalog import CONTRACTS, POSTED, Contract

_HEADLINE = "# Written by `python -m schemas`, for the default topic prefix. Do not edit.\n"


def texts() -> dict[str, str]:
    """Return each file's text by its path below `schemas/`."""
    files = {f"json/{contract.name}.schema.json": _json(json_schema(contract)) for contract in (*CONTRACTS, *POSTED)}
    return files | {"asyncapi.yaml": _HEADLINE + _yaml(document())}


def json_schema(contract: Contract) -> dict[str, Any]:
    """Return the JSON Schema of what a publisher may write (consumed) or of what the worker writes (emitted)."""
    body = contract.model.model_json_schema(
        mode="validation" if contract.consumed else "serialization", schema_generator=_Generator
    )
    head = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:nps:schema:{contract.name}:{contract.version}",
        "title": contract.model.__name__,
        "description": contract.summary,
    }
    return (
        head
        | {key: value for key, value in body.items() if key not in head}
        | {"examples": [contract.example, *contract.later_examples.values()]}
    )


class _Generator(GenerateJsonSchema):
    """Pydantic's, without titles that repeat the names; what is emitted has every field, so it needs no defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice: anchors help no reader here."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
