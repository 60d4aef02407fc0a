"""Records that must be refused, each with its reason: a corpus, and as many more as Hypothesis can think of."""

import json
import warnings
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning

GOOD: dict[str, Any] = {
    "response_id": "r",
    "survey_id": "s",
    "customer_id": "c-1",
    "score": 3,
    "responded_at": "2025-06-01T10:00:00+02:00",
    "segment": ["fr", "lyon"],
}


def but(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(field: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != field}).encode()


def raw_score(text: bytes) -> bytes:
    return but(score=99).replace(b"99", text)


DEEP = b"[" * 100_000 + b"]" * 100_000

REFUSED: list[tuple[str, bytes, str]] = [
    ("words instead of JSON", b"score: 3", "not_json"),
    ("JSON that stops in the middle", but()[:40], "not_json"),
    ("an empty value", b"", "not_json"),
    ("a JSON null, which is no Kafka null", b"null", "not_an_object"),
    ("a list", b"[]", "not_an_object"),
    ("a score as a word", but(score="nine"), "score_not_integer"),
    ("a score in quotes", but(score="9"), "score_not_integer"),
    ("a score with a fraction", but(score=7.5), "score_not_integer"),
    ("NaN for a score", raw_score(b"NaN"), "score_not_integer"),
    ("true for a score", but(score=True), "score_not_integer"),
    ("a score of 11", but(score=11), "score_out_of_range"),
    ("a score of -1", but(score=-1), "score_out_of_range"),
    ("no score", without("score"), "missing_field"),
    ("no response id", without("response_id"), "missing_field"),
    ("no customer id", without("customer_id"), "missing_field"),
    ("an empty response id", but(response_id=""), "id_empty"),
    ("an empty customer id", but(customer_id=""), "id_empty"),
    ("a number with a fraction as an id", but(response_id=7.5), "wrong_type"),
    ("NUL in an id", but(response_id="a\x00b"), "id_control_character"),
    ("an escape sequence in an id", but(customer_id="\x1b[2J"), "id_control_character"),
    ("an id of 201 characters", but(response_id="x" * 201), "id_too_long"),
    ("a comment that is a list", but(comment=["a"]), "wrong_type"),
    ("a customer that is a word", but(customer="me"), "wrong_type"),
    ("a segment that is no list", but(segment="fr/lyon"), "segment_invalid"),
    ("a list in a segment", but(segment=["fr", ["lyon"]]), "segment_invalid"),
    ("a time in quotes as a number", but(responded_at="1748764800"), "time_invalid"),
    ("a time without an offset", but(responded_at="2025-06-01T10:00:00"), "time_naive"),
    ("a time in the year 2925", but(responded_at="2925-06-01T10:00:00Z"), "time_future"),
    ("a day instead of a time", but(responded_at="yesterday"), "time_invalid"),
    ("bytes that are not UTF-8", but(comment="é").replace(b"\\u00e9", b"\xe9"), "invalid_utf8"),
    ("ten megabytes", but(comment="x" * 10_000_000), "too_large"),
    ("100,000 levels of nesting", DEEP, "too_deep"),
    ("100,000 levels in a field nobody reads", but()[:-1] + b', "x": ' + DEEP + b"}", "too_deep"),
]

#: What nobody should have written among the worker's own messages; None is a null value.
STRAYS: list[bytes | None] = [None, b"", b"hello", but(), b"\x92\x00\xa5hello", b"\x92\x00\x81\xa2fr\x92\xc4\x01x\x90"]

#: Times of well-formed alerts that no mail can say.
UNTELLABLE = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _with(field: str, reason: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[bytes, str]]:
    return values.map(lambda value: (but(**{field: value}), reason))


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=40)
_FRACTION = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
_NO_TEXT = st.one_of(st.none(), st.booleans(), _FRACTION, st.lists(st.integers(), max_size=3))
_NO_INTEGER = st.one_of(
    st.none(),
    st.booleans(),
    _TEXT,
    _FRACTION,
    st.lists(st.integers(), max_size=3),
)
_IDS = st.sampled_from(["response_id", "customer_id", "survey_id"])
_CONTROL = st.characters(categories=["Cc"])
_YEARS = st.integers(2_100, 9_999)
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), _TEXT, st.lists(st.integers(), max_size=5))

#: A value that must be refused, and why; by construction, without asking the worker's code.
GENERATED: st.SearchStrategy[tuple[bytes, str]] = st.one_of(
    _with("score", "score_not_integer", _NO_INTEGER),
    _with("score", "score_out_of_range", st.one_of(st.integers(11, 10**18), st.integers(-(10**18), -1))),
    st.tuples(_IDS, _NO_TEXT)
    .filter(lambda pair: pair != ("customer_id", None))
    .map(lambda pair: (but(**{pair[0]: pair[1]}), "wrong_type")),
    st.tuples(_IDS, _TEXT, _CONTROL, _TEXT).map(
        lambda parts: (but(**{parts[0]: parts[1] + parts[2] + parts[3]}), "id_control_character")
    ),
    st.tuples(_IDS, st.integers(201, 900)).map(lambda pair: (but(**{pair[0]: "x" * pair[1]}), "id_too_long")),
    st.sampled_from(sorted(GOOD.keys() - {"segment"})).map(lambda field: (without(field), "missing_field")),
    _with("comment", "wrong_type", st.one_of(st.booleans(), st.lists(_TEXT, max_size=3))),
    _with("customer", "wrong_type", st.one_of(_TEXT, st.integers(), st.lists(_TEXT, min_size=1, max_size=3))),
    _with("segment", "segment_invalid", st.one_of(_TEXT, st.integers(), st.booleans())),
    _with("segment", "segment_invalid", st.lists(st.one_of(st.booleans(), _FRACTION), min_size=1, max_size=8)),
    _with("responded_at", "time_naive", st.datetimes().map(lambda when: when.replace(year=2020).isoformat())),
    _with("responded_at", "time_future", _YEARS.map(lambda year: f"{year}-01-01T00:00:00Z")),
    _with("responded_at", "time_invalid", st.sampled_from(["", "now", "2025-13-01T00:00:00Z", "1969-12-31T23:59:59Z"])),
    _SCALARS.map(lambda value: (json.dumps(value).encode(), "not_an_object")),
    st.integers(1, len(but()) - 1).map(lambda length: (but()[:length], "not_json")),
    st.binary(max_size=300)
    .filter(lambda text: _is_utf8(text) and not _is_json(text))
    .map(lambda text: (text, "not_json")),
    st.binary(min_size=1, max_size=300)
    .filter(lambda text: not _is_utf8(text))
    .map(lambda text: (text, "invalid_utf8")),
    st.integers(1_000, 20_000).map(lambda depth: (b"[" * depth + b"]" * depth, "too_deep")),
)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def generated(count: int, number: int) -> list[tuple[bytes, str]]:
    """Return so many of them, the same for the same number."""
    found: list[tuple[bytes, str]] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(st.lists(GENERATED, min_size=_AT_ONCE, max_size=_AT_ONCE))
    def collect(some: list[tuple[bytes, str]]) -> None:
        found.extend(some)

    with warnings.catch_warnings():
        # Hypothesis takes it for the strategies' doing if another thread draws a random number meanwhile. A worker of
        # the harness may: the values stay the same.
        warnings.simplefilter("ignore", HypothesisDeprecationWarning)
        collect()
    return found[:count]


_AT_ONCE = 5
