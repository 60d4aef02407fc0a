"""SurveyMonkey: a webhook with ids only.

https://api.surveymonkey.com/v3/docs#webhooks
The answer is fetched. `date_modified` in seconds serves as its revision. Only the settings can say which question asks
for the score. The id of a choice is no score, and neither is the weight that the tool gives to a whole group (-100, 0
or 100); the text of the choice is.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.responses.formats import payload
from worker.flow.responses.formats.canonical import Draft, outcomes, respond
from worker.flow.responses.formats.outcome import Accepted, Fetch, Get, Outcomes, Why, ignored, refused
from worker.flow.responses.formats.payload import at, objects, path_part, read_object, seconds, word
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_EVENTS = {"response_created", "response_updated", "response_completed"}
_DETAILS = "details"
_GROUP_WEIGHTS = {"-100", "0", "100"}
_USUAL = compiled_all(
    {
        "customer_id": "custom_variables.cid || custom_variables.customer_id",
        "customer.email": "email_address",
        "origin.permalink": "analyze_url",
    }
)


def read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    """Return what has to be fetched for an event."""
    del headers, source
    return outcomes(partial(_read, body))


def _read(body: bytes) -> Fetch:
    event = read_object(body)
    if word(event.get("event_type")) not in _EVENTS or event.get("object_type") != "response":
        raise ignored(Why.OTHER_EVENT, "event_type is not that of a response")
    survey = path_part(at(event, "resources", "survey_id"), "resources.survey_id")
    answer = path_part(event.get("object_id"), "object_id")
    return Fetch({_DETAILS: Get(f"/v3/surveys/{survey}/responses/{answer}/details", {"simple": "true"})})


def read_fetched(fetch: Fetch, bodies: Mapping[str, bytes], source: Source) -> Outcomes:
    """Return the response of an answer that was fetched."""
    del fetch
    return outcomes(partial(_fetched, bodies[_DETAILS], source))


def _fetched(body: bytes, source: Source) -> Accepted:
    details = read_object(body)
    draft = Draft(
        tool=TOOL.name,
        response_id=details.get("id"),
        survey_id=details.get("survey_id"),
        score=None if "score" in source.mapping else _score(_answer(details, source.score_question)),
        comment=at(_answer(details, source.comment_question), "text"),
        responded_at=details.get("date_created"),
        revision=seconds(details.get("date_modified"), "date_modified"),
        test="preview" in word(details.get("collection_mode")),
        usual=_USUAL,
    )
    return respond(draft, details, source)


def _answer(details: dict[str, Any], question: str) -> dict[str, Any] | None:
    """Return the first answer to a question; None if it is not answered, or if the settings name no question."""
    for page in objects(details.get("pages")):
        for one in objects(page.get("questions")):
            if question and word(one.get("id")) == question:
                return next(iter(objects(one.get("answers"))), None)
    return None


def _score(answer: dict[str, Any] | None) -> Any:
    if answer is None:
        return None
    text = answer.get("text")
    if text is None and (simple := word(answer.get("simple_text"))):
        text = simple.rpartition("|")[2]
    if text is not None:
        return text
    weight = at(answer, "choice_metadata", "weight")
    if word(payload.score(weight)) in _GROUP_WEIGHTS:
        raise refused(Reason.NOT_NPS_SCALE, "score: the weight may be that of a whole group, and there is no text")
    return weight


TOOL = Tool("surveymonkey", "SurveyMonkey", read, read_fetched, Questions.NEEDED)
