"""Delighted: a webhook with one event a request.

https://app.delighted.com/docs/api/webhooks
An event repeats everything that is known of the answer, so the time of its last change serves as the revision. A score
of 0 is a score; `null` is none. Surveys of other types (CSAT, CES and so on) use the same events.
"""

from collections.abc import Mapping
from typing import Any

from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Why, ignored
from worker.flow.responses.formats.payload import as_object, at, read_object, seconds, word
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Tool

_EVENTS = {"survey_response.created", "survey_response.updated"}
_USUAL = compiled_all(
    {
        "customer_id": 'event_data.person_properties."Customer ID" || event_data.person_properties.customer_id',
        "customer.email": "event_data.person.email",
        "customer.name": "event_data.person.name",
        "customer.phone": "event_data.person.phone_number",
        "origin.permalink": "event_data.permalink",
    }
)


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Accepted:
    """Return the response of an event."""
    del headers
    event = read_object(body)
    if word(event.get("event_type")) not in _EVENTS:
        raise ignored(Why.OTHER_EVENT, "event_type is not that of a response")
    answer: dict[str, Any] = as_object(event.get("event_data"))
    if at(answer, "survey_type") != "nps":
        raise ignored(Why.OTHER_SURVEY_TYPE, "survey_type is not nps")
    # An answer that was never changed may have null.
    changed_at = "created_at" if answer.get("updated_at") is None else "updated_at"
    draft = Draft(
        tool=TOOL.name,
        response_id=answer.get("id"),
        survey_id="nps",
        score=answer.get("score"),
        comment=answer.get("comment"),
        responded_at=answer.get("created_at"),
        revision=seconds(answer.get(changed_at), changed_at),
        usual=_USUAL,
    )
    return respond(draft, event, source)


TOOL = Tool("delighted", "Delighted", read)
