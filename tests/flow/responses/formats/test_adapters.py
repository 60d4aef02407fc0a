"""What each tool's deliveries become where the made-up deliveries of tests/receive/upstream say nothing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcome, Part, Refused, Why
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tools import TOOLS
from worker.flow.timestamps import to_ms
from worker.ingest.tool_api import LARGEST

KEY = bytes(32)
FORM = {"content-type": "application/x-www-form-urlencoded"}
TIME = "2026-03-02T10:00:00Z"


def source(mapping: Mapping[str, str] | None = None, /, **changes: Any) -> Source:
    usual = {"name": "mine", "score_question": "q1", "comment_question": "q2", "pseudonym_key": KEY}
    return Source(**{**usual, **changes}, mapping=compiled_all(mapping or {}))


def read(tool: str, body: Any, with_source: Source | None = None, /, **headers: str) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    [outcome] = TOOLS[tool].read(raw, {**headers}, with_source or source())
    return outcome


def fetched(tool: str, fetch: Outcome, with_source: Source | None = None, **bodies: Any) -> tuple[Outcome, ...]:
    assert isinstance(fetch, Fetch)
    reading = TOOLS[tool].read_fetched
    assert reading is not None
    return reading(fetch, {name: json.dumps(body).encode() for name, body in bodies.items()}, with_source or source())


def reason(outcome: Outcome) -> str:
    """Return the reason why there is no response."""
    assert isinstance(outcome, Ignored | Refused)
    return outcome.why if isinstance(outcome, Ignored) else outcome.reason


def fields(outcome: Outcome) -> Mapping[str, Any]:
    assert isinstance(outcome, Accepted), outcome
    return outcome.fields


# Delighted


def delighted(event_type: str = "survey_response.created", **changes: Any) -> dict[str, Any]:
    person = {"id": "88", "email": "a@example.com"}
    answer = {"id": "7", "person": person, "survey_type": "nps", "score": 3, "created_at": 1_772_440_000}
    return {"event_type": event_type, "event_data": {**answer, **changes}}


@pytest.mark.parametrize("changes", [{}, {"updated_at": None}])
def test_delighted_without_a_time_of_change_uses_that_of_the_creation(changes: dict[str, Any]) -> None:
    found = fields(read("delighted", delighted(**changes)))

    assert found["revision"] == 1_772_440_000
    assert found["customer_id"].startswith("email:")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (delighted(score=None), "not_yet_answered"),
        (delighted(score=11), "score_out_of_range"),
        (delighted(score="six"), "score_not_integer"),
        (delighted(score=6.5), "not_nps_scale"),
        (delighted(survey_type="ces"), "other_survey_type"),
        (delighted("person.created"), "other_event"),
        (delighted(updated_at="now"), "time_invalid"),
        (delighted(person={}), "missing_field"),
        (delighted(id=None), "missing_field"),
        ({"event_type": "survey_response.created"}, "not_an_object"),
        ([], "not_an_object"),
    ],
)
def test_delighted_reasons(body: Any, why: str) -> None:
    assert reason(read("delighted", body)) == why


# Typeform


def typeform(*answers: dict[str, Any], **definition: Any) -> dict[str, Any]:
    form = {"form_id": "f", "token": "t", "submitted_at": TIME, "hidden": {"customer_id": "c-1"}, "answers": answers}
    return {"event_type": "form_response", "form_response": {**form, "definition": definition}}


def answered(ref: str, kind: str, value: Any) -> dict[str, Any]:
    name = "number" if kind in {"nps", "opinion_scale", "rating", "number"} else "text"
    return {"type": name, name: value, "field": {"id": f"id-{ref}", "ref": ref, "type": kind}}


SCALE = {"fields": [{"id": "id-q1", "type": "opinion_scale", "properties": {"steps": 11, "start_at_one": False}}]}


def scale(**properties: Any) -> dict[str, Any]:
    return {"fields": [{"id": "id-q1", "type": "opinion_scale", "properties": properties}]}


NPS = answered("nps", "nps", 9)
FREE = {"score_question": "", "comment_question": ""}


def test_typeform_finds_the_nps_question_and_the_only_text() -> None:
    found = fields(
        read(
            "typeform", typeform(answered("a", "rating", 2), NPS, answered("b", "short_text", "Bien.")), source(**FREE)
        )
    )

    assert (found["score"], found["comment"]) == (9, "Bien.")


def test_typeform_takes_no_text_if_there_are_several() -> None:
    texts = [answered("a", "short_text", "Eva"), answered("b", "long_text", "Bien.")]

    assert "comment" not in fields(read("typeform", typeform(NPS, *texts), source(**FREE)))
    assert "comment" not in fields(read("typeform", typeform(NPS), source(score_question="")))
    named = source(score_question="", comment_question="id-b")
    assert fields(read("typeform", typeform(NPS, *texts), named))["comment"] == "Bien."


@pytest.mark.parametrize("question", ["q1", "id-q1"])
def test_typeform_takes_an_opinion_scale_that_is_known_to_go_from_0_to_10(question: str) -> None:
    body = typeform(answered("q1", "opinion_scale", 4), **SCALE)

    assert fields(read("typeform", body, source(score_question=question)))["score"] == 4


@pytest.mark.parametrize(
    ("body", "changes", "why"),
    [
        (typeform(answered("q1", "opinion_scale", 4), **scale(steps=11, start_at_one=True)), {}, "not_nps_scale"),
        (typeform(answered("q1", "opinion_scale", 4), **scale(steps=5, start_at_one=False)), {}, "not_nps_scale"),
        (typeform(answered("q1", "opinion_scale", 4), **scale(steps=11)), {}, "not_nps_scale"),
        (typeform(answered("q1", "opinion_scale", 4)), {}, "not_nps_scale"),
        (typeform(answered("q1", "rating", 4), **SCALE), {}, "not_nps_scale"),
        (typeform(NPS, NPS), FREE, "not_of_this_tool"),
        (typeform(NPS), {}, "not_yet_answered"),
        (typeform(answered("a", "rating", 2)), FREE, "other_survey_type"),
        (typeform(fields=[{"id": "x", "type": "nps"}]), FREE, "not_yet_answered"),
        ({"event_type": "form_viewed"}, {}, "other_event"),
        ({"event_type": []}, {}, "other_event"),
        ({"event_type": "form_response", "form_response": None}, {}, "not_an_object"),
    ],
)
def test_typeform_reasons(body: Any, changes: dict[str, Any], why: str) -> None:
    assert reason(read("typeform", body, source(**changes))) == why


def test_typeform_with_a_mapping_of_the_score() -> None:
    mapped = source({"score": "form_response.answers[?field.ref=='own'].number | [0]"}, **FREE)

    assert fields(read("typeform", typeform(answered("own", "number", 8)), mapped))["score"] == 8


# Formbricks


def formbricks(event: str = "responseFinished", **changes: Any) -> dict[str, Any]:
    answer = {"id": "r", "surveyId": "s", "updatedAt": TIME, "data": {"q1": 5, "q2": "Bof."}}
    return {"event": event, "data": {**answer, "contact": {"userId": "c-1"}, **changes}}


def test_formbricks_names_no_language_if_it_is_the_first_one() -> None:
    assert "language" not in fields(read("formbricks", formbricks(language="default")))
    assert fields(read("formbricks", formbricks(language="de")))["language"] == "de"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"event": "testEndpoint"}, "endpoint_test"),
        (formbricks("responseDeleted"), "other_event"),
        (formbricks([]), "other_event"),  # type: ignore[arg-type]
        (formbricks(data={"q1": None}), "not_yet_answered"),
        (formbricks(data={"q1": ""}), "not_yet_answered"),
        (formbricks(data={"q1": ["a"]}), "score_not_integer"),
        (formbricks(data=None), "not_yet_answered"),
        (formbricks(updatedAt="2026-03-02T10:00:00"), "time_naive"),
        (formbricks(updatedAt=-1), "time_invalid"),
        (formbricks(contact=None), "missing_field"),
        ({"event": "responseFinished"}, "not_an_object"),
    ],
)
def test_formbricks_reasons(body: Any, why: str) -> None:
    assert reason(read("formbricks", body)) == why


# PostHog


def posthog(event: str = "survey sent", /, **properties: Any) -> dict[str, Any]:
    usual = {"$survey_id": "s", "$survey_submission_id": "sub", "$survey_response_q1": "7"}
    whole = {"event": event, "uuid": "u", "distinct_id": "c-1", "timestamp": TIME}
    return {"event": {**whole, "properties": {**usual, **properties}}}


def test_posthog_counts_the_answers_that_are_there() -> None:
    more = {"$survey_response_q2": "Bien.", "$survey_response_q3": ["a"], "$survey_response_q4": None}

    assert fields(read("posthog", posthog()))["revision"] == 0
    assert fields(read("posthog", posthog(**more)))["revision"] == 2


def test_posthog_without_the_id_of_the_submission_uses_that_of_the_event() -> None:
    assert fields(read("posthog", posthog(**{"$survey_submission_id": None})))["response_id"] == "posthog:u"


def test_a_distinct_id_that_is_an_address_becomes_a_pseudonym() -> None:
    body = posthog()
    body["event"]["distinct_id"] = "A.B@example.com"
    found = fields(read("posthog", body))

    assert found["customer_id"].startswith("email:")
    assert found["customer"] == {"email": "A.B@example.com"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (posthog("survey dismissed"), "dismissed"),
        (posthog("survey shown"), "other_event"),
        (posthog(**{"$survey_response_q1": ""}), "not_yet_answered"),
        (posthog(**{"$survey_response_q1": "ten"}), "score_not_integer"),
        ({"event": "survey sent"}, "not_an_object"),
        ({"event": {"event": "survey sent"}}, "not_an_object"),
    ],
)
def test_posthog_reasons(body: Any, why: str) -> None:
    assert reason(read("posthog", body)) == why


# Wootric


def wootric(name: str = "created", updated: str = "2026-03-02 08:00:00 +0000", more: str = "") -> bytes:
    return (
        f"response[id]=7&response[score]=6&response[external_id]=c-1&event_name={name}"
        f"&response[created_at]=2026-03-02 08:00:00 %2B0000&response[updated_at]={updated.replace('+', '%2B')}{more}"
    ).encode()


@pytest.mark.parametrize(
    ("name", "updated", "revision"),
    [
        ("created", "2026-03-02 08:05:00 +0000", 0),
        ("updated", "2026-03-02 08:00:12 +0000", 1),
        ("updated", "2026-03-02 08:05:12 +0000", 5),
        ("updated", "2026-03-02 07:00:00 +0000", 1),
    ],
)
def test_wootric_counts_the_minutes_until_the_update(name: str, updated: str, revision: int) -> None:
    outcome = read("wootric", wootric(name, updated), **FORM)

    assert fields(outcome)["revision"] == revision
    assert fields(outcome)["survey_id"] == "wootric:nps"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"decline[id]=3&event_name=created", "declined"),
        (b"event_name=created", "other_event"),
        (b"response=1", "not_an_object"),
        (wootric(more="&survey_mode=CES"), "other_survey_type"),
        (wootric("updated", "yesterday"), "time_invalid"),
        (b"a=%ff", "invalid_utf8"),
    ],
)
def test_wootric_reasons(body: bytes, why: str) -> None:
    assert reason(read("wootric", body, **FORM)) == why


def test_wootric_without_a_survey_mode_is_nps() -> None:
    answer = {"id": 7, "score": 6, "external_id": "c-1", "created_at": 1_772_440_000}

    assert fields(read("wootric", {"response": answer, "survey_mode": None}))["score"] == 6


def test_wootric_is_also_read_as_json() -> None:
    answer = {
        "id": 7,
        "score": 6,
        "external_id": "c-1",
        "created_at": 1_772_440_000,
        "excluded_from_calculations": True,
    }

    assert fields(read("wootric", {"response": answer}))["test"] is True


# SurveyMonkey


MONKEY = {
    "event_type": "response_completed", "object_type": "response", "object_id": "9", "resources": {"survey_id": "5"},
}  # fmt: skip


def details(*answers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    pages = [None, {"questions": [{"id": "q1", "answers": [*answers]}]}]
    usual = {"id": "9", "survey_id": "5", "date_created": TIME, "date_modified": TIME, "pages": pages}
    return {**usual, "custom_variables": {"customer_id": "c-1"}, **changes}


def test_surveymonkey_asks_for_the_details() -> None:
    query = {"simple": "true"}

    assert read("surveymonkey", MONKEY) == Fetch({"details": Get("/v3/surveys/5/responses/9/details", query)})


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ({"text": "8"}, 8),
        ({"simple_text": "How likely? | 8"}, 8),
        ({"simple_text": "8"}, 8),
        ({"choice_metadata": {"weight": "8"}}, 8),
        # The choice's text counts, and not the weight of its group.
        ({"text": "8", "choice_metadata": {"weight": "0"}}, 8),
    ],
)
def test_surveymonkey_scores(answer: dict[str, Any], score: int) -> None:
    [outcome] = fetched("surveymonkey", read("surveymonkey", MONKEY), details=details(answer))

    assert fields(outcome)["score"] == score


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (details(), "not_yet_answered"),
        (details(pages=[]), "not_yet_answered"),
        (details({"choice_metadata": {"weight": "0"}}), "not_nps_scale"),
        (details({"choice_metadata": {"weight": "-100"}}), "not_nps_scale"),
        (details({"choice_metadata": {"weight": "6.5"}}), "not_nps_scale"),
        (details({"choice_id": "77"}), "not_yet_answered"),
        (details({"text": "Very likely"}), "score_not_integer"),
        (details({"text": "5"}, date_modified=None), "time_invalid"),
    ],
)
def test_surveymonkey_reasons_of_what_was_fetched(body: dict[str, Any], why: str) -> None:
    [outcome] = fetched("surveymonkey", read("surveymonkey", MONKEY), details=body)

    assert reason(outcome) == why


def test_a_preview_of_surveymonkey_is_a_trial_answer() -> None:
    body = details({"text": "5"}, collection_mode="survey_preview")
    [outcome] = fetched("surveymonkey", read("surveymonkey", MONKEY), details=body)

    assert fields(outcome)["test"] is True


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"event_type": "collector_created"}, "other_event"),
        ({"object_type": "survey"}, "other_event"),
        ({"object_id": "../9"}, "not_of_this_tool"),
        ({"resources": None}, "not_of_this_tool"),
    ],
)
def test_surveymonkey_reasons(changes: dict[str, Any], why: str) -> None:
    assert reason(read("surveymonkey", {**MONKEY, **changes})) == why


def test_surveymonkey_with_a_mapping_of_the_score() -> None:
    mapped = source({"score": "custom_variables.nps"}, score_question="")
    body = details(custom_variables={"nps": "4", "cid": "c-1"})
    [outcome] = fetched("surveymonkey", read("surveymonkey", MONKEY), mapped, details=body)

    assert fields(outcome)["score"] == 4


# HubSpot


def hubspot(kind: str = "feedback_submission.creation", object_id: Any = 5) -> dict[str, Any]:
    return {"subscriptionType": kind, "objectId": object_id, "occurredAt": 1_772_440_000_000}


def submission(**changes: Any) -> dict[str, Any]:
    usual = {"hs_survey_type": "NPS", "hs_value": "3", "hs_survey_id": "7", "hs_submission_timestamp": TIME}
    return {"id": "5", "properties": {**usual, "hs_contact_email_rollup": "a@example.com", **changes}}


def test_hubspot_has_an_outcome_for_each_event() -> None:
    events = [
        hubspot(),
        hubspot("contact.creation"),
        hubspot(object_id="a/b"),
        None,
        hubspot("feedback_submission.propertyChange"),
    ]
    outcomes = TOOLS["hubspot"].read(json.dumps(events).encode(), {}, source())

    assert [type(outcome) for outcome in outcomes] == [Fetch, Ignored, Refused, Refused, Fetch]
    revisions = [fetched("hubspot", outcomes[place], submission=submission())[0] for place in (0, 4)]
    assert [fields(outcome)["revision"] for outcome in revisions] == [0, 1_772_440_000]


@pytest.mark.parametrize(("body", "why"), [([], "empty"), ({}, "wrong_type")])
def test_hubspot_reasons(body: Any, why: str) -> None:
    assert reason(read("hubspot", body)) == why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (submission(hs_survey_type="CSAT"), "other_survey_type"),
        (submission(hs_value=None), "not_yet_answered"),
        ({"id": "5"}, "not_an_object"),
    ],
)
def test_hubspot_reasons_of_what_was_fetched(body: dict[str, Any], why: str) -> None:
    [fetch] = TOOLS["hubspot"].read(json.dumps([hubspot()]).encode(), {}, source())
    [outcome] = fetched("hubspot", fetch, submission=body)

    assert reason(outcome) == why


# Qualtrics


def qualtrics(**changes: Any) -> bytes:
    event = {"SurveyID": "SV_1", "ResponseID": "R_1", **changes}
    return b"Topic=t&MSG=" + json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def values(**changes: Any) -> dict[str, Any]:
    usual = {"q1": 4, "q1_NPS_GROUP": 1, "q2_TEXT": "Bof.", "endDate": TIME, "customer_id": "c-1"}
    return {"result": {"responseId": "R_1", "values": {**usual, **changes}}}


def test_qualtrics_trial_answers_come_by_their_channel() -> None:
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics(DistributionChannel="preview")), response=values())

    assert fields(outcome)["test"] is True


def test_a_channel_of_qualtrics_of_any_length_leaves_the_order_short() -> None:
    outcome = read("qualtrics", qualtrics(DistributionChannel="é" * 900_000))

    assert isinstance(outcome, Fetch)
    assert outcome.known == {"survey_id": "SV_1", "channel": ""}


def test_a_comment_of_qualtrics_may_have_the_id_itself() -> None:
    [outcome] = fetched(
        "qualtrics", read("qualtrics", qualtrics()), source(comment_question="Q3"), response=values(Q3="Bien.")
    )

    assert fields(outcome)["comment"] == "Bien."
    body = values(Q3="Bien.", Q3_TEXT=None)
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics()), source(comment_question="Q3"), response=body)
    assert fields(outcome)["comment"] == "Bien."


def test_a_group_of_qualtrics_that_is_null_was_not_computed() -> None:
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics()), response=values(q1_NPS_GROUP=None))

    assert reason(outcome) == "not_nps_scale"


def test_the_value_of_a_question_of_qualtrics_may_be_an_index() -> None:
    body = values()
    del body["result"]["values"]["q1_NPS_GROUP"]
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics()), response=body)
    mapped = source({"score": "result.values.q1"}, score_question="")
    [own] = fetched("qualtrics", read("qualtrics", qualtrics()), mapped, response=body)

    assert reason(outcome) == "not_nps_scale"
    assert fields(own)["score"] == 4


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"Topic=t", "not_of_this_tool"),
        (b"MSG[a]=1", "not_of_this_tool"),
        (b"MSG=x", "not_json"),
        (qualtrics(ResponseID=None), "other_event"),
        (qualtrics(SurveyID="../x"), "not_of_this_tool"),
    ],
)
def test_qualtrics_reasons(body: bytes, why: str) -> None:
    assert reason(read("qualtrics", body)) == why


def test_qualtrics_without_an_answer_to_the_question() -> None:
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics()), response=values(q1=None))
    assert reason(outcome) == "not_yet_answered"
    [outcome] = fetched("qualtrics", read("qualtrics", qualtrics()), source(comment_question=""), response=values())
    assert "comment" not in fields(outcome)


# Google Forms


GOOGLE = {"message": {"attributes": {"eventType": "RESPONSES", "formId": "F-1"}}}


def google_form(**question: Any) -> dict[str, Any]:
    return {"items": [{"questionItem": {"question": {"questionId": "q1", **question}}}]}


def google_answer(number: int, value: str | None) -> dict[str, Any]:
    answers = {} if value is None else {"q1": {"textAnswers": {"answers": [{"value": value}]}}}
    times = {"createTime": TIME, "lastSubmittedTime": TIME}
    return {"responseId": f"A{number}", **times, "respondentEmail": "a@example.com", "answers": answers}


def test_google_has_an_outcome_for_each_answer_and_for_further_pages() -> None:
    fetch = read("google-forms", GOOGLE)
    listed = {"responses": [google_answer(1, "0"), google_answer(2, None)], "nextPageToken": "more"}
    form = google_form(scaleQuestion={"low": None, "high": 10})
    first, second, page = fetched("google-forms", fetch, responses=listed, form=form)

    assert (fields(first)["score"], reason(second)) == (0, "not_yet_answered")
    assert isinstance(page, Fetch)
    assert page.gets["responses"] == Get("/v1/forms/F-1/responses", {"pageSize": "100", "pageToken": "more"})
    assert reason(fetched("google-forms", page, responses={}, form=form)[0]) == "empty"


def test_a_page_of_google_fits_although_its_answers_are_long() -> None:
    text = {"textAnswers": {"answers": [{"value": "x" * 1_500}]}}
    answer = {**google_answer(1, "9"), "answers": {f"{n:08x}": {"questionId": f"{n:08x}", **text} for n in range(40)}}
    fetch = read("google-forms", GOOGLE)
    assert isinstance(fetch, Fetch)
    size = int(fetch.gets["responses"].query["pageSize"])

    assert len(json.dumps({"responses": [answer] * size}, indent=2)) < LARGEST


@pytest.mark.parametrize("known", [{}, {"revision": "1"}, {"form_id": "F"}])
@pytest.mark.parametrize("names", [(), ("submission",), ("details",), ("response",), ("responses", "form"), ("form",)])
def test_what_another_tool_wants_to_fetch_is_recognised_and_everything_else_is_read(
    names: tuple[str, ...], known: dict[str, str]
) -> None:
    fetch = Fetch({name: Get(f"/{name}") for name in names}, known)
    made = [name for name, tool in TOOLS.items() if tool.read_fetched is not None and tool.has_made(fetch)]
    for tool in made:
        assert fetched(tool, fetch, None, **{name: {} for name in names})
    surveymonkey, google = names == ("details",), names == ("responses", "form") and "form_id" in known
    assert made == ["surveymonkey"] * surveymonkey + ["google-forms"] * google


def at_time(number: int, submitted: str | None) -> dict[str, Any]:
    return {**google_answer(number, "5"), "lastSubmittedTime": submitted}


def test_google_is_asked_only_for_what_is_new_once_all_pages_are_known() -> None:
    listing, fetch = TOOLS["google-forms"].listing, read("google-forms", GOOGLE)
    assert listing is not None
    assert isinstance(fetch, Fetch)
    form = google_form(scaleQuestion={"high": 10})
    earlier = {"responses": [at_time(1, "2026-03-02T12:00:00.5Z"), at_time(2, None)], "nextPageToken": "more"}
    last = {"responses": [at_time(3, "2026-03-02T11:00:00Z")]}
    page = fetched("google-forms", fetch, responses=earlier, form=form)[-1]
    assert isinstance(page, Fetch)

    assert listing.known_until(fetch, {"responses": json.dumps(earlier).encode()}) is None
    known_until = listing.known_until(page, {"responses": json.dumps(last).encode()})
    assert known_until == to_ms(datetime(2026, 3, 2, 12, 0, 0, 500_000, UTC))
    new = listing.since(fetch, known_until)
    assert new.gets["responses"].query == {"pageSize": "100", "filter": "timestamp >= 2026-03-02T11:55:00Z"}
    assert new.gets["form"] == fetch.gets["form"]
    assert listing.since(page, known_until) == page  # the filter must be the same on all pages
    again = fetched("google-forms", new, responses=earlier, form=form)[-1]
    assert isinstance(again, Fetch)
    assert again.gets["responses"].query == {**new.gets["responses"].query, "pageToken": "more"}
    for unknown in (b"{}", b"<html>", b'{"responses": [{"lastSubmittedTime": "soon"}]}'):
        assert listing.known_until(fetch, {"responses": unknown}) is None


@pytest.mark.parametrize(
    "form",
    [
        google_form(scaleQuestion={"low": 1, "high": 10}),
        google_form(scaleQuestion={"low": 0, "high": 5}),
        google_form(scaleQuestion={}),
        google_form(choiceQuestion={}),
        {"items": []},
    ],
)
def test_a_google_scale_that_does_not_go_from_0_to_10_is_refused(form: dict[str, Any]) -> None:
    listed = {"responses": [google_answer(1, "5")]}
    [outcome] = fetched("google-forms", read("google-forms", GOOGLE), responses=listed, form=form)
    mapped = source({"score": "answers.q1.textAnswers.answers[0].value"}, score_question="")
    [own] = fetched("google-forms", read("google-forms", GOOGLE), mapped, responses=listed, form=form)

    assert reason(outcome) == "not_nps_scale"
    assert fields(own)["score"] == 5


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "other_event"),
        ({"message": {"attributes": {"eventType": "SCHEMA", "formId": "F"}}}, "other_event"),
        ({"message": {"attributes": {"eventType": "RESPONSES", "formId": "a/b"}}}, "not_of_this_tool"),
    ],
)
def test_google_reasons(body: Any, why: str) -> None:
    assert reason(read("google-forms", body)) == why


# Survicate


def survicate(question: Any = "q1", **changes: Any) -> dict[str, Any]:
    event = {
        "survey": {"id": "s"}, "timestamp": TIME, "respondent": {"id": "5", "attributes": {"customer_id": "c-1"}},
        "question": {"id": question}, "choice": {"body": "6", "comment": None},
    }  # fmt: skip
    return {"event": {"questionAnswered": {**event, **changes}}}


def test_survicate_names_the_response_itself_if_it_can() -> None:
    first, second = read("survicate", survicate()), read("survicate", survicate(responseUuid="u-1"))

    assert isinstance(first, Part)
    assert isinstance(second, Part)
    assert (first.response_id, second.response_id) == ("survicate:5:s", "survicate:u-1")
    assert first.fields["score"] == 6


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"event": {"surveyCompleted": {}}}, "other_event"),
        (survicate("q9"), "other_question"),
        (survicate(None), "other_question"),
        (survicate(choice=None), "not_an_object"),
        (survicate(survey=None), "not_of_this_tool"),
        (survicate(timestamp=None), "time_invalid"),
        (survicate(choice={"body": "6.5"}), "not_nps_scale"),
        (survicate(respondent={"id": "5", "attributes": []}), "missing_field"),
    ],
)
def test_survicate_reasons(body: Any, why: str) -> None:
    assert reason(read("survicate", body)) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"responseUuid": "x" * 200}, "id_too_long"),
        ({"responseUuid": "half-\ud83d"}, "wrong_type"),
        ({"responseUuid": "a\nb"}, "id_control_character"),
        ({"choice": {"body": "6", "comment": "x" * 100_000}}, "too_large"),
        ({"choice": {"body": "6", "comment": json.loads("[" * 300 + "]" * 300)}}, "too_deep"),
    ],
)
def test_a_part_that_could_not_be_kept_is_refused_at_once(changes: dict[str, Any], why: str) -> None:
    assert reason(read("survicate", survicate(**changes))) == why


def test_a_part_needs_the_id_that_the_mapping_should_find() -> None:
    assert reason(read("survicate", survicate(), source({"response_id": "nothing"}))) == "missing_field"


# What all have in common


def test_the_names_of_tools_are_those_of_the_mapping() -> None:
    assert all(name == tool.name and tool.title for name, tool in TOOLS.items())


def test_without_a_key_an_address_is_refused_with_the_setting() -> None:
    outcome = read("delighted", delighted(), source(pseudonym_key=None))

    assert isinstance(outcome, Refused)
    assert outcome.reason == "no_pseudonym_key"
    assert "receive.pseudonym_key" in outcome.detail
    assert "@" not in outcome.detail


def test_upper_and_lower_case_make_no_other_customer() -> None:
    one, other = (
        fields(read("delighted", delighted(person={"email": address})))["customer_id"]
        for address in ("Eva@Example.com", " eva@example.com ")
    )

    assert one == other


def test_another_key_makes_another_customer() -> None:
    one, other = (
        fields(read("delighted", delighted(), source(pseudonym_key=key)))["customer_id"] for key in (KEY, b"x" * 32)
    )

    assert one != other


@pytest.mark.parametrize("address", ["n/a", "x", "-", "a@b@c", "  ", 5])
def test_what_is_no_address_is_no_customer(address: Any) -> None:
    body = delighted(person={"email": address})
    outcome = read("delighted", body, source(unknown_is_anonymous=True))

    assert isinstance(outcome, Accepted)
    assert outcome.key is None
    refused = read("delighted", body)
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("customer_id: is missing, and customer.email is no e-mail address; set mapping.")


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_blank_id_is_none(blank: str) -> None:
    with_address = delighted(person_properties={"customer_id": blank})
    without = delighted(person_properties={"customer_id": blank}, person={})

    assert (
        fields(read("delighted", with_address))["customer_id"] == fields(read("delighted", delighted()))["customer_id"]
    )
    assert reason(read("delighted", without)) == "missing_field"
    outcome = read("delighted", without, source(unknown_is_anonymous=True))
    assert isinstance(outcome, Accepted)
    assert outcome.key is None
    assert "customer_id" not in outcome.fields


def test_a_wrong_time_is_refused_with_the_name_of_the_tools_field() -> None:
    outcome = read("formbricks", formbricks(updatedAt=-1))

    assert outcome == Refused(Reason.TIME_INVALID, "updatedAt: is no number of seconds or milliseconds from 2000 on")
    mapped = source({"responded_at": "event_data.when"})
    outcome = read("delighted", delighted(when=-1), mapped)
    assert outcome == Refused(Reason.TIME_INVALID, "responded_at: is no number of seconds or milliseconds from 2000 on")


@pytest.mark.parametrize("when", [-1, 10**17, "99999999999999999", "soon", True, None, ""])
def test_a_contact_whose_time_is_wrong_does_not_matter(when: Any) -> None:
    mapped = source({"solicitation.contact_at": "event_data.contact", "solicitation.asked_by": "event_data.id"})
    outcome = read("delighted", delighted(contact=when), mapped)

    assert isinstance(outcome, Accepted)
    response = bare.read(outcome.value)
    assert response.solicitation is not None
    assert response.solicitation.contact_at is None
    right = fields(read("delighted", delighted(contact=1_772_440_000), mapped))
    assert right["solicitation"]["contact_at"] == "2026-03-02T08:26:40Z"


def test_unknown_customers_can_be_anonymous() -> None:
    outcome = read("delighted", delighted(person={}), source(unknown_is_anonymous=True))

    assert isinstance(outcome, Accepted)
    assert (outcome.fields["anonymous"], outcome.key) == (True, None)


def test_the_mapping_wins_over_what_is_usual() -> None:
    mapped = source(
        {
            "customer_id": "event_data.person.id", "segment": "event_data.tags", "response_id": "event_data.code",
            "survey_id": "event_data.form", "consent.callback": "event_data.ok", "anonymous": "event_data.hidden",
        }
    )  # fmt: skip
    body = delighted(tags=["fr", "lyon"], code=12, form="f", ok="True", hidden="false")
    found = fields(read("delighted", body, mapped))

    assert found["customer_id"] == "88"
    assert (found["segment"], found["consent"]) == (["fr", "lyon"], {"callback": True})
    # Ids of the mapping are ids of this source.
    assert (found["response_id"], found["survey_id"]) == ("mine:12", "mine:f")


def test_the_survey_of_the_settings_wins_over_all() -> None:
    own = source({"survey_id": "event_data.id"}, survey_id="after-call")

    assert fields(read("delighted", delighted(), own))["survey_id"] == "after-call"


def test_an_expression_that_cannot_be_computed_is_named() -> None:
    outcome = read("delighted", delighted(), source({"survey_id": "join(',', event_data.score)"}))

    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.detail[:16]) == ("mapping_failed", "mapping.survey_i")


def test_half_of_an_emoji_does_no_harm() -> None:
    outcome = read("delighted", delighted(comment="ok \ud83d"))

    assert isinstance(outcome, Accepted)
    assert b"\\ud83d" in outcome.value


def fetched_one(tool: str, order: Any, **bodies: Any) -> Outcome:
    [outcome] = fetched(tool, read(tool, order), source(score_question="wrong"), **bodies)
    return outcome


def with_wrong_question(tool: str, body: Any) -> Outcome:
    return read(tool, body, source(score_question="wrong", comment_question=""))


QIDS = values(QID1=4, QID1_NPS_GROUP=1, QID22_TEXT="Bof.")


@pytest.mark.parametrize(
    ("outcome", "answers"),
    [
        (with_wrong_question("typeform", typeform(NPS, answered("why", "long_text", "Bof."))), "nps, why"),
        (with_wrong_question("formbricks", formbricks()), "q1, q2"),
        (with_wrong_question("posthog", posthog(**{"$survey_response_q2": "Bof."})), "q1, q2"),
        (fetched_one("surveymonkey", MONKEY, details=details({"text": "8"})), "q1"),
        (fetched_one("qualtrics", qualtrics(), response=QIDS), "QID1, QID22"),
        (fetched_one("google-forms", GOOGLE, responses={"responses": [google_answer(1, "3")]}, form={}), "q1"),
    ],
)
def test_a_wrong_score_question_is_told_which_questions_are_answered(outcome: Outcome, answers: str) -> None:
    assert outcome == Ignored(
        Why.NOT_YET_ANSWERED, f"there is no answer to score_question; the answers are to: {answers}"
    )


def test_a_wrong_question_of_survicate_is_named() -> None:
    assert with_wrong_question("survicate", survicate(14)) == Ignored(
        Why.OTHER_QUESTION, "the question 14 is neither score_question nor comment_question"
    )


def test_without_any_answer_no_question_is_named() -> None:
    assert with_wrong_question("formbricks", formbricks(data={})) == Ignored(
        Why.NOT_YET_ANSWERED, "there is no answer to score_question; no question is answered"
    )
    unnamed = read("delighted", delighted(score=None), source(score_question=""))
    assert unnamed == Ignored(Why.NOT_YET_ANSWERED, "there is no score")


def test_of_many_and_long_ids_only_some_are_shown() -> None:
    data = {f"{number:02}\u2028{'x' * 100}": "" for number in range(12)}
    outcome = with_wrong_question("formbricks", formbricks(data=data))

    assert isinstance(outcome, Ignored)
    assert outcome.detail.endswith(f"09 {'x' * 57}, and 2 more")


def test_the_questions_of_posthog_may_have_the_names_of_their_properties() -> None:
    own = source(score_question="$survey_response_q1", comment_question="$survey_response_q2")
    found = fields(read("posthog", posthog(**{"$survey_response_q2": "Bof."}), own))

    assert (found["score"], found["comment"]) == (7, "Bof.")


def test_an_opinion_scale_that_is_not_named_is_ignored_with_its_id() -> None:
    assert read("typeform", typeform(answered("q1", "opinion_scale", 4), **SCALE), source(**FREE)) == Ignored(
        Why.OTHER_SURVEY_TYPE,
        "the form has no question of the type nps; if an opinion scale asks for the score, name it in "
        "score_question: q1",
    )


def test_the_refused_answer_of_a_list_is_named() -> None:
    created = {"subscriptionType": "feedback_submission.creation", "objectId": 515}
    body = json.dumps([created, {**created, "objectId": "../x"}, 7]).encode()
    found = TOOLS["hubspot"].read(body, {}, source())

    assert isinstance(found[0], Fetch)
    assert [one.detail for one in found[1:] if isinstance(one, Refused)] == [
        "answer 2 of 3: objectId: expected an id of letters, digits, dashes and underscores",
        "answer 3 of 3: expected an object",
    ]
