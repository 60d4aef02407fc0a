"""Survicate: a webhook with one question a request.

https://developers.survicate.com/webhooks/events/
A comment comes alone, without the score, so each request is a part of a response (merging.py). The response is that of
the tool's `responseUuid`; older deliveries without it are identified by the respondent and the survey.
"""

from collections.abc import Mapping
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.responses.formats.canonical import Draft, checked_part, completed, found_in, reading, shown_ids
from worker.flow.responses.formats.outcome import Part, Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, at, milliseconds, read_object, word
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_USUAL = compiled_all(
    {
        "customer_id": "event.questionAnswered.respondent.attributes.customer_id",
        "customer.email": "event.questionAnswered.respondent.attributes.email",
        "customer.name": "event.questionAnswered.respondent.attributes.name",
        "segment": "event.questionAnswered.respondent.attributes.segment",
    }
)


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Part:
    """Return the part of a response that an event has."""
    del headers
    whole = read_object(body)
    event = at(whole, "event", "questionAnswered")
    if not isinstance(event, dict):
        raise ignored(Why.OTHER_EVENT, "the event is not questionAnswered")
    question = word(at(event, "question", "id"))
    if not question or question not in {source.score_question, source.comment_question}:
        asked = shown_ids([question]) or "without an id"
        raise ignored(Why.OTHER_QUESTION, f"the question {asked} is neither score_question nor comment_question")
    choice, answered = as_object(event.get("choice")), event.get("timestamp")
    text = choice.get("body")
    is_score = question == source.score_question
    survey = word(at(event, "survey", "id"))
    draft = Draft(
        tool=TOOL.name,
        response_id=_response_id(event, survey),
        survey_id=survey,
        score=text if is_score else None,
        comment=choice.get("comment") if is_score else text,
        responded_at=answered,
        usual=_USUAL,
    )
    fields = completed(found_in(draft, whole, source), source)
    return checked_part(question, milliseconds(answered, "timestamp"), fields)


def _response_id(event: dict[str, Any], survey: str) -> str:
    if found := word(event.get("responseUuid")):
        return found
    respondent = word(at(event, "respondent", "id"))
    if not (respondent and survey):
        raise refused(Reason.NOT_OF_THIS_TOOL, "respondent.id, survey.id: are missing, so the answer has no id")
    return f"{respondent}:{survey}"


TOOL = Tool("survicate", "Survicate", read, questions=Questions.ALONE)
