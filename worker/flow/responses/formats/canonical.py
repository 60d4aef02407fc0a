"""How what a tool delivers becomes a canonical response: the customer, the mapping of the source, and the check.

`Draft` is what an adapter has found. `respond` adds what the source's mapping finds, makes a pseudonym of an e-mail
address if nothing else identifies the customer, and has formats/bare.py find every reason to refuse the result.
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Any, ParamSpec

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from schemas.accepted import AcceptedId
from schemas.dead_letter import Reason
from worker.address import is_address
from worker.errors import Rejected
from worker.flow.halves import without_halves
from worker.flow.responses.formats import bare, payload
from worker.flow.responses.formats.extras import NEEDED, without, wrong_extras
from worker.flow.responses.formats.json_text import ID_REASONS, json_reason, words_of
from worker.flow.responses.formats.outcome import (
    Accepted,
    Ignored,
    NoResponse,
    Outcome,
    Outcomes,
    Part,
    Refused,
    Why,
    ignored,
    refused,
)
from worker.flow.responses.formats.source import Expression, Source, search
from worker.flow.responses.formats.times import Times
from worker.flow.text import on_one_line
from worker.flow.timestamps import to_ms

P = ParamSpec("P")

#: How the customer id begins that is made of an e-mail address.
PSEUDONYM = "email:"
#: The length of a pseudonym's digest, in bytes: nobody will see two addresses with the same one.
_PSEUDONYM_BYTES = 16
#: The ids that have to be unique among all sources.
_IDS = frozenset({"response_id", "survey_id"})
#: Stands for a field whose expression cannot be computed.
_FAILED = object()
#: The largest number of answers in one delivery, and in one page of a list that is fetched. They are read at once, and
#: each of them may become a record that is many times as large as the answer.
MOST_ANSWERS = 1_000
#: The largest number of ids in a message, and of the characters of each.
_MOST_SHOWN, _LONGEST_SHOWN = 10, 60
_TRUE_OR_FALSE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CONTACT_AT = "solicitation.contact_at"
#: The largest size of a part of a response, in bytes of JSON. Several of them have to fit a record of Kafka.
LARGEST_PART = 100_000
_id: Callable[[object], str] = TypeAdapter(AcceptedId).validate_python
#: The fields that are true or false. Forms have texts in their place.
_BOOLEANS = {
    "consent.callback", "consent.public_review", "consent.marketing", "follow_up_requested", "test", "anonymous",
}  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """What an adapter has found in a delivery, before the mapping. None and "" stand for what is absent."""

    #: The name of the tool, which begins the ids and is the response's `origin.system`.
    tool: str
    #: The tool's own id of the answer, and of the survey.
    response_id: Any
    survey_id: Any
    score: Any
    responded_at: Any
    revision: int = 0
    comment: Any = None
    language: Any = None
    test: bool = False
    #: The ids of the questions that are answered, if the settings have to name one of them.
    questions: Sequence[str] = ()
    #: Where the tool is known to have further fields: expressions by their paths. The source's mapping wins over them.
    usual: Mapping[str, Expression] = field(default_factory=dict)


def outcomes(read: Callable[[], Outcomes | Outcome]) -> Outcomes:
    """Return what a reading returns, or the outcome with which it ended."""
    try:
        found = read()
    except NoResponse as ended:
        found = ended.outcome
    except Rejected as rejected:
        found = Refused(rejected.reason, rejected.detail)
    except RecursionError:  # a value that could just be read may still be too deep to be written again
        found = Refused(Reason.TOO_DEEP, "the values are nested too deeply")
    return found if isinstance(found, tuple) else (found,)


def reading(read: Callable[P, Outcomes | Outcome]) -> Callable[P, Outcomes]:
    """Make a function that reads a delivery, and may end with NoResponse or Rejected, into one that never raises."""

    @wraps(read)
    def never_raising(*args: P.args, **kwargs: P.kwargs) -> Outcomes:
        return outcomes(partial(read, *args, **kwargs))

    return never_raising


def each_outcome(reads: Sequence[Callable[[], Outcomes | Outcome]], nothing: str) -> Outcomes:
    """Return the outcomes of several answers. `nothing`: what is said if there is none.

    If there are several, a refusal says which of them is refused, by its place: an id may be an e-mail address.
    Raise NoResponse if there are more than MOST_ANSWERS.
    """
    found = list[Outcome]()
    if len(reads) > MOST_ANSWERS:
        raise _too_many()
    for number, read in enumerate(reads, 1):
        where = f"answer {number} of {len(reads)}: " if len(reads) > 1 else ""
        found += [_placed(outcome, where) for outcome in outcomes(read)]
        if len(found) > MOST_ANSWERS:  # each event of a batch may have a list of answers in turn
            raise _too_many()
    return tuple(found) or (Ignored(Why.EMPTY, nothing),)


def _too_many() -> NoResponse:
    return refused(Reason.TOO_LARGE, f"there are more than {MOST_ANSWERS:,} answers: deliver fewer at a time")


def _placed(outcome: Outcome, where: str) -> Outcome:
    if isinstance(outcome, Refused):
        return replace(outcome, detail=f"{where}{outcome.detail}")
    return replace(outcome, place=f"{where}{outcome.place}") if where and isinstance(outcome, Accepted) else outcome


def shown_ids(ids: Sequence[Any]) -> str:
    """Return ids for a message, at most ten, and shortened if they are long; empty if there are none."""
    words = [on_one_line(payload.word(one)) for one in ids]
    shown = [word[:_LONGEST_SHOWN] for word in words if word]
    more = [f"and {len(shown) - _MOST_SHOWN} more"] if len(shown) > _MOST_SHOWN else []
    return ", ".join([*shown[:_MOST_SHOWN], *more])


def respond(draft: Draft, body: Any, source: Source) -> Accepted:
    """Return the response of a draft. `body`: where the mapping looks. Raise NoResponse or Rejected with the reason."""
    return answered(found_in(draft, body, source), source, draft.questions)


def answered(found: Mapping[str, Any], source: Source, questions: Sequence[str] = ()) -> Accepted:
    """Return the response out of its fields by their paths. Raise NoResponse or Rejected with the reason.

    `questions`: the ids of the questions that are answered, if the settings have to name one of them.
    """
    # First of all: nothing else has to be right in what is no answer yet.
    if found.get("score") in (None, ""):
        raise ignored(Why.NOT_YET_ANSWERED, _why_no_score(source, questions))
    accepted = checked(completed(found, source))
    failed = [path for path, value in found.items() if value is _FAILED]
    return replace(accepted, left_out=(*failed, *accepted.left_out)) if failed else accepted


def _why_no_score(source: Source, questions: Sequence[str]) -> str:
    # A wrong id in the settings looks like a survey that nobody has answered yet. Only the ids can tell the two apart.
    if "score" in source.mapping:
        return f"mapping.score finds nothing; {_there(questions)}" if questions else "mapping.score finds nothing"
    if not source.score_question:
        return "there is no score"
    answered_ones = f"the answers are to: {shown}" if (shown := shown_ids(questions)) else "no question is answered"
    return f"there is no answer to score_question; {answered_ones}"


def what_is_there(body: Any) -> str:
    """Return the names of what a delivery has, in words: a wrong expression looks like an answer without a score."""
    return _there(payload.names(body))


def _there(names: Sequence[str]) -> str:
    return f"the delivery has: {shown_ids(names) or 'nothing'}"


def mapped(expressions: Mapping[str, Expression], body: Any) -> dict[str, Any]:
    """Return what expressions find, by the paths of their fields. Raise NoResponse if one cannot be computed.

    A field without which the answer is worth nearly as much is left out instead.
    """
    found = {}
    for path, expression in expressions.items():
        try:
            found[path] = search(expression, body, path)
        except NoResponse:
            if path in NEEDED:
                raise
            found[path] = _FAILED
    return found


def found_in(draft: Draft, body: Any, source: Source) -> dict[str, Any]:
    """Return the fields of a draft by their paths, with those that the mapping finds."""
    found = {
        "response_id": _with_prefix(draft.tool, draft.response_id),
        "revision": draft.revision,
        "survey_id": _with_prefix(draft.tool, draft.survey_id),
        "score": draft.score,
        "comment": draft.comment,
        "language": draft.language,
        "responded_at": draft.responded_at,
        "test": draft.test or None,
        "origin.system": draft.tool,
        **mapped({**draft.usual, **source.mapping}, body),
    }
    return {**found, **mapped_ids(found, source)}


def mapped_ids(found: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return the ids that the mapping has found, after the name of the source: two tools may both have an answer 1."""
    return {path: _with_prefix(source.name, found[path]) for path in _IDS & source.mapping.keys()}


def completed(found: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return the JSON of a response out of its fields by their paths. Raise NoResponse if there is a reason."""
    own: dict[str, Any] = {"survey_id": source.survey_id} if source.survey_id else {}
    if source.answers_on_arrival:
        own["responded_at"] = source.arrived_at
    return nested(identified(converted({**found, **own}, source.times), source))


def checked(fields: Mapping[str, Any]) -> Accepted:
    """Return a response that the worker accepts. Raise Rejected with the reason if it does not.

    A field that the worker can do without is left out if its value is wrong: it should not lose an unhappy customer's
    answer.
    """
    left_out: tuple[str, ...] = ()
    try:
        response = bare.read(json.dumps(fields).encode())
    except Rejected:
        left_out = wrong_extras(fields)
        if not left_out:
            raise
        fields = without(fields, left_out)
        response = bare.read(json.dumps(fields).encode())
    customer_id = "" if response.anonymous else response.customer_id
    given = to_ms(response.responded_at)
    return Accepted(fields, response.response_id, response.revision, customer_id, given, left_out)


def checked_part(part: str, at: int, fields: Mapping[str, Any]) -> Part:
    """Return a part of a response that can be put together with others. Raise Rejected if it cannot.

    `part` and `at`: as in Part. Whether all fields are right is found out when there is a score.
    """
    if fields.get("response_id") is None:
        raise Rejected(Reason.MISSING_FIELD, "response_id: is missing")
    try:
        response_id = _id(fields["response_id"])
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        reason = ID_REASONS.get(problem["type"], Reason.WRONG_TYPE)
        raise Rejected(reason, f"response_id: {words_of(problem)}") from None
    text = without_halves(json.dumps(fields).encode())
    if len(text) > LARGEST_PART:
        raise Rejected(Reason.TOO_LARGE, f"{len(text)} bytes, at most {LARGEST_PART} of one question are accepted")
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Rejected(json_reason(str(error), text), "a value cannot be written as JSON") from None
    return Part(response_id, part, at, fields)


def converted(found: Mapping[str, Any], times: Times) -> dict[str, Any]:
    """Return fields in the types of a response, which tools and forms write as texts. Absent ones are left out."""
    found = {**found, _CONTACT_AT: payload.time_if_any(times.read(found.get(_CONTACT_AT)))}
    kept = {path: value for path, value in found.items() if not (value is None or value == "" or value is _FAILED)}
    for path in _BOOLEANS & kept.keys():
        if isinstance(kept[path], str):
            kept[path] = _TRUE_OR_FALSE.get(kept[path].strip().lower(), kept[path])
    if "score" in kept:
        kept["score"] = payload.score(kept["score"])
    if "responded_at" in kept:
        kept["responded_at"] = _time(kept["responded_at"], times)
    if isinstance(kept.get("revision"), str):
        kept["revision"] = _revision(kept["revision"], times)
    if segment := payload.word(kept.get("segment")):
        kept["segment"] = segment.split("/")
    return kept


def _time(value: Any, times: Times) -> Any:
    """Return the time of an answer as RFC 3339 has it. What is none is refused by the schema, or for the settings."""
    found = payload.time(times.read(value), "responded_at")
    if times.format and isinstance(found, str) and not payload.is_time(found):
        raise refused(
            Reason.TIME_INVALID, "responded_at: is not written as the format of times says, or there is no such day"
        )
    return found


def _revision(text: str, times: Times) -> int:
    """Return a revision that is written as a text: a whole number, or a time, which becomes its seconds."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= len(str(2**53)):
        return int(text)
    try:
        return payload.seconds(times.read(text), "revision")
    except NoResponse as ended:
        if isinstance(ended.outcome, Refused) and ended.outcome.reason is Reason.TIME_INVALID:
            raise refused(Reason.TIME_INVALID, "revision: expected a whole number or a time") from None
        raise


def identified(fields: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the fields with a customer id that is no address. Raise NoResponse if the customer cannot be identified.

    If the id is an e-mail address, or if there is only an address, the id is a pseudonym, which nobody can turn back
    without the key. The address itself stays in customer.email.
    """
    if fields.get("anonymous") is True:
        return fields
    customer_id, address = fields.get("customer_id"), fields.get("customer.email")
    if isinstance(customer_id, str) and is_address(customer_id.strip()):
        address = customer_id
    elif customer_id is not None and not _is_blank(customer_id):
        return fields
    # Some tools have "n/a" and the like in place of an address: all these customers would be one.
    if isinstance(address, str) and is_address(address.strip()):
        if source.pseudonym_key is None:
            raise refused(
                Reason.NO_PSEUDONYM_KEY,
                "customer_id: only the customer's e-mail address is known; to identify customers by it, set "
                "receive.pseudonym_key",
            )
        return {**fields, "customer_id": pseudonym(address, source.pseudonym_key), "customer.email": address.strip()}
    if source.unknown_is_anonymous:
        known = {path: value for path, value in fields.items() if path != "customer_id"}
        return {**known, "anonymous": True}
    raise refused(
        Reason.MISSING_FIELD,
        f"customer_id: is missing, and customer.email is no e-mail address; {source.help_with_customers}",
    )


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def pseudonym(address: str, key: bytes) -> str:
    """Return the customer id that stands for an e-mail address. Upper and lower case make no difference."""
    normal = address.strip().casefold().encode(errors="surrogatepass")
    return PSEUDONYM + hmac.digest(key, normal, "sha256")[:_PSEUDONYM_BYTES].hex()


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields whose names are paths as the nested JSON of a response."""
    found: dict[str, Any] = {}
    for path, value in fields.items():
        section, _, name = path.rpartition(".")
        inside = found.setdefault(section, {}) if section else found
        inside[name] = value
    return found


def _with_prefix(system: str, value: Any) -> Any:
    """Return an id after the name of the system that has made it; what is no id stays, and is refused later."""
    text = payload.word(value)
    return f"{system}:{text}" if text else value
