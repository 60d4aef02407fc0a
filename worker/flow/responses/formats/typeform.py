"""Typeform: a webhook with one form a request.

https://www.typeform.com/developers/webhooks/
The score is the answer to the question of the type `nps`, wherever it stands among the answers. `calculated.score` is
no score of this kind, and an opinion scale counts only if the definition says that it goes from 0 to 10. A partial
answer has the revision 0, and the complete one the revision 1.
"""

from collections.abc import Mapping
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.responses.formats.canonical import Draft, reading, respond, shown_ids
from worker.flow.responses.formats.outcome import Accepted, Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, at, objects, read_object, word
from worker.flow.responses.formats.source import Expression, Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_REVISIONS = {"form_response_partial": 0, "form_response": 1}
_TEXTS = ("long_text", "short_text")
_STEPS_OF_NPS = 11


class _Address:
    """Finds the e-mail address: the hidden field, or else the first answer to a question for an address.

    This is an expression in Python, since the one in JMESPath took a twentieth of the time of a delivery.
    """

    def search(self, value: Any) -> Any:
        """Return the address in a delivery; None if there is none."""
        form = at(value, "form_response")
        answered = (one.get("email") for one in objects(at(form, "answers")) if one.get("type") == "email")
        return at(form, "hidden", "email") or next((email for email in answered if email is not None), None)


_USUAL: Mapping[str, Expression] = {
    **compiled_all(
        {
            "customer_id": "form_response.hidden.customer_id",
            "segment": "form_response.hidden.segment",
            "customer.name": "form_response.hidden.name",
        }
    ),
    "customer.email": _Address(),
}


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Accepted:
    """Return the response of a form."""
    del headers
    event = read_object(body)
    event_type = word(event.get("event_type"))
    if event_type not in _REVISIONS:
        raise ignored(Why.OTHER_EVENT, "event_type is not that of a form")
    form = as_object(event.get("form_response"))
    answers = objects(form.get("answers"))
    draft = Draft(
        tool=TOOL.name,
        response_id=form.get("token"),
        survey_id=form.get("form_id"),
        score=None if "score" in source.mapping else _score(answers, form, source),
        comment=_comment(answers, source),
        responded_at=form.get("submitted_at"),
        revision=_REVISIONS[event_type],
        usual=_USUAL,
        questions=[_id_of(answer) for answer in answers],
    )
    return respond(draft, event, source)


def _is(answer: dict[str, Any], question: str) -> bool:
    """Say whether an answer is to a question, which is named by its ref or its id."""
    return question in (at(answer, "field", "ref"), at(answer, "field", "id"))


def _id_of(answer: dict[str, Any]) -> str:
    return word(at(answer, "field", "ref")) or word(at(answer, "field", "id"))


def _hint(answers: list[dict[str, Any]]) -> str:
    """Return which questions may ask for the score, although their type does not say so; empty if there are none."""
    scales = [_id_of(answer) for answer in answers if at(answer, "field", "type") == "opinion_scale"]
    return f"; if an opinion scale asks for the score, name it in score_question: {shown_ids(scales)}" if scales else ""


def _score(answers: list[dict[str, Any]], form: dict[str, Any], source: Source) -> Any:
    if source.score_question:
        found = [answer for answer in answers if _is(answer, source.score_question)]
    else:
        found = [answer for answer in answers if at(answer, "field", "type") == "nps"]
        if len(found) > 1:
            raise refused(Reason.NOT_OF_THIS_TOOL, "score: the form has several NPS questions; set score_question")
        if not found and not any(at(one, "type") == "nps" for one in objects(at(form, "definition", "fields"))):
            raise ignored(Why.OTHER_SURVEY_TYPE, f"the form has no question of the type nps{_hint(answers)}")
    if not found:
        return None
    if not _is_nps(found[0], form):
        raise refused(Reason.NOT_NPS_SCALE, "score: the question is not known to have a scale from 0 to 10")
    return found[0].get("number")


def _is_nps(answer: dict[str, Any], form: dict[str, Any]) -> bool:
    if at(answer, "field", "type") == "nps":
        return True
    field_id = at(answer, "field", "id")
    fields = [one for one in objects(at(form, "definition", "fields")) if one.get("id") == field_id]
    properties = at(fields[0], "properties") if fields else None
    is_scale = at(answer, "field", "type") == "opinion_scale"
    return is_scale and at(properties, "steps") == _STEPS_OF_NPS and at(properties, "start_at_one") is False


def _comment(answers: list[dict[str, Any]], source: Source) -> Any:
    """Return the answer to the comment's question; without one in the settings, the only text that there is."""
    if source.comment_question:
        found = [answer for answer in answers if _is(answer, source.comment_question)]
        return found[0].get("text") if found else None
    texts = [answer for answer in answers if at(answer, "field", "type") in _TEXTS]
    return texts[0].get("text") if len(texts) == 1 else None


TOOL = Tool("typeform", "Typeform", read, questions=Questions.OPTIONAL)
