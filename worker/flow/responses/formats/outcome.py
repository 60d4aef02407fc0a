"""What a delivery of a survey tool becomes: one outcome for each answer or event in it.

| outcome    | what it means                                                                                        |
|------------|------------------------------------------------------------------------------------------------------|
| `Accepted` | It is a response: `value` is the record's value, and `key` its key.                                  |
| `Part`     | It is a part of a response, since the tool sends each question alone: merging.py puts parts together. |
| `Ignored`  | It is no response, and nothing is wrong: it is counted, and becomes no dead letter.                   |
| `Refused`  | It should be a response, and cannot be accepted: it becomes a dead letter.                            |
| `Fetch`    | It names a response only: its API has to be asked, and the tool's `read_fetched` reads the answer.    |
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get


class Why(StrEnum):
    """Why something is no response although nothing is wrong. These words are stable."""

    #: The customer has not given a score, or not yet.
    NOT_YET_ANSWERED = "not_yet_answered"
    #: The customer has closed the survey.
    DISMISSED = "dismissed"
    #: The customer has declined to answer.
    DECLINED = "declined"
    #: The survey asks for something else, such as satisfaction (CSAT) or effort (CES).
    OTHER_SURVEY_TYPE = "other_survey_type"
    #: It is the answer to a question that asks neither for the score nor for the comment.
    OTHER_QUESTION = "other_question"
    #: It reports something else than an answer.
    OTHER_EVENT = "other_event"
    #: The expression `only_if` of the source's mapping is not true.
    NOT_SELECTED = "not_selected"
    #: The tool has tried whether it reaches the worker.
    ENDPOINT_TEST = "endpoint_test"
    #: The delivery has no answer.
    EMPTY = "empty"
    #: A later state of the same answer is known.
    OLDER_REVISION = "older_revision"
    #: The same state of the same answer is known.
    ALREADY_RECEIVED = "already_received"


@dataclass(frozen=True)
class Accepted:
    """A response. `fields`: its JSON; `customer_id`: as the worker reads it, empty if the answer is anonymous.

    `given`: when it was given, in ms.
    `left_out`: the paths of fields that had values which no response can have. The answer does without them.
    `headers`: those of its record, if its publisher has said some (cloudevents.py).
    `place`: which answer of its delivery it is, as the reason begins if it is refused after all; empty if it is alone.
    """

    fields: Mapping[str, Any]
    response_id: str
    revision: int
    customer_id: str
    given: int
    left_out: tuple[str, ...] = ()
    headers: Sequence[tuple[str, bytes]] = ()
    place: str = field(default="", compare=False)

    @property
    def key(self) -> bytes | None:
        """The key of the record: the customer's id; None if the answer is anonymous."""
        return self.customer_id.encode() or None

    @cached_property
    def value(self) -> bytes:
        """The value of the record, which formats/bare.py reads."""
        # In ASCII, so that half of an emoji at the end of a text does not matter: bare.py replaces it.
        return json.dumps(self.fields).encode()


@dataclass(frozen=True)
class Part:
    """What one question adds to a response.

    `part`: the question; `at`: when it was answered, in ms: of the same question, the latest answer counts; `fields`:
    the JSON of the response, as far as it is known by this part.
    """

    response_id: str
    part: str
    at: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Ignored:
    """It is no response, and nothing is wrong. `detail` has no values."""

    why: Why
    detail: str = ""


@dataclass(frozen=True)
class Refused:
    """It cannot be accepted. `detail` names fields and what was expected, and has no values."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Fetch:
    """What has to be fetched. `gets`: the requests, by the names under which `read_fetched` wants their bodies.

    `known`: what the delivery says and the fetched bodies do not.
    """

    gets: Mapping[str, Get]
    known: Mapping[str, str | int] = field(default_factory=dict)


Outcome = Accepted | Part | Ignored | Refused | Fetch
#: Never empty. A delivery may have several answers; one that cannot be accepted does not affect the others. There are
#: no more than MOST_ANSWERS (canonical.py), and perhaps a Fetch of further ones.
Outcomes = tuple[Outcome, ...]


class NoResponse(Exception):
    """Ends the reading of an answer with an outcome that is no response. It does not leave the formats."""

    def __init__(self, outcome: Ignored | Refused) -> None:
        super().__init__()
        self.outcome = outcome


def ignored(why: Why, detail: str = "") -> NoResponse:
    """Return the exception by which an answer is ignored."""
    return NoResponse(Ignored(why, detail))


def refused(reason: Reason, detail: str) -> NoResponse:
    """Return the exception by which an answer is refused."""
    return NoResponse(Refused(reason, detail))
