"""The JSON Schema of a response and the worker say the same of any body: who checks against it gets no surprise."""

import json
import re
from typing import Any

import pytest
from flow.records import NOW, Record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.catalog import CONTRACTS
from schemas.export import json_schema
from worker.errors import Rejected
from worker.flow.policy import IntakePolicy
from worker.flow.responses.intake import validate

SCHEMA = json_schema(next(contract for contract in CONTRACTS if contract.name == "response"))
#: RFC 3339 as the schema's format demands it; jsonschema itself does not look at formats of times.
TIMES = [
    "2023-11-14T22:00:00Z",
    "2023-11-14t22:00:00.123456789z",
    "2023-11-14T22:00:00-00:00",
    "1996-12-19T16:39:57-08:00",
]
NO_TIMES = ["2023-11-14", "1700000000", "yesterday", "", "2023-11-14T22:00:00", "2023-13-14T22:00:00Z"]

_validator = Draft202012Validator(SCHEMA)

_text = st.text(max_size=12)
_number = st.one_of(
    st.integers(-3, 13),
    st.integers(-3, 13).map(float),
    st.floats(-3, 13),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31 - 1, 2**31, 2**63, 2**64 - 1, 2**64, 1e18, 1e30]),
)
_anything = st.one_of(st.none(), st.booleans(), _number, _text, st.just([]), st.just({}), st.lists(_text, max_size=2))
_id = st.one_of(st.text(min_size=1, max_size=6), _anything, st.integers(199, 201).map("x".__mul__))
_flag = st.one_of(st.booleans(), st.none(), _anything)
_bounded_text = st.one_of(_text, st.none(), _number, _anything)


def _part(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.fixed_dictionaries({}, optional=members), st.none(), _anything)


# What is ignored when it is wrong (a language, a time of contact) is made right or null here: the schema asks for it.
_body = st.fixed_dictionaries(
    {"score": st.one_of(st.integers(0, 10), _number, _anything), "responded_at": st.sampled_from(TIMES + NO_TIMES)},
    optional={
        "response_id": _id,
        "survey_id": _id,
        "customer_id": _id,
        "revision": st.one_of(_number, _anything),
        "comment": _bounded_text,
        "language": st.one_of(_text, st.none(), st.just("l" * 36)),
        "segment": st.one_of(st.lists(st.one_of(_text, st.none(), _number, _anything), max_size=10), _anything),
        "customer": _part(
            name=_bounded_text, email=_bounded_text, phone=_bounded_text, tier=_text, owner=_bounded_text
        ),
        "consent": _part(callback=_flag, public_review=_flag, marketing=_flag),
        "origin": _part(system=_bounded_text, permalink=_bounded_text),
        "solicitation": _part(asked_by=_bounded_text, contact_at=st.one_of(st.none(), st.sampled_from(TIMES))),
        "test": _flag,
        "anonymous": _flag,
        "raw": _anything,
    },
)
_usual = {"response_id": "r", "survey_id": "s", "customer_id": "c"}


def _is_accepted(body: Any) -> bool:
    try:
        validate(Record(json.dumps(body).encode(), timestamp=NOW), IntakePolicy())
    except Rejected:
        return False
    return True


def _holds(body: Any) -> bool:
    if body["responded_at"] in NO_TIMES:
        return False
    # To Python's `$` a line end before the end is the end; to JSON Schema's (ECMA-262) it is not.
    ends = any(isinstance(body.get(name), str) and re.search(r"\n\Z", body[name]) for name in _usual)
    # The schema says in words that only an anonymous answer needs no customer.
    named = body.get("customer_id") not in (None, "") or body.get("anonymous") is True
    return _validator.is_valid(body) and not ends and named


@pytest.mark.unmeasured
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_body)
def test_the_schema_and_the_worker_agree_on_any_body(body: dict[str, Any]) -> None:
    for made in (body, _usual | body):
        assert _holds(made) == _is_accepted(made)


@pytest.mark.parametrize("name", sorted(name for name in SCHEMA["properties"] if name not in SCHEMA["required"]))
def test_null_for_any_part_that_may_be_absent_is_in_the_schema(name: str) -> None:
    body = _usual | {"score": 0, "responded_at": TIMES[0], "anonymous": name == "customer_id", name: None}

    assert _validator.is_valid(body)
    assert _is_accepted(body)
