"""How the deliveries about one answer become one response. Pure.

A worker keeps what is `Known` of answers that come in parts only (worker/flow/responses/merged). The command `receive
test` keeps it of all answers of its run.

Most tools repeat everything in each delivery. Two things need what was known before:

- A tool may send each question alone (`Part`). The parts are put together; the latest answer to each question counts,
  whatever the order in which the deliveries arrive. The number of parts, less one, serves as the revision.
- A later delivery may have another time than the one in which the score came first. The response keeps the first time,
  so that a late comment does not move the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from worker.errors import Rejected
from worker.flow.responses.formats.canonical import checked
from worker.flow.responses.formats.outcome import Accepted, Ignored, Part, Refused, Why


@dataclass(frozen=True)
class Known:
    """What is known of one answer, in values of JSON."""

    #: The response as it was published last; empty as long as it has no score.
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: What each question has added: when, in ms, and what.
    parts: Mapping[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    #: How many parts have come that were new.
    count: int = 0


class Merged(NamedTuple):
    """What is known now, and the response to publish, or why there is none."""

    known: Known
    outcome: Accepted | Ignored | Refused


def merge(known: Known, new: Accepted | Part) -> Merged:
    """Return what is known of an answer after a delivery about it. `known`: what was known before it.

    What is refused or ignored as older does not change what is known. So a delivery that comes again, after a crash as
    well, has the same result.
    """
    try:
        return _with_part(known, new) if isinstance(new, Part) else _with_response(known, new)
    except Rejected as rejected:
        return Merged(known, Refused(rejected.reason, rejected.detail))


def _with_response(known: Known, new: Accepted) -> Merged:
    if not known.fields:
        return Merged(Known(new.fields), new)
    if new.revision < checked(known.fields).revision:
        return Merged(known, Ignored(Why.OLDER_REVISION))
    fields = {**new.fields, "responded_at": known.fields["responded_at"]}
    if fields == known.fields:
        return Merged(known, Ignored(Why.ALREADY_RECEIVED))
    return Merged(Known(fields), replace(checked(fields), left_out=new.left_out))


def _with_part(known: Known, new: Part) -> Merged:
    if new.part in known.parts:
        at, fields = known.parts[new.part]
        if (at, fields) == (new.at, new.fields):
            return Merged(known, Ignored(Why.ALREADY_RECEIVED))
        if at > new.at:
            return Merged(known, Ignored(Why.OLDER_REVISION))
    parts = {**known.parts, new.part: (new.at, new.fields)}
    # The questions decide between parts of the same time, so that the order of arrival does not.
    in_order = [parts[question] for question in sorted(parts, key=lambda question: (parts[question][0], question))]
    fields = {name: value for _, part in in_order for name, value in part.items()}
    count = known.count + 1
    if "score" not in fields:
        return Merged(Known({}, parts, count), Ignored(Why.NOT_YET_ANSWERED))
    scored = known.fields or next(part for _, part in in_order if "score" in part)
    fields |= {"revision": count - 1, "responded_at": scored.get("responded_at")}
    return Merged(Known(fields, parts, count), checked(fields))
