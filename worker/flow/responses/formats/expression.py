"""What is wrong with an expression of JMESPath although it can be parsed.

The library finds out only when it computes an expression that a function does not exist, or gets the wrong number of
arguments. By then a customer has answered. And who writes a text in double quotes, as in most languages, has written
the name of a field: such an expression finds nothing, and nobody learns why.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jmespath.functions import Functions
from jmespath.lexer import Lexer

#: What is known of each function: its arguments, each with its types. If the last one is variadic, more may follow.
_FUNCTIONS: Mapping[str, Mapping[str, Any]] = Functions.FUNCTION_TABLE
#: A field whose name needs no quotes.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARING = frozenset({"eq", "ne"})
_QUOTED = "quoted_identifier"
_TEXT_HINT = "names a field, since it is in double quotes; a text is in single quotes"


def problem_of(expression: str, parsed: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an expression that can be parsed; None if nothing is. It repeats no text of a user.

    `parsed`: its tree, as the library makes it.
    """
    for node in _nodes(parsed):
        if node["type"] == "function_expression" and (problem := _function_problem(node)):
            return problem
    return _quotes_problem([token for token in Lexer().tokenize(expression) if token["type"] != "eof"])


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a node of the tree and all nodes below it."""
    yield node
    for child in node.get("children", ()):
        if isinstance(child, dict):  # a slice has numbers
            yield from _nodes(child)


def _function_problem(node: Mapping[str, Any]) -> str | None:
    name, arguments = node["value"], node["children"]
    if name not in _FUNCTIONS:
        return "has a function that JMESPath does not know; see https://jmespath.org/specification.html"
    signature = _FUNCTIONS[name]["signature"]
    is_variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if len(arguments) < len(signature) or (len(arguments) > len(signature) and not is_variadic):
        return f"gives the function {name} {len(arguments)} arguments; it needs {_wanted(signature, is_variadic)}"
    for argument, wanted in zip(arguments, signature, strict=False):
        is_reference = argument["type"] == "expref"
        if is_reference != ("expref" in wanted["types"]):
            place = "without &" if is_reference else "an expression after &, such as &name"
            return f"gives the function {name} an argument of a wrong kind; it needs one {place}"
    return None


def _wanted(signature: Any, is_variadic: bool) -> str:
    return f"at least {len(signature)}" if is_variadic else f"{len(signature)}"


def _quotes_problem(tokens: list[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with the quotes: they are around the whole expression, or around what is compared."""
    if len(tokens) == 1 and tokens[0]["type"] == _QUOTED and _PLAIN_NAME.fullmatch(tokens[0]["value"]):
        return _TEXT_HINT
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        is_side = {one["type"] for one in (before, after) if one is not None}
        if token["type"] == _QUOTED and is_side & _COMPARING and not is_side & {"dot"}:
            return f'compares with something that {_TEXT_HINT}, and a field as @."a name"'
    return None
