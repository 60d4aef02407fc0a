"""The dead letter: a record or a delivery that could not be accepted, where it was, and why."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event


class Reason(StrEnum):
    """Why a record was refused. These words are stable; `detail` is for people."""

    TOO_LARGE = "too_large"
    NO_KEY = "no_key"
    INVALID_UTF8 = "invalid_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    SCORE_NOT_INTEGER = "score_not_integer"
    SCORE_OUT_OF_RANGE = "score_out_of_range"
    ID_EMPTY = "id_empty"
    ID_TOO_LONG = "id_too_long"
    ID_CONTROL_CHARACTER = "id_control_character"
    SEGMENT_INVALID = "segment_invalid"
    TIME_INVALID = "time_invalid"
    TIME_NAIVE = "time_naive"
    TIME_FUTURE = "time_future"
    ENVELOPE_INVALID = "envelope_invalid"
    ALERT_UNKNOWN = "alert_unknown"
    CASE_OPEN = "case_open"
    CASE_RESOLVED = "case_resolved"
    CASE_WITHDRAWN = "case_withdrawn"
    CASE_REOPENED = "case_reopened"
    ACKNOWLEDGED_BY_ANOTHER = "acknowledged_by_another"
    CAUSE_MISSING = "cause_missing"
    CAUSE_UNKNOWN = "cause_unknown"
    SILENCE_UNKNOWN = "silence_unknown"
    SILENCE_OVER = "silence_over"
    TIME_PAST = "time_past"
    TOO_MANY_SILENCES = "too_many_silences"
    SERVICE_LEVEL_UNKNOWN = "service_level_unknown"
    #: The number that a survey tool has delivered is not known to be an answer on a scale from 0 to 10.
    NOT_NPS_SCALE = "not_nps_scale"
    #: Only the customer's e-mail address is known, and no key makes a pseudonym of it.
    NO_PSEUDONYM_KEY = "no_pseudonym_key"
    #: An expression of the source's mapping cannot be computed on this delivery.
    MAPPING_FAILED = "mapping_failed"
    #: The delivery is not in the form that the survey tool is known to send, or the order to fetch an answer is one of
    #: the tool that the source had before.
    NOT_OF_THIS_TOOL = "not_of_this_tool"
    #: The survey tool does not have the answer any more, of which it had delivered the id.
    ANSWER_GONE = "answer_gone"
    #: The survey tool's API has not given an answer, although it was asked for days, or refuses it.
    NOT_FETCHED = "not_fetched"
    #: An answer of a source that is not in the settings any more was to be fetched.
    SOURCE_UNKNOWN = "source_unknown"


class DeadLetter(Event):
    """One refused record, or what is refused in a delivery of a survey tool by HTTP."""

    dead_letter_id: str = Field(
        description="A UUIDv5 of topic, partition and offset. For a delivery by HTTP, a UUIDv5 of its source and its "
        "body, so that a repeated delivery has the same id."
    )
    reason: str = Field(
        description="Why the record was refused, as a stable word; words may be added. If several answers of a "
        "delivery are refused, it is that of the first."
    )
    detail: str = Field(
        description="Which fields are missing or wrong, at most ten, and what was expected of each. If a "
        "delivery has several answers, this is said of the first ten that are refused, each by its place in the "
        "delivery, such as `answer 3 of 10`. It has no values."
    )
    topic: str = Field(
        description="The topic on which the record lay. For a delivery by HTTP, `receive/` and the name of the source."
    )
    partition: int = Field(description="The partition of the record; -1 for a delivery by HTTP.")
    offset: int = Field(description="The offset of the record; -1 for a delivery by HTTP.")
    timestamp: AwareDatetime = Field(
        description="The record's Kafka time. For a delivery by HTTP, when it arrived at the worker."
    )
    key: str | None = Field(default=None, description="The record's key, in base64.")
    payload: str | None = Field(
        default=None, description="The beginning of the record's value, or of the delivery's body, in base64."
    )
    payload_bytes: int = Field(description="The size of the whole value or body, in bytes.")
    truncated: bool = Field(description="Whether `payload` is only a part of the value.")
