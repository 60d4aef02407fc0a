"""Expressions that only name fields are read without JMESPath, and find what it finds."""

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.responses.formats.source import _Fields, compiled

NAMES = st.sampled_from(["a", "b", "c-d", "é", ""])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES, st.lists(NAMES, min_size=1, max_size=4))
def test_fields_inside_fields_are_found_as_jmespath_finds_them(value: Any, names: list[str]) -> None:
    # A single name that needs no quotes is refused if it has them (test_expression.py).
    text = names[0] if names in (["a"], ["b"]) else ".".join(f'"{name}"' for name in names)
    expression = compiled(text)

    assert isinstance(expression, _Fields)
    assert jmespath.search(text, value) == expression.search(value)


@pytest.mark.parametrize(
    "text", ["a[0]", "@", "@.a", "a || b", "a.[b, c]", "a.*", "length(a)", "a.b[]", "'a'", "a | b"]
)
def test_all_other_expressions_are_those_of_jmespath(text: str) -> None:
    assert not isinstance(compiled(text), _Fields)
