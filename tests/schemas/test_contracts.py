"""Every contract's example is complete and holds, by the model and by the JSON Schema."""

import json
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from schemas.alert import Alert
from schemas.base import Event
from schemas.case import CASE, CaseStep
from schemas.catalog import CONTRACTS, POSTED, Contract
from schemas.examples import INCIDENT, INCIDENT_RESOLVED, INCIDENT_UPDATED
from schemas.export import json_schema
from schemas.incident import Incident, IncidentKind
from worker.nps.interval import difference, interval

#: The fields that those who write an event may not leave out.
REQUIRED = {
    "response": {"response_id", "survey_id", "score", "responded_at"},
    "alert-command": {"command_id", "alert_id", "customer_id", "action", "actor"},
    "silence-command": {"command_id", "silence_id", "action", "actor"},
}
EACH = pytest.mark.parametrize("contract", [*CONTRACTS, *POSTED], ids=lambda contract: contract.name)


@EACH
def test_the_example_has_every_field_and_survives_the_model_unchanged(contract: Contract) -> None:
    event = contract.model.model_validate_json(json.dumps(contract.example))

    assert contract.example == json.loads(event.model_dump_json())


@EACH
def test_the_example_holds_by_the_json_schema(contract: Contract) -> None:
    validator = Draft202012Validator(json_schema(contract), format_checker=FormatChecker())

    assert [error.message for error in validator.iter_errors(contract.example)] == []


@EACH
def test_a_field_that_is_missing_from_an_emitted_event_is_noticed(contract: Contract) -> None:
    validator = Draft202012Validator(json_schema(contract))
    if contract.consumed:
        assert REQUIRED[contract.name] == set(json_schema(contract)["required"])
        return
    for name in contract.model.model_fields:
        assert not validator.is_valid({key: value for key, value in contract.example.items() if key != name}), name


def test_names_types_and_models_are_unique() -> None:
    for values in (
        [contract.name for contract in CONTRACTS],
        [contract.event_type for contract in CONTRACTS],
        [contract.model for contract in CONTRACTS],
    ):
        assert len(CONTRACTS) == len(set(values))


def test_only_alerts_incidents_and_cases_share_a_topic() -> None:
    names = [contract.name for contract in CONTRACTS]
    topics = [contract.topic for contract in CONTRACTS]

    sharing = [name for name, topic in zip(names, topics, strict=True) if topics.count(topic) > 1]
    assert sharing == ["alert", "incident", "case"]


def test_what_is_said_of_a_topic_is_the_same_in_each_of_its_contracts() -> None:
    said = {(contract.topic, contract.compacted, contract.public, contract.consumed) for contract in CONTRACTS}

    assert len(said) == len({contract.topic for contract in CONTRACTS})


def test_events_on_one_topic_are_told_apart_by_their_kind_as_well() -> None:
    kinds = {contract.name: contract.example["kind"] for contract in CONTRACTS if contract.topic == "alerts"}

    assert kinds == {"alert": "detractor", "incident": "segment_drop", "case": CASE}
    assert not {kinds["alert"], CASE} & set(IncidentKind)


def test_events_on_the_topic_of_the_alerts_share_what_every_receiver_of_them_reads() -> None:
    """A receiver that does not know cases reads them as it reads an incident of a kind that it does not know."""
    shared = set(Alert.model_fields) & set(Incident.model_fields)

    assert shared <= set(CaseStep.model_fields)


EXAMPLES_OF_INCIDENT = pytest.mark.parametrize("incident", [INCIDENT, INCIDENT_UPDATED, INCIDENT_RESOLVED])


@EXAMPLES_OF_INCIDENT
def test_the_incident_of_the_examples_is_right_in_its_numbers(incident: dict[str, Any]) -> None:
    before, after = incident["before"], incident["after"]
    for score in (before, after):
        promoters, passives, detractors = _counts(score)
        assert promoters + passives + detractors == score["n"]
        assert round(100 * (promoters - detractors) / score["n"], 1) == score["nps"]
        assert _rounded(interval(promoters, passives, detractors)) == [score["low"], score["high"]]
    change, found = incident["change"], after["nps"] - before["nps"]
    if incident["reason"] == "recovered":
        assert change["points"] == round(found, 1)
        assert _rounded(difference(_counts(after), _counts(before))) == [change["low"], change["high"]]
    else:
        assert found < change["points"]
        assert incident["within"]["points"] + incident["mix"]["points"] == pytest.approx(found, abs=0.101)


@EXAMPLES_OF_INCIDENT
def test_each_step_of_the_incident_holds_by_its_contract(incident: dict[str, Any]) -> None:
    (contract,) = (contract for contract in CONTRACTS if contract.name == "incident")
    validator = Draft202012Validator(json_schema(contract), format_checker=FormatChecker())

    assert incident in (contract.example, *contract.later_examples.values())
    assert [error.message for error in validator.iter_errors(incident)] == []
    assert json.loads(Incident.model_validate_json(json.dumps(incident)).model_dump_json()) == incident
    assert incident["alert_id"] == INCIDENT["alert_id"]


def _counts(score: dict[str, int]) -> list[int]:
    return [score[name] for name in ("promoters", "passives", "detractors")]


def _rounded(ends: tuple[float, float]) -> list[float]:
    return [round(end, 1) for end in ends]


def test_every_event_of_the_wire_has_a_contract_or_is_part_of_one() -> None:
    parts = {"Customer", "Consent", "Origin", "EarlierAnswer", "Link", "RuleDecision"}
    parts |= {
        "FollowUp",
        "Solicitation",
        "SuspectGaming",
        "SuspectScale",
        "WindowScore",
        "SmoothedScore",
        "TrendScore",
        "Change",
        "ShareChange",
        "OtherIncident",
        "SilenceMatch",
        "DigestEntry",
        "DigestSilence",
    }
    envelopes = {"StructuredResponse"}

    assert {model.__name__ for model in Event.__subclasses__()} - parts - envelopes == {
        contract.model.__name__ for contract in (*CONTRACTS, *POSTED)
    }


def test_only_responses_and_commands_are_consumed_and_only_deliveries_are_internal() -> None:
    assert [contract.topic for contract in CONTRACTS if contract.consumed] == [
        "responses",
        "alert-commands",
        "silence-commands",
    ]
    assert [contract.topic for contract in CONTRACTS if not contract.public] == ["deliveries"]
    assert [contract.topic for contract in CONTRACTS if contract.compacted] == ["silences", "scores"]


def test_a_null_erases_on_each_topic_that_says_who_a_customer_is_and_ends_a_segments_scores() -> None:
    told = [contract.topic for contract in CONTRACTS if contract.tombstone is not None]

    assert told == ["responses", "alerts", "silences", "recoveries", "invitations", "scores"]


def test_ids_in_the_examples_are_of_the_kind_that_is_promised() -> None:
    promised = {"alert_id", "recovery_id", "invitation_id", "decision_id", "dead_letter_id", "delivery_id"}
    ids = [contract.example[name] for contract in CONTRACTS for name in promised & contract.example.keys()]

    assert [UUID(found).version for found in ids] == [5] * 12


def test_addresses_in_the_examples_are_reserved_ones() -> None:
    addresses = [
        text
        for contract in CONTRACTS
        for text in json.dumps(contract.example).split('"')
        if "@" in text or "//" in text
    ]

    assert addresses
    assert [text for text in addresses if not any(f"example.{end}" in text for end in ("com", "org"))] == []
