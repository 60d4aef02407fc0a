"""The decision: what was decided for a response, and why. Every 'no' is here with its reason."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score


class Outcome(StrEnum):
    """What became of the record."""

    ACCEPTED = "accepted"
    REVISED = "revised"
    DUPLICATE = "duplicate"
    DIFFERS = "differs"
    SUPERSEDED = "superseded"
    TEST = "test"
    DOUBLE_CLICK = "double_click"
    SUSPECT_SCANNER = "suspect_scanner"
    FORGOTTEN = "forgotten"
    MOVED = "moved"
    ERASED = "erased"


class Category(StrEnum):
    """The class of a score: promoter (9, 10), passive (7, 8) or detractor (0 to 6)."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"


class RuleDecision(Event):
    """What one rule decided, and why."""

    rule: str
    verdict: str = Field(description="What the rule did, such as 'alert_opened', or 'none'.")
    reason: str = Field(description="Why, as a stable word, such as 'quarantine' or 'no_consent'.")
    figures: dict[str, float] | None = Field(
        default=None, description="The figures that it rests on, if there are any."
    )


class Decision(Event):
    """What was decided for one record."""

    decision_id: Identifier
    outcome: str = Field(description="What became of the response, such as 'accepted'; words may be added.")
    customer_id: Identifier
    response_id: Identifier | None = None
    revision: int | None = None
    score: Score | None = None
    category: Category | None = None
    segment: str | None = None
    decided_at: AwareDatetime = Field(description="The record's Kafka time.")
    source_partition: int
    source_offset: int
    rules: list[RuleDecision] = Field(default=[], description="What each rule decided; empty if no rule was asked.")
