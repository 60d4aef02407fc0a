"""The files below `schemas/` are what the models say, and tools can read them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.__main__ import HERE, main
from schemas.catalog import CONTRACTS, POSTED, Contract
from schemas.export import json_schema, texts


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


@pytest.fixture
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(texts()["asyncapi.yaml"])
    return document


def test_the_files_in_the_repository_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_the_texts_are_the_same_each_time() -> None:
    assert list(texts().items()) == list(texts().items())


def test_every_text_ends_with_one_newline_and_says_no_time() -> None:
    for path, text in texts().items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path


@pytest.mark.parametrize("contract", [*CONTRACTS, *POSTED], ids=lambda contract: contract.name)
def test_each_schema_is_a_json_schema_with_a_stable_id(contract: Contract) -> None:
    schema = json_schema(contract)
    Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert f"urn:nps:schema:{contract.name}:1" == schema["$id"]
    assert contract.summary == schema["description"]


def test_checking_says_what_is_stale_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0

    (tmp_path / "json" / "alert.schema.json").write_text("{}\n")
    (tmp_path / "json" / "refund.schema.json").write_text("{}\n")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "json/alert.schema.json: is stale; run python -m schemas",
        "json/refund.schema.json: belongs to no contract; run python -m schemas",
    ]

    assert main([], tmp_path) == 0
    assert (capsys.readouterr().out.splitlines()) == [
        "json/alert.schema.json: written",
        "json/refund.schema.json: removed",
    ]
    assert main(["--check"], tmp_path) == 0


def test_every_reference_of_the_asyncapi_document_leads_somewhere(asyncapi: dict[str, Any]) -> None:
    found = references(asyncapi)
    assert found
    for reference in found:
        if reference.startswith("./"):
            assert (HERE / reference).is_file(), reference
            continue
        target: Any = asyncapi
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_the_asyncapi_document_has_the_public_topics_only(asyncapi: dict[str, Any]) -> None:
    topics = dict.fromkeys(contract.topic for contract in CONTRACTS if contract.public)

    assert asyncapi["asyncapi"] == "3.0.0"
    assert [f"nps.{topic}" for topic in topics] == [channel["address"] for channel in asyncapi["channels"].values()]
    assert "deliver" not in " ".join(asyncapi["components"]["messages"])


def test_each_public_event_is_a_message_of_its_topics_one_channel_and_one_operation(asyncapi: dict[str, Any]) -> None:
    for contract in (contract for contract in CONTRACTS if contract.public):
        operations = [
            operation
            for operation in asyncapi["operations"].values()
            if operation["channel"]["$ref"] == f"#/channels/{contract.topic}"
        ]
        assert contract.name in asyncapi["channels"][contract.topic]["messages"]
        assert len(operations) == 1
        assert f"#/channels/{contract.topic}/messages/{contract.name}" in references(operations)
        assert contract.summary in operations[0]["summary"]


def test_messages_that_share_a_channel_have_their_own_keys_types_and_payloads(asyncapi: dict[str, Any]) -> None:
    alert, incident = (asyncapi["components"]["messages"][name] for name in ("alert", "incident"))

    assert alert["bindings"]["kafka"]["key"]["description"] == "The customer's id."
    assert incident["bindings"]["kafka"]["key"]["description"] == "`incident:` and the segment's path."
    assert incident["headers"]["properties"]["ce_type"]["const"] == "nps.incident.v1"
    assert incident["payload"] == {"$ref": "./json/incident.schema.json"}
    assert "incident-tombstone" not in asyncapi["components"]["messages"]


def test_the_worker_receives_responses_and_commands_and_sends_the_rest(asyncapi: dict[str, Any]) -> None:
    actions = {operation["channel"]["$ref"]: operation["action"] for operation in asyncapi["operations"].values()}

    assert actions.pop("#/channels/responses") == "receive"
    assert actions.pop("#/channels/alert-commands") == "receive"
    assert actions.pop("#/channels/silence-commands") == "receive"
    assert "alert-command-structured" not in asyncapi["components"]["messages"]
    assert {"send"} == set(actions.values())


def test_only_scores_and_silences_are_compacted(asyncapi: dict[str, Any]) -> None:
    policies = {
        name: channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]
        for name, channel in asyncapi["channels"].items()
    }

    assert policies.pop("scores") == policies.pop("silences") == ["compact"]
    assert all(policy == ["delete"] for policy in policies.values())


def test_what_is_emitted_always_carries_the_headers_that_the_document_requires(asyncapi: dict[str, Any]) -> None:
    headers = asyncapi["components"]["messages"]["alert"]["headers"]

    assert headers["required"] == ["ce_id", "ce_source", "ce_specversion", "ce_time", "ce_type", "content-type"]
    assert headers["properties"]["ce_type"]["const"] == "nps.alert.v1"
    assert "required" not in asyncapi["components"]["messages"]["response"]["headers"]
