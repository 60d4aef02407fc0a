"""SurveyMonkey: a webhook with ids only.

https://api.surveymonkey.com/v3/docs#webhooks
The answer is fetched. `date_modified` in seconds serves as its revision. Only the settings can say which question asks
for the score. The id of a choice is no score, and neither is the weight that the tool gives to a whole group (-100, 0
or 100); the text of the choice is.
"""

from collections.abc import Mapping
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.formats import payload
from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Fetch, Why, ignored, refused
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


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Fetch:
    """Return what has to be fetched for an event."""
    del headers, source
    event = read_object(body)
    if word(event.get("event_type")) not in _EVENTS or event.get("object_type") != "response":
        raise ignored(Why.OTHER_EVENT, "event_type is not that of a response")
    survey = path_part(at(event, "resources", "survey_id"), "resources.survey_id")
    answer = path_part(event.get("object_id"), "object_id")
    return Fetch({_DETAILS: Get(f"/v3/surveys/{survey}/responses/{answer}/details", {"simple": "true"})})


@reading
def read_fetched(fetch: Fetch, bodies: Mapping[str, bytes], source: Source) -> Accepted:
    """Return the response of an answer that was fetched."""
    del fetch
    details = read_object(bodies[_DETAILS])
    answers = _answers(details)
    draft = Draft(
        tool=TOOL.name,
        response_id=details.get("id"),
        survey_id=details.get("survey_id"),
        score=None if "score" in source.mapping else _score(answers.get(source.score_question)),
        comment=at(answers.get(source.comment_question), "text"),
        responded_at=details.get("date_created"),
        revision=seconds(details.get("date_modified"), "date_modified"),
        test="preview" in word(details.get("collection_mode")),
        usual=_USUAL,
        questions=[*answers],
    )
    return respond(draft, details, source)


def _answers(details: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the first answer to each question that is answered, by the question's id."""
    found: dict[str, dict[str, Any]] = {}
    for page in objects(details.get("pages")):
        for one in objects(page.get("questions")):
            answers = objects(one.get("answers"))
            if answers and (question := word(one.get("id"))):
                found.setdefault(question, answers[0])
    return found


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


TOOL = Tool("surveymonkey", "SurveyMonkey", read, read_fetched, Questions.NEEDED, fetches={_DETAILS})
