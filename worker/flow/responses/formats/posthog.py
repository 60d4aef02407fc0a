"""PostHog: a webhook destination that posts the event `survey sent`.

https://posthog.com/docs/surveys
Surveys that report partial answers send one event a question, and each repeats the earlier answers. So the number of
answers, less one, serves as the revision. The score may be a text.
"""

from collections.abc import Mapping
from typing import Any

from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Why, ignored
from worker.flow.responses.formats.payload import as_object, read_object
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_ANSWER = "$survey_response_"
_USUAL = compiled_all(
    {
        "customer_id": "event.distinct_id",
        "customer.email": "person.properties.email",
        "customer.name": "person.properties.name",
    }
)


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Accepted:
    """Return the response of an event."""
    del headers
    whole = read_object(body)
    event = as_object(whole.get("event"))
    if event.get("event") == "survey dismissed":
        raise ignored(Why.DISMISSED)
    if event.get("event") != "survey sent":
        raise ignored(Why.OTHER_EVENT, "event is not 'survey sent'")
    properties = as_object(event.get("properties"))
    answers = {
        name.removeprefix(_ANSWER): value
        for name, value in properties.items()
        if name.startswith(_ANSWER) and not _is_empty(value)
    }
    draft = Draft(
        tool=TOOL.name,
        response_id=properties.get("$survey_submission_id") or event.get("uuid"),
        survey_id=properties.get("$survey_id"),
        # The names of the properties are what people see, so they may be in the settings as well.
        score=answers.get(source.score_question.removeprefix(_ANSWER)),
        comment=answers.get(source.comment_question.removeprefix(_ANSWER)),
        responded_at=event.get("timestamp"),
        revision=max(len(answers) - 1, 0),
        usual=_USUAL,
        questions=[*answers],
    )
    return respond(draft, whole, source)


def _is_empty(value: Any) -> bool:
    return value in (None, "", [])


TOOL = Tool("posthog", "PostHog", read, questions=Questions.NEEDED)
