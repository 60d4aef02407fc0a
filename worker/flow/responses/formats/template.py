"""Any other tool: a body in JSON or a form, whose fields the mapping of the source finds.

Without a mapping, the body is a canonical response itself (docs/publishing.md), as people write it into the template of
a tool that lets them. Templates put numbers into quotes, so "3" counts as 3 here.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.responses.formats.canonical import answered, each_outcome, mapped, mapped_ids, outcomes, what_is_there
from worker.flow.responses.formats.outcome import Accepted, Outcomes, Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, content_type_of, names, read_body, read_json
from worker.flow.responses.formats.source import FIELDS, Source, compiled_all, search
from worker.flow.responses.formats.tool import Tool

#: Where a canonical response has its fields, by their paths.
CANONICAL = compiled_all({path: path for path in (*FIELDS, "origin.system")})


def read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    """Return the responses of a body."""
    return outcomes(lambda: answers(_delivery(read_body(body, content_type_of(headers)), source), source))


def _delivery(whole: Any, source: Source) -> Any:
    """Return the delivery in the values of a body. Raise NoResponse if the field is missing that should have it."""
    if not source.delivery_in:
        return whole
    text = as_object(whole).get(source.delivery_in)
    if not isinstance(text, str):
        raise refused(Reason.MISSING_FIELD, "delivery_in: the body has no such field, or no text in it")
    return read_json(text.encode(errors="surrogatepass"))


def answers(whole: Any, source: Source) -> Outcomes:
    """Return the responses in the value of a body. Raise NoResponse if the list of answers cannot be found."""
    found = [whole] if source.each is None else search(source.each, whole, "each")
    if not isinstance(found, list):
        raise refused(Reason.WRONG_TYPE, "mapping.each: finds no list of answers")
    reads = [partial(_one, one, source) for one in found]
    return each_outcome(reads, "mapping.each: finds an empty list")


def _one(given: Any, source: Source) -> Accepted:
    answer = as_object(given)
    select(answer, source)
    if not source.mapping:
        return answered(canonical_fields(answer), source)
    found = mapped(source.mapping, answer)
    if source.only_if is not None and found.get("score") in (None, ""):
        # The settings say that this is an answer. As something that is ignored it would be lost without a word.
        raise refused(Reason.MISSING_FIELD, f"mapping.score: finds nothing; {what_is_there(answer)}")
    return answered({**found, **mapped_ids(found, source), "origin.system": source.name}, source, names(answer))


def select(answer: Any, source: Source) -> None:
    """Raise NoResponse if the source's expression `only_if` is not true for an answer."""
    if source.only_if is not None and search(source.only_if, answer, "only_if") is not True:
        raise ignored(Why.NOT_SELECTED, "mapping.only_if: is not true")


def canonical_fields(response: Any) -> dict[str, Any]:
    """Return the fields of a canonical response by their paths; None stands for what is absent."""
    return mapped(CANONICAL, response)


TOOL = Tool("template", "any other tool", read)
