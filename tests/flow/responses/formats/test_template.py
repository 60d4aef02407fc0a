"""Any tool by settings alone: bodies of tools that have no adapter, and how the mapping reads them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from worker.flow.responses.formats.outcome import Accepted, Ignored, Outcome, Refused
from worker.flow.responses.formats.source import Source, compiled, compiled_all
from worker.flow.responses.formats.template import read

KEY = bytes(32)
CANONICAL = {
    "response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": "3", "responded_at": "2026-03-02T19:00:00Z",
    "customer": {"name": "Eva"}, "origin": {"system": "tool"}, "consent": {"callback": "true"},
}  # fmt: skip


def source(mapping: Mapping[str, str], **changes: Any) -> Source:
    only_if, each = changes.pop("only_if", None), changes.pop("each", None)
    return Source(
        "mine",
        compiled_all(mapping),
        only_if=None if only_if is None else compiled(only_if),
        each=None if each is None else compiled(each),
        **{"pseudonym_key": KEY, **changes},
    )


def outcomes(body: Any, with_source: Source, content_type: str = "application/json") -> tuple[Outcome, ...]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(raw, {"content-type": content_type}, with_source)


def fields(body: Any, with_source: Source, content_type: str = "application/json") -> Mapping[str, Any]:
    [outcome] = outcomes(body, with_source, content_type)
    assert isinstance(outcome, Accepted), outcome
    return outcome.fields


def test_without_a_mapping_the_body_is_the_response_itself() -> None:
    found = fields(CANONICAL, source({}))

    assert found == {**CANONICAL, "score": 3, "consent": {"callback": True}}


def test_a_form_without_a_mapping_can_be_one_too() -> None:
    body = b"response_id=r-1&survey_id=s&customer[email]=a@example.com&score=3&responded_at=1772440000&segment=fr/lyon"
    found = fields(body, source({}), "application/x-www-form-urlencoded")

    assert (found["score"], found["responded_at"], found["segment"]) == (3, "2026-03-02T08:26:40Z", ["fr", "lyon"])
    assert found["customer"] == {"email": "a@example.com"}


ASKNICELY = {
    "count": 2, "person": {"id": "44", "name": "Eva", "email": "a@example.com", "segment": "fr"},
    "question": {"id": "9", "score": "8", "comment": "Bien.", "responded": "1772440000", "theme": "x"},
}  # fmt: skip
SATISMETER = {
    "event": "completed",
    "response": {
        "id": "5f", "rating": 2, "feedback": "Bof.", "category": "detractor", "created": "2026-03-02T10:00:00.000Z",
        "user": {"userId": "c-9", "email": "a@example.com", "traits": {"plan": "vip"}},
    },
}  # fmt: skip


def test_asknicely_by_settings_alone() -> None:
    mapping = {
        "response_id": "question.id", "revision": "count", "score": "question.score", "comment": "question.comment",
        "responded_at": "question.responded", "customer.email": "person.email", "segment": "person.segment",
    }  # fmt: skip
    found = fields(ASKNICELY, source(mapping, survey_id="relation"))

    assert (found["response_id"], found["revision"], found["score"]) == ("mine:9", 2, 8)
    assert found["customer_id"].startswith("email:")
    assert (found["survey_id"], found["segment"], found["origin"]) == ("relation", ["fr"], {"system": "mine"})


def test_satismeter_by_settings_alone() -> None:
    mapping = {
        "response_id": "response.id", "score": "response.rating", "responded_at": "response.created",
        "customer_id": "response.user.userId", "customer.tier": "response.user.traits.plan",
    }  # fmt: skip
    own = source(mapping, survey_id="relation", only_if="event == 'completed'")

    assert fields(SATISMETER, own)["customer"] == {"tier": "vip"}
    [dismissed] = outcomes({**SATISMETER, "event": "dismissed"}, own)
    assert isinstance(dismissed, Ignored)
    assert dismissed.why == "not_selected"


def test_several_answers_in_one_delivery_do_not_affect_each_other() -> None:
    mapping = {"response_id": "id", "score": "v", "responded_at": "t", "customer_id": "c"}
    one = {"id": "1", "v": 9, "t": 1_772_440_000, "c": "c-1"}
    body = {"items": [one, {**one, "v": "x"}, {**one, "v": None}, 7, {**one, "id": "2"}]}
    found = outcomes(body, source(mapping, survey_id="s", each="items"))

    assert [type(outcome) for outcome in found] == [Accepted, Refused, Ignored, Refused, Accepted]


@pytest.mark.parametrize(
    ("each", "reason"), [("items", "wrong_type"), ("none[]", "wrong_type"), ("keys(@)", "not_an_object")]
)
def test_a_list_that_is_none_is_refused(each: str, reason: str) -> None:
    outcome = outcomes({"items": 1}, source({"score": "v"}, each=each))[0]
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


def test_an_empty_list_is_no_error() -> None:
    [outcome] = outcomes({"items": []}, source({"score": "v"}, each="items"))
    assert isinstance(outcome, Ignored)
    assert outcome.why == "empty"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"score": "6.5"}, "not_nps_scale"),
        ({"score": 11}, "score_out_of_range"),
        ({"score": "11"}, "score_out_of_range"),
        ({"score": ""}, "not_yet_answered"),
        ({"score": None}, "not_yet_answered"),
        ({"score": True}, "score_not_integer"),
        ({"responded_at": "2026-03-02 19:00:00"}, "time_naive"),
        ({"responded_at": "soon"}, "time_invalid"),
        ({"responded_at": None}, "missing_field"),
        ({"response_id": ""}, "missing_field"),
        ({"response_id": "a\u0000"}, "id_control_character"),
        ({"response_id": "\ud83d"}, "invalid_utf8"),
        ({"customer_id": "\ud83d"}, "invalid_utf8"),
        ({"customer_id": ["c"]}, "wrong_type"),
        ({"customer_id": None}, "missing_field"),
        ({"customer": "Eva"}, None),
        ({"consent": {"callback": "perhaps"}}, "wrong_type"),
        ({"revision": "soon"}, "time_invalid"),
        ({"revision": -1}, "out_of_range"),
        ({"segment": {"a": 1}}, "segment_invalid"),
    ],
)
def test_what_is_wrong_with_a_response_is_said(changes: dict[str, Any], reason: str | None) -> None:
    [outcome] = outcomes({**CANONICAL, **changes}, source({}))
    if reason is None:
        assert isinstance(outcome, Accepted)
    else:
        assert isinstance(outcome, Ignored | Refused)
        assert (outcome.why if isinstance(outcome, Ignored) else outcome.reason) == reason


@pytest.mark.parametrize(
    ("revision", "found"), [("5", 5), (5, 5), ("2026-03-02T10:00:00Z", 1_772_445_600), (None, None), ("", None)]
)
def test_a_revision_may_be_a_number_or_a_time(revision: Any, found: int | None) -> None:
    assert fields({**CANONICAL, "revision": revision}, source({})).get("revision") == found


def test_an_anonymous_answer_needs_no_customer() -> None:
    [outcome] = outcomes({**CANONICAL, "customer_id": None, "anonymous": "true"}, source({}))

    assert isinstance(outcome, Accepted)
    assert outcome.key is None


@pytest.mark.parametrize("expression", ["a.[", "", "foo(", "a b", "`"])
def test_what_is_no_expression_is_refused_without_repeating_it(expression: str) -> None:
    with pytest.raises(ValueError, match="is not an expression of JMESPath") as caught:
        compiled(expression)
    assert not expression or f"'{expression}'" not in str(caught.value)
