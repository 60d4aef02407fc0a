"""Deliveries that are damaged in any way: nothing is raised, and what is accepted is a response."""

import json
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receive.deliveries import AT, SOURCES, deliveries, fetched, reader

from worker.flow.responses.formats import bare
from worker.flow.responses.formats.merging import Known, merge
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcomes, Part, Refused
from worker.receive.signatures import Request, Unauthentic

#: For each tool; all tools together have thousands of them.
EXAMPLES = max(300, settings().max_examples)
#: What stands where something else was: values of other types, and texts that mislead.
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -1, 11, 0, 6.5, 1e308, "", " ", "..", "a/b", "7", "6.5", "\ud83d", "\x00", "a@b.fr"]),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.datetimes().map(str),
)
READERS = {tool: reader(tool) for tool in SOURCES}
#: A mapping with functions of JMESPath, which meet values of every type.
MAPPED = reader(
    "template",
    mapping={
        "response_id": "join('-', [to_string(id), id])",
        "survey_id": "keys(@)[0]",
        "score": "max_by(@.answers, &value).value || score",
        "responded_at": "sort(times)[0]",
        "customer_id": "contains(customer, 'a') && customer",
        "comment": "reverse(comment)",
        "revision": "sum(counts) || ceil(score) || length(comment)",
        "segment": "map(&to_number(@), segment)",
        "customer": {"email": "merge(customer, {a: 'b'}).email || to_array(customer)[0]"},
    },
)
TEMPLATE = {
    "id": "1", "score": 3, "comment": "Bof.", "times": ["2026-03-02T10:00:00Z"], "customer": "a@example.com",
    "answers": [{"value": 3}], "counts": [1], "segment": ["1"],
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """Return a value in which something stands at a place where something else was, or is missing."""
    whole = [deepcopy(value)]
    for _ in range(draw(st.integers(1, 3))):
        *outer, last = draw(st.sampled_from([(0, *place) for place in places(whole[0])]))
        inside: Any = whole
        for key in outer:
            inside = inside[key]
        if draw(st.booleans()) or not outer:
            inside[last] = draw(STRANGE)
        else:
            del inside[last]
    return whole[0]


@st.composite
def bytes_of(draw: st.DrawFn, body: bytes) -> bytes:
    """Return a body in which bytes are missing, or others are between them."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 8)))
    return body[:start] + draw(st.binary(max_size=4)) + body[end:]


@st.composite
def body_of(draw: st.DrawFn, request: Request) -> bytes:
    """Return the damaged body of a request."""
    if draw(st.booleans()):
        return draw(bytes_of(request.body))
    if "form" in request.headers["content-type"]:
        found = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if "MSG" in found:
            found["MSG"] = json.dumps(draw(damaged(json.loads(found["MSG"]))))
        name = draw(st.sampled_from([*found]))
        return urlencode({**found, name: str(draw(STRANGE))}, errors="replace").encode()
    try:
        return json.dumps(draw(damaged(json.loads(request.body)))).encode()
    except ValueError:  # one of the deliveries is no JSON
        return draw(bytes_of(request.body))


def check(found: Outcomes) -> None:
    """Check the outcomes of a damaged delivery, and what becomes of them if they come twice."""
    assert found
    for outcome in found:
        assert isinstance(outcome, Accepted | Part | Ignored | Refused | Fetch)
        if isinstance(outcome, Accepted):
            assert bare.read(outcome.value).response_id == outcome.response_id
        if isinstance(outcome, Accepted | Part):
            known, first = merge(Known(), outcome)
            again = merge(known, outcome)
            assert again.known == known
            assert isinstance(first, Refused) or isinstance(again.outcome, Ignored)
        if isinstance(outcome, Fetch):
            assert all(get.path.isascii() and ".." not in get.path for get in outcome.gets.values())


@pytest.mark.parametrize("tool", SOURCES)
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_damaged_delivery_raises_nothing(tool: str, data: st.DataObject) -> None:
    delivery = data.draw(st.sampled_from([*deliveries(tool)]))
    body = data.draw(body_of(delivery.request))
    found = READERS[tool].read_unverified("source", delivery.request._replace(body=body))

    check(found)
    for outcome in found:
        if isinstance(outcome, Fetch):
            assert READERS[tool].has_made("source", outcome)
            bodies = {name: json.loads(body) for name, body in fetched(tool).items()}
            wrong = {name: json.dumps(data.draw(damaged(body))).encode() for name, body in bodies.items()}
            check(READERS[tool].read_fetched("source", outcome, wrong))


@settings(max_examples=EXAMPLES)
@given(damaged(TEMPLATE))
def test_an_expression_meets_values_of_every_type(value: Any) -> None:
    found = MAPPED.read_unverified("source", Request(json.dumps(value).encode(), {}))

    assert all(isinstance(outcome, Accepted | Ignored | Refused) for outcome in found)


@pytest.mark.parametrize("tool", SOURCES)
@given(st.data())
def test_damaged_headers_are_not_authentic(tool: str, data: st.DataObject) -> None:
    delivery = next(deliveries(tool))
    assert not isinstance(READERS[tool].read("source", delivery.request, AT), Unauthentic)
    # Servers decode headers as Latin-1 or with surrogates, and JSON files (--delivery) may have any half of a pair.
    alphabets = (st.characters(max_codepoint=255), st.characters(), st.characters(categories=["Cs"]))
    texts = st.one_of([st.text(alphabet, max_size=20) for alphabet in alphabets])
    headers = {name: data.draw(texts) for name in delivery.request.headers}
    if data.draw(st.booleans()):
        # The time of the signature is right, so that the rest is looked at.
        headers |= {name: text for name, text in delivery.request.headers.items() if "timestamp" in name}
    # Qualtrics signs inside the body.
    body = delivery.request.body.replace(b"HMAC=", b"HMAC=0")
    given = delivery.request._replace(headers=headers, path_secret=data.draw(texts), body=body)
    given = given._replace(url=data.draw(texts))

    assert isinstance(READERS[tool].read("source", given, AT), Unauthentic)


@given(st.binary(max_size=200))
def test_noise_is_refused(body: bytes) -> None:
    for tool, one in READERS.items():
        [outcome] = one.read_unverified("source", Request(body, {}))
        assert isinstance(outcome, Refused | Ignored), tool
