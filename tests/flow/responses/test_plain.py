"""What msgspec reads is what pydantic would have read, and it reads what nearly all publishers write."""

import json
from typing import Any

import msgspec
import pytest
from flow.records import value
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas import response as schema
from worker.errors import Rejected
from worker.flow.responses.formats import bare
from worker.flow.responses.plain import (
    PlainConsent,
    PlainCustomer,
    PlainOrigin,
    PlainResponse,
    PlainSolicitation,
    plain,
    read,
)

MODELS: list[tuple[type[msgspec.Struct], type[BaseModel]]] = [
    (PlainResponse, schema.Response),
    (PlainCustomer, schema.Customer),
    (PlainConsent, schema.Consent),
    (PlainOrigin, schema.Origin),
    (PlainSolicitation, schema.Solicitation),
]
TIMES = (
    "2023-11-14T22:00:00Z",
    "2023-11-14t22:00:00.123z",
    "2023-11-14 22:00:00.123456-00:00",
    "2023-11-14T22:00:00.1234567+01:00",
    "2023-11-14T22:00:00.99999999999Z",
    "2023-11-14T22:00:00,9999995Z",
    "2023-11-14T22:00:00+0100",
    "2023-11-14T23:59:60Z",
    "2023-11-14T24:00:00Z",
    "2023-11-14T22:00Z",
    "2023-11-14_22:00:00Z",
    "20231114T220000Z",
    "2023-W46-2T22:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2023-11-14T22:00:00+24:00",
    "2023-11-14T22:00:00+01:60",
    "2023-11-14T22:00:00",
    "1700000000",
    "",
)
_time = st.one_of(
    st.sampled_from(TIMES),
    st.from_regex(r"2023-1[0-2]-[0-3][0-9][Tt ]2[0-4]:00:[0-6]0([.,][0-9]{1,8})?(Z|[+-]0[01]:?00)"),
)
_text = st.one_of(
    st.text(max_size=4),
    st.sampled_from(["a\x00b", "a\x7f", "a\x85", "a\n", "é", "\u200b", "😡", "x" * 35, "x" * 36, "x" * 200, "x" * 201]),
)
_odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.sampled_from([1.0, 1.5, -0.0, 2**53 - 1, 2**53, 2**64, 1e300]),
    st.just([]),
    st.just({}),
)
_flag = st.one_of(st.booleans(), _odd)
_any_text = st.one_of(_text, _odd)


def _part(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.fixed_dictionaries({}, optional=members), _odd)


_fields: dict[str, st.SearchStrategy[Any]] = {
    "response_id": _any_text,
    "revision": st.one_of(st.integers(0, 3), _odd),
    "survey_id": _any_text,
    "customer_id": _any_text,
    "score": st.one_of(st.integers(-1, 11), _odd),
    "comment": _any_text,
    "language": _any_text,
    "responded_at": st.one_of(_time, _odd),
    "segment": st.one_of(st.lists(st.one_of(_text, _odd), max_size=3), _odd),
    "customer": _part(name=_any_text, email=_any_text, phone=_any_text, tier=_any_text, owner=_any_text),
    "consent": _part(callback=_flag, public_review=_flag, marketing=_flag),
    "origin": _part(system=_any_text, permalink=_any_text),
    "solicitation": _part(asked_by=_any_text, contact_at=st.one_of(_time, _odd)),
    "follow_up_requested": _flag,
    "test": _flag,
    "history": _flag,
    "anonymous": _flag,
    "unknown": _any_text,
}
#: One field at a time, so that most bodies have but a few that are odd. A name may come twice.
_members = st.lists(
    st.sampled_from(sorted(_fields)).flatmap(lambda name: st.tuples(st.just(name), _fields[name])), max_size=4
)
_USUAL = {"response_id": "r", "survey_id": "s", "customer_id": "c", "score": 3, "responded_at": TIMES[0]}


def text_of(members: list[tuple[str, Any]]) -> bytes:
    """Return a JSON object of members, whose names may be equal."""
    return ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(member)}" for name, member in members) + "}").encode()


def of_pydantic(given: bytes) -> PlainResponse | None:
    try:
        return plain(bare.read(given))
    except Rejected:
        return None


@pytest.mark.unmeasured
@given(_members, st.booleans(), st.booleans())
def test_what_msgspec_reads_is_what_pydantic_reads(
    members: list[tuple[str, Any]], are_first: bool, has_all: bool
) -> None:
    usual = list(_USUAL.items()) if has_all else []
    text = text_of([*members, *usual] if are_first else [*usual, *members])

    found = read(text)

    if found is not None:
        assert of_pydantic(text) == found
        # Two times are equal if they are the same moment, and events must have the same offset as well.
        assert msgspec.json.encode(of_pydantic(text)) == msgspec.json.encode(found)


@pytest.mark.unmeasured
@given(st.binary(max_size=4), st.integers(0, 200))
def test_bytes_that_are_changed_are_read_as_pydantic_reads_them(put: bytes, place: int) -> None:
    whole = value(comment="Très déçu 😡", customer={"name": "Å"})
    text = whole[:place] + put + whole[place + len(put) :]

    found = read(text)

    assert found is None or of_pydantic(text) == found


@pytest.mark.parametrize(("struct", "model"), MODELS)
def test_the_fields_are_those_of_the_schema(struct: type[msgspec.Struct], model: type[BaseModel]) -> None:
    assert tuple(model.model_fields) == struct.__struct_fields__


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(value(), id="only what is required, and what an example has"),
        pytest.param(value(responded_at="2023-11-14T22:00:00.123Z"), id="milliseconds"),
        pytest.param(value(responded_at="2023-11-14T22:00:00.123456+01:00"), id="microseconds and an offset"),
        pytest.param(
            value(comment="Très déçu 😡", segment=["fr", None]), id="other letters, and a level that is empty"
        ),
        pytest.param(
            value(
                customer={"name": "Å", "email": None, "owner": "o"},
                consent={"public_review": True},
                solicitation={"asked_by": "o", "contact_at": "2023-11-14T22:00:00Z"},
            ),
            id="objects inside",
        ),
    ],
)
def test_the_plain_form_is_read_by_msgspec(given: bytes) -> None:
    assert read(given) is not None
    assert of_pydantic(given) == read(given)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"responded_at": "2023-11-14T22:00:00.1234567Z"}, id="a time finer than microseconds"),
        pytest.param({"customer_id": ""}, id="no customer"),
        pytest.param({"customer_id": "a\x00b"}, id="a control character in an id"),
        pytest.param({"response_id": 7}, id="a number for an id"),
        pytest.param({"consent": None}, id="null for an object"),
        pytest.param({"unknown": 1}, id="a field that the response does not have"),
        pytest.param({"language": "x" * 36}, id="a text that is too long to be a language"),
    ],
)
def test_other_forms_are_left_to_pydantic(changes: dict[str, Any]) -> None:
    assert read(value(**changes)) is None


def test_bytes_that_are_not_utf_8_are_left_to_pydantic() -> None:
    assert read(value(comment="@@").replace(b"@@", b"\xff")) is None
