"""The fields of a response that an answer can do without, and which of them have a wrong value.

An answer of an unhappy customer is worth much without the phone number. Without a score, a time or an id it is no
answer. `anonymous` is needed too: without it, somebody would be named who does not want to be.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.response import Response
from worker.flow.halves import without_halves

#: The fields whose value has to be right, by their paths.
NEEDED = frozenset({"response_id", "revision", "survey_id", "customer_id", "score", "responded_at", "anonymous"})

_validate = Response.__pydantic_validator__.validate_json


def wrong_extras(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of the fields of a response's JSON that have a wrong value, and that it can do without."""
    try:
        _validate(without_halves(json.dumps(fields).encode()))
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
    else:
        return ()
    places = [[str(part) for part in one["loc"] if part != ""] for one in errors]
    # A place in a list counts as the list. A name inside an object does not: the rest of the object stays.
    paths = {".".join(place[: 2 if isinstance(fields.get(place[0]), Mapping) else 1]) for place in places if place}
    # An object may also be an empty list, so an object with a wrong field has a second error, which says nothing.
    inside = {path.partition(".")[0] for path in paths if "." in path}
    return tuple(sorted(paths - NEEDED - inside))


def without(fields: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return a response's JSON without some fields."""
    kept = dict(fields)
    for path in paths:
        section, dot, name = path.partition(".")
        if dot:
            kept[section] = {inner: value for inner, value in kept[section].items() if inner != name}
        else:
            del kept[section]
    return kept
