"""Any tool by settings alone: bodies of tools that have no adapter, and how the mapping reads them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from schemas.dead_letter import Reason
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.canonical import MOST_ANSWERS
from worker.flow.responses.formats.outcome import Accepted, Ignored, Outcome, Refused, Why
from worker.flow.responses.formats.source import Source, compiled, compiled_all
from worker.flow.responses.formats.template import read
from worker.flow.responses.formats.times import Times, format_problem

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
        ({"revision": "soon"}, "time_invalid"),
        ({"revision": -1}, "out_of_range"),
        ({"anonymous": "perhaps"}, "wrong_type"),
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


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"customer": "Eva"}, ()),
        ({"customer": {"name": "Eva", "phone": {"home": "1"}}}, ("customer.phone",)),
        ({"customer": {"name": "Eva", "phone": True, "tier": ["vip"]}}, ("customer.phone", "customer.tier")),
        ({"consent": {"callback": "perhaps", "marketing": True}}, ("consent.callback",)),
        ({"comment": {"text": "Bof."}}, ("comment",)),
        ({"segment": {"a": 1}}, ("segment",)),
        ({"segment": ["fr", {"a": 1}, [2]]}, ("segment",)),
        ({"test": "perhaps", "follow_up_requested": 2}, ("follow_up_requested", "test")),
        ({"origin": {"permalink": [1]}, "comment": "\ud83d"}, ("origin.permalink",)),
        ({"language": 7}, ()),
    ],
)
def test_an_answer_does_without_a_field_that_is_wrong(changes: dict[str, Any], left_out: tuple[str, ...]) -> None:
    [outcome] = outcomes({**CANONICAL, **changes}, source({}))

    assert isinstance(outcome, Accepted), outcome
    assert outcome.left_out == left_out
    assert outcome.fields["score"] == 3
    assert bare.read(outcome.value).response_id == "r-1"


def test_a_field_that_is_needed_decides_also_if_others_are_wrong() -> None:
    [outcome] = outcomes({**CANONICAL, "comment": {}, "score": 11}, source({}))

    assert isinstance(outcome, Refused)
    assert outcome.reason == "score_out_of_range"


def test_an_expression_that_cannot_be_computed_loses_its_field_only() -> None:
    mapping = {"response_id": "id", "score": "v", "responded_at": "t", "customer_id": "c"}
    answer = {"id": "1", "v": 3, "t": 1_772_440_000, "c": "c-1", "phones": None}
    [outcome] = outcomes(answer, source({**mapping, "customer.phone": "join(', ', phones)"}, survey_id="s"))
    assert isinstance(outcome, Accepted)
    assert outcome.left_out == ("customer.phone",)

    [outcome] = outcomes(answer, source({**mapping, "customer_id": "join(', ', phones)"}, survey_id="s"))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "mapping_failed"


def test_a_segment_may_be_a_number() -> None:
    assert fields({**CANONICAL, "segment": 7}, source({}))["segment"] == ["7"]


def test_a_refusal_says_which_answer_of_a_list_is_refused() -> None:
    mapping = {"response_id": "id", "score": "v", "responded_at": "t", "customer_id": "c"}
    one = {"id": "1", "v": 9, "t": 1_772_440_000, "c": "c-1"}
    body = {"items": [one, {**one, "id": "zoe@example.org", "v": 11}, {"v": 4}]}
    found = outcomes(body, source(mapping, survey_id="s", each="items"))

    assert isinstance(found[0], Accepted)
    details = [outcome.detail for outcome in found if isinstance(outcome, Refused)]
    assert details[0] == "answer 2 of 3: score: expected a whole number from 0 to 10"
    assert details[1].startswith("answer 3 of 3: ")
    assert "answer 1 of 3: " == found[0].place


@pytest.mark.parametrize(("count", "is_taken"), [(MOST_ANSWERS, True), (MOST_ANSWERS + 1, False)])
def test_a_delivery_with_too_many_answers_is_refused_as_a_whole(count: int, is_taken: bool) -> None:
    found = outcomes({"items": [0] * count}, source({"score": "v"}, each="items"))

    if is_taken:
        assert len(found) == count
    else:
        assert found == (Refused(Reason.TOO_LARGE, "there are more than 1,000 answers: deliver fewer at a time"),)


NAIVE = {"id": "1", "v": 3, "c": "c-1"}
NAIVE_MAPPING = {"response_id": "id", "score": "v", "responded_at": "t", "customer_id": "c"}
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("times", "written", "found"),
    [
        (Times("%d %b %Y %I:%M %p", PARIS), " 02 Mar 2026 08:26 AM ", "2026-03-02T08:26:00+01:00"),
        (Times("%d.%m.%Y", PARIS), "12.07.2026", "2026-07-12T00:00:00+02:00"),
        (Times("%d/%m/%Y %H:%M %z"), "02/03/2026 08:26 +0530", "2026-03-02T08:26:00+05:30"),
        (Times("%Y%m%d%H%M%S", PARIS), "20260302082600", "2026-03-02T08:26:00+01:00"),
        (Times("", PARIS), "2026-03-02 08:26:00", "2026-03-02T08:26:00+01:00"),
        (Times("", PARIS), "2026-03-02T08:26:00Z", "2026-03-02T08:26:00Z"),
        (Times("", PARIS), "1772440000", "2026-03-02T08:26:40Z"),
        (Times("%d %b %Y", PARIS), 1_772_440_000, "2026-03-02T08:26:40Z"),
        # Clocks are set back at 03:00: the first of the two counts.
        (Times("", PARIS), "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
    ],
)
def test_times_as_tools_write_them(times: Times, written: Any, found: str) -> None:
    assert fields({**NAIVE, "t": written}, source(NAIVE_MAPPING, survey_id="s", times=times))["responded_at"] == found


def test_a_time_of_the_settings_format_also_serves_as_a_revision() -> None:
    mapping = {**NAIVE_MAPPING, "revision": "t"}
    own = source(mapping, survey_id="s", times=Times("%d %b %Y %I:%M %p", PARIS))

    assert fields({**NAIVE, "t": "02 Mar 2026 09:26 AM"}, own)["revision"] == 1_772_439_960


@pytest.mark.parametrize(
    ("times", "written", "reason"),
    [
        (Times(), "2026-03-02 08:26:00", "time_naive"),
        (Times("%d %b %Y"), "02 Mar 2026", "time_naive"),
        (Times("%d %b %Y", PARIS), "02 Mrz 2026", "time_invalid"),
        (Times("%d/%m/%Y", PARIS), "03/31/2026", "time_invalid"),
    ],
)
def test_times_that_are_refused(times: Times, written: str, reason: str) -> None:
    [outcome] = outcomes({**NAIVE, "t": written}, source(NAIVE_MAPPING, survey_id="s", times=times))
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


def test_the_time_of_arrival_stands_for_a_time_that_the_tool_does_not_send() -> None:
    mapping = {name: text for name, text in NAIVE_MAPPING.items() if name != "responded_at"}
    own = source(mapping, survey_id="s", answers_on_arrival=True, arrived_at=1_772_440_000_123)

    assert fields(NAIVE, own)["responded_at"] == "2026-03-02T08:26:40.123000Z"
    [unknown] = outcomes(NAIVE, replace(own, arrived_at=None))
    assert isinstance(unknown, Refused)
    assert unknown.reason == "missing_field"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("%d %b %Y %I:%M %p", None),
        ("%Y-%m-%dT%H:%M:%S%z", None),
        ("%m/%d/%y", None),
        ("%d %b %H:%M", "must have the day, the month and the year of a time"),
        ("YYYY-MM-DD", "must have the day, the month and the year of a time"),
        ("%d %b %Y %Z", "must not have %Z, since names of time zones are ambiguous: use %z or time_zone"),
        ("%Y-%m-%d %", "must be a format of strptime, such as '%d %b %Y %I:%M %p'"),
    ],
)
def test_formats_of_times(text: str, problem: str | None) -> None:
    assert format_problem(text) == problem


def test_an_anonymous_answer_needs_no_customer() -> None:
    [outcome] = outcomes({**CANONICAL, "customer_id": None, "anonymous": "true"}, source({}))

    assert isinstance(outcome, Accepted)
    assert outcome.key is None


@pytest.mark.parametrize("expression", ["a.[", "", "foo(", "a b", "`"])
def test_what_is_no_expression_is_refused_without_repeating_it(expression: str) -> None:
    with pytest.raises(ValueError, match="is not an expression of JMESPath") as caught:
        compiled(expression)
    assert not expression or f"'{expression}'" not in str(caught.value)


JOTFORM = {
    "response_id": "submissionID", "score": "q3_howLikely", "comment": "q4_why", "responded_at": "submitDate",
    "customer_id": "q5_customer",
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (
            (
                '{"submissionID": "61", "q3_howLikely": "2", "q4_why": "Łukasz?", "submitDate": "1772440000123", '
                '"q5_customer": "c-7"}'
            ),
            ("mine:61", 2, "Łukasz?", "c-7"),
        ),
        ("{", "not_json"),
        ("7", "not_an_object"),
        (None, "missing_field"),
    ],
)
def test_a_field_of_a_form_may_have_the_delivery(raw: str | None, found: Any) -> None:
    jotform = source(JOTFORM, survey_id="jotform", delivery_in="rawRequest")
    form = urlencode({"formID": "1", "pretty": "How likely:2"} | ({} if raw is None else {"rawRequest": raw}))
    [outcome] = outcomes(form.encode(), jotform, "application/x-www-form-urlencoded")

    if isinstance(outcome, Accepted):
        read_fields = outcome.fields
        assert tuple(read_fields[name] for name in ("response_id", "score", "comment", "customer_id")) == found
    else:
        assert isinstance(outcome, Refused)
        assert outcome.reason == found


def test_what_the_settings_call_an_answer_needs_a_score() -> None:
    """A question that was renamed in the tool would lose every answer without a word."""
    mapping = {"response_id": "id", "score": "rating", "responded_at": "at", "customer_id": "customer"}
    body = {"id": "5", "note": 2, "at": "2026-03-02T08:26:40Z", "customer": "c-1", "done": True}

    [unknown] = outcomes(body, source(mapping, survey_id="s"))
    assert unknown == Ignored(
        Why.NOT_YET_ANSWERED, "mapping.score finds nothing; the delivery has: id, note, at, customer, done"
    )
    [lost] = outcomes(body, source(mapping, survey_id="s", only_if="done"))
    assert lost == Refused(
        Reason.MISSING_FIELD, "mapping.score: finds nothing; the delivery has: id, note, at, customer, done"
    )


@pytest.mark.parametrize("space", [b"", b" \r\n"])
def test_json_that_a_client_calls_a_form_is_read(space: bytes) -> None:
    """`curl -d` says that any body is a form."""
    body = space + json.dumps(CANONICAL).encode()

    assert fields(body, source({}), "application/x-www-form-urlencoded")["score"] == 3


@pytest.mark.parametrize("depth", range(sys.getrecursionlimit() - 100, sys.getrecursionlimit()))
def test_a_value_that_is_nested_too_deeply_is_refused_at_each_depth(depth: int) -> None:
    """One that Python can just read may be too deep to be written again, which is how a response is checked."""
    text = json.dumps({**CANONICAL, "score": "SCORE"}).replace('"SCORE"', "[" * depth + "]" * depth)
    [outcome] = outcomes(text.encode(), source({}))

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.TOO_DEEP
