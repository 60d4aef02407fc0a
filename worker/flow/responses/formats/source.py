"""A source: one survey tool that delivers to one path, and how its deliveries are read.

The settings of a source (worker/receive/settings.py) become a `Source`. Its mapping has expressions of JMESPath
(https://jmespath.org), which are compiled once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jmespath
from jmespath.exceptions import JMESPathError

from schemas.dead_letter import Reason
from worker.flow.responses.formats.expression import problem_of
from worker.flow.responses.formats.outcome import refused
from worker.flow.responses.formats.times import ANYHOW, Times

#: The fields of a response that a mapping can fill, as paths in its JSON.
FIELDS = (
    "response_id", "revision", "survey_id", "customer_id", "score", "comment", "language", "responded_at", "segment",
    "customer.name", "customer.email", "customer.phone", "customer.tier", "customer.owner", "consent.callback",
    "consent.public_review", "consent.marketing", "origin.permalink", "solicitation.asked_by",
    "solicitation.contact_at", "follow_up_requested", "test", "anonymous",
)  # fmt: skip


class Expression(Protocol):
    """A compiled expression."""

    def search(self, value: Any) -> Any:
        """Return what the expression finds in a value; None if it finds nothing. Raise JMESPathError."""


class _Fields:
    """An expression that only names a field, or fields inside fields, such as `response.id`.

    Most expressions are of this kind. JMESPath takes ten times as long for them, and a delivery has two dozen.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    @property
    def names(self) -> frozenset[str]:
        """The names of these fields."""
        return frozenset(self._names)

    def search(self, value: Any) -> Any:
        """Return what stands there; None if there is no such field."""
        for name in self._names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value


def _names(parsed: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of the fields that an expression names; None if it is of another kind."""
    nodes = parsed["children"] if parsed["type"] == "subexpression" else [parsed]
    return tuple(node["value"] for node in nodes) if all(node["type"] == "field" for node in nodes) else None


def names_in(expression: Expression) -> frozenset[str]:
    """Return the names of all fields that a compiled expression names."""
    if isinstance(expression, _Fields):
        return expression.names
    return frozenset(_names_below(getattr(expression, "parsed", {})))


def _names_below(node: Mapping[str, Any]) -> Iterator[str]:
    if node.get("type") == "field":
        yield node["value"]
    for child in node.get("children", ()):
        yield from _names_below(child)


def compiled(expression: str) -> Expression:
    """Return a compiled expression; raise ValueError with the reason, without the expression, if it is none."""
    try:
        found = jmespath.compile(expression)
    except JMESPathError as error:
        place = getattr(error, "lex_position", None)
        where = "" if place is None else f" (see character {place + 1})"
        raise ValueError(f"is not an expression of JMESPath{where}") from None
    if problem := problem_of(expression, found.parsed):
        raise ValueError(problem)
    names = _names(found.parsed)
    usual: Expression = found if names is None else _Fields(names)
    return usual


def compiled_all(expressions: Mapping[str, str]) -> dict[str, Expression]:
    """Return compiled expressions by the same names."""
    return {name: compiled(expression) for name, expression in expressions.items()}


@dataclass(frozen=True)
class Source:
    """How the deliveries of one source are read."""

    name: str
    #: Expressions by the fields that they fill; what is not mapped is where the tool is known to have it.
    mapping: Mapping[str, Expression] = field(default_factory=dict)
    #: The id of every response's survey; empty: the tool's own, after the tool's name.
    survey_id: str = ""
    #: The ids of the questions that ask for the score and for the comment; empty if there are none.
    score_question: str = ""
    comment_question: str = ""
    #: Only deliveries for which this expression is true are answers.
    only_if: Expression | None = None
    #: Finds the list of answers in a delivery that has several.
    each: Expression | None = None
    #: The field of a form that has the delivery as a text in JSON; empty if the body is the delivery.
    delivery_in: str = ""
    #: Makes pseudonyms of e-mail addresses; None if there is no key.
    pseudonym_key: bytes | None = None
    #: Whether an answer is anonymous if nothing says who has given it; otherwise it is refused.
    unknown_is_anonymous: bool = False
    #: What can be done if nothing says who has given an answer: a part of the reason why it is refused.
    help_with_customers: str = "set mapping.customer_id, or let unknown_customers be anonymous"
    #: How the times are written that the mapping finds.
    times: Times = ANYHOW
    #: Whether the time at which a delivery arrives is when the customer answered, as the tool sends no time.
    answers_on_arrival: bool = False
    #: When the delivery arrived that is read, in ms; None if that is not known.
    arrived_at: int | None = None

    def arriving(self, at: int | None) -> "Source":
        """Return the source for a delivery that arrives at a time, in ms. It matters only if no answer has a time."""
        return replace(self, arrived_at=at) if self.answers_on_arrival else self


def search(expression: Expression, body: Any, name: str) -> Any:
    """Return what an expression of the mapping finds. Raise NoResponse if it cannot be computed.

    `name`: the key of the mapping, for the reason.
    """
    try:
        return expression.search(body)
    # Functions of JMESPath are implemented in Python, and some let its errors through for values of unusual types.
    except (JMESPathError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError):
        raise refused(
            Reason.MAPPING_FAILED, f"mapping.{name}: cannot be computed, since a value has another type"
        ) from None
