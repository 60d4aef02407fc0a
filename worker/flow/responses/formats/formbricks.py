"""Formbricks: a webhook with Standard Webhooks' signature.

https://formbricks.com/docs/api/management/webhooks
Each event repeats the answers that were given before, under the ids of their questions, which only the settings can
tell apart. `updatedAt` in seconds serves as the revision. The event `responseCreated` has often no score yet.
"""

from collections.abc import Mapping

from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Why, ignored
from worker.flow.responses.formats.payload import as_object, at, names, read_object, seconds, word
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_EVENTS = {"responseCreated", "responseUpdated", "responseFinished"}
#: What the tool writes if the answer is in the survey's first language, which it does not name.
_NO_LANGUAGE = "default"
_USUAL = compiled_all(
    {
        "customer_id": "data.contact.userId",
        "customer.email": "data.contactAttributes.email",
        "customer.name": "data.contactAttributes.name",
    }
)


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Accepted:
    """Return the response of an event."""
    del headers
    event = read_object(body)
    if event.get("event") == "testEndpoint":
        raise ignored(Why.ENDPOINT_TEST)
    if word(event.get("event")) not in _EVENTS:
        raise ignored(Why.OTHER_EVENT, "event is not that of a response")
    answer = as_object(event.get("data"))
    language = answer.get("language")
    draft = Draft(
        tool=TOOL.name,
        response_id=answer.get("id"),
        survey_id=answer.get("surveyId"),
        score=at(answer, "data", source.score_question),
        comment=at(answer, "data", source.comment_question),
        language=None if language == _NO_LANGUAGE else language,
        responded_at=answer.get("updatedAt"),
        revision=seconds(answer.get("updatedAt"), "updatedAt"),
        usual=_USUAL,
        questions=names(answer.get("data")),
    )
    return respond(draft, event, source)


TOOL = Tool("formbricks", "Formbricks", read, questions=Questions.NEEDED)
