"""PostHog: a webhook destination that posts the event `survey sent`.

https://posthog.com/docs/surveys
Surveys that report partial answers send one event a question, and each repeats the earlier answers. So the number of
answers, less one, serves as the revision. The score may be a text.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from worker.flow.responses.formats.canonical import Draft, outcomes, respond
from worker.flow.responses.formats.outcome import Accepted, Outcomes, Why, ignored
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


def read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    """Return the response of an event."""
    del headers
    return outcomes(partial(_read, body, source))


def _read(body: bytes, source: Source) -> Accepted:
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
        score=answers.get(source.score_question),
        comment=answers.get(source.comment_question),
        responded_at=event.get("timestamp"),
        revision=max(len(answers) - 1, 0),
        usual=_USUAL,
    )
    return respond(draft, whole, source)


def _is_empty(value: Any) -> bool:
    return value in (None, "", [])


TOOL = Tool("posthog", "PostHog", read, questions=Questions.NEEDED)
