"""How bodies of deliveries are read, and what is said about those that cannot be."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from worker.flow.responses.formats import forms, payload
from worker.flow.responses.formats.outcome import NoResponse, Refused

NO_TIME = "is no number of seconds or milliseconds from 2000 on"


def refusal(read: Any, *arguments: Any) -> Refused:
    with pytest.raises(NoResponse) as caught:
        read(*arguments)
    assert isinstance(caught.value.outcome, Refused)
    return caught.value.outcome


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"", "not_json", "byte 0: expecting value"),
        ('{"é": "a"b"}'.encode(), "not_json", "byte 10: expecting ',' delimiter"),
        (b'{"a": "\n"}', "not_json", "byte 7: invalid control character at"),
        (b"NaN", "not_json", "NaN and Infinity are no numbers of JSON"),
        (b"[" * 100_000, "too_deep", "the values are nested too deeply"),
        (b"1" * 5_000, "out_of_range", "a number has too many digits"),
        (b"\xff", "invalid_utf8", "the body is not UTF-8"),
    ],
)
def test_json_that_cannot_be_read(body: bytes, reason: str, detail: str) -> None:
    assert refusal(payload.read_json, body) == Refused(reason, detail)  # type: ignore[arg-type]


def test_an_object_is_wanted() -> None:
    assert refusal(payload.read_object, b"[1]").reason == "not_an_object"
    assert payload.read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", {}),
        (b"a=1&b=", {"a": "1", "b": ""}),
        (b"r%5Bid%5D=7&r%5Bp%5D%5Bcity%5D=Lyon", {"r": {"id": "7", "p": {"city": "Lyon"}}}),
        (b"t[]=a&t[]=b", {"t": ["a", "b"]}),
        (b"a[t][]=x", {"a": {"t": ["x"]}}),
        # Fields that contradict each other: the first one stays.
        (b"a=1&a[b]=2&a[]=3", {"a": "1"}),
        (b"a[b]=2&a=1&a[][c]=4", {"a": {"b": "2", "": {"c": "4"}}}),
        (b"a[b=1&]=2", {"a[b": "1", "]": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a" + b"[b]" * 9 + b"=1", {"a" + "[b]" * 9: "1"}),
    ],
)
def test_the_fields_of_a_form_are_nested(body: bytes, found: dict[str, Any]) -> None:
    assert payload.read_body(body, "application/x-www-form-urlencoded; charset=utf-8") == found


@pytest.mark.parametrize(
    ("body", "reason"), [(b"a=%ff", "invalid_utf8"), (b"\xff", "invalid_utf8"), (b"a=1&" * 1_001 + b"a=1", "too_large")]
)
def test_forms_that_cannot_be_read(body: bytes, reason: str) -> None:
    assert refusal(forms.read_form, body).reason == reason


def in_parts(*parts: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    return b"".join(b"--xyz\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + end


PARTS = 'Multipart/Form-Data; boundary="xyz"'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (in_parts(b'name="a"\r\n\r\n1', b'name="b"\r\n\r\n'), {"a": "1", "b": ""}),
        (in_parts('name="r[é]"\r\n\r\nè\r\n\r\nà'.encode()), {"r": {"é": "è\r\n\r\nà"}}),
        (in_parts(b'name="t[]"\r\n\r\na', b'name="t[]"\r\n\r\nb'), {"t": ["a", "b"]}),
        (in_parts(b'name="a"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n1'), {"a": "1"}),
        (in_parts(b'name="f"; filename="x.png"\r\n\r\n\x89PNG', b'name="a"\r\n\r\n1'), {"a": "1"}),
        (in_parts(b'other="f"\r\n\r\n1'), {}),
    ],
)
def test_a_form_may_be_in_parts(body: bytes, found: dict[str, Any]) -> None:
    assert payload.read_body(body, PARTS) == found


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (in_parts(b'name="a"\r\n\r\n\xff'), PARTS, "invalid_utf8"),
        (in_parts(b'name="\xff"\r\n\r\n1'), PARTS, "invalid_utf8"),
        (in_parts(*[b'name="a"\r\n\r\n1'] * 1_001), PARTS, "too_large"),
        (in_parts(b'name="a"\r\n\r\n1'), "multipart/form-data", "wrong_type"),
        (in_parts(b'name="a"\r\n\r\n1'), "multipart/form-data; boundary=other", "wrong_type"),
        (in_parts(b'name="a"\r\n\r\n1', end=b""), PARTS, "wrong_type"),
        (b"a=1", PARTS, "wrong_type"),
        (b"", PARTS, "wrong_type"),
    ],
)
def test_forms_in_parts_that_cannot_be_read(body: bytes, content_type: str, reason: str) -> None:
    assert refusal(payload.read_body, body, content_type).reason == reason


def nested_parts(depth: int) -> bytes:
    inner = (b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b" for _ in range(depth))
    return b"--xyz" + b"".join(inner) + b"\r\n--xyz--\r\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"--xyz\r\nContent-Disposition: form-data; " + b"a=1; " * 100_000 + b"\r\n\r\nx\r\n--xyz--", "wrong_type"),
        (b"--xyz\r\n" + b"A: b\r\n" * 100_000 + b"\r\nx\r\n--xyz--", "wrong_type"),
        (b"--xyz\r\n\r\n" * 50_000 + b"--xyz--", "too_large"),
        (b"--xyz\r\n\r\n\r\n" * 50_000 + b"--xyz--", "too_large"),
    ],
)
def test_a_form_that_would_be_costly_to_read_is_refused(body: bytes, reason: str) -> None:
    assert refusal(payload.read_body, body, PARTS).reason == reason


def test_parts_inside_of_parts_are_not_read() -> None:
    assert payload.read_body(nested_parts(20_000), PARTS) == {}


@given(st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=9)), max_size=6))
def test_a_damaged_form_raises_nothing_else(changes: list[tuple[int, bytes]]) -> None:
    body = in_parts(b'name="a"\r\nContent-Type: text/plain\r\n\r\n1', b'name="f"; filename="x"\r\n\r\n\x89')
    for place, text in changes:
        body = body[:place] + text + body[place + len(text) // 2 :]
    with suppress(NoResponse):
        payload.read_body(body, PARTS)


@pytest.mark.parametrize("body", [b"score=3&id=1", b"r%5Bid%5D=7", in_parts(b'name="a"\r\n\r\n1')])
def test_a_form_without_its_content_type_is_told_so(body: bytes) -> None:
    for content_type in ("", "text/plain"):
        assert (
            "it looks like a form, which needs the header Content-Type: "
            in refusal(payload.read_body, body, content_type).detail
        )
    assert "form" not in refusal(payload.read_body, b'{"a": "b"c=', "").detail


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (0, 0), (10, 10), ("7", 7), (" 7 ", 7), ("7.0", 7), (7.0, 7), ("11", 11), ("-1", -1), (True, True),
        ("very likely", "very likely"), (None, None), ([], []), ("٣", "٣"),
    ],
)  # fmt: skip
def test_a_score_may_be_a_text(given: Any, found: Any) -> None:
    assert payload.score(given) == found


@pytest.mark.parametrize("given", ["6.5", 6.5, "-0.5"])
def test_a_score_with_decimals_is_on_another_scale(given: Any) -> None:
    assert refusal(payload.score, given).reason == "not_nps_scale"


@pytest.mark.parametrize("given", [float("inf"), float("nan")])
def test_a_number_that_json_cannot_write_is_refused(given: float) -> None:
    assert refusal(payload.score, given).reason == "not_nps_scale"
    assert refusal(payload.time, given, "at") == Refused(Reason.TIME_INVALID, f"at: {NO_TIME}")
    assert payload.time_if_any(given) is None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (1_772_440_000, "2026-03-02T08:26:40Z"),
        ("1772440000", "2026-03-02T08:26:40Z"),
        (1_772_440_000_123, "2026-03-02T08:26:40.123000Z"),
        (1_772_440_000.5, "2026-03-02T08:26:40.500000Z"),
        ("2026-03-02 07:57:26 -0700", "2026-03-02T07:57:26-07:00"),
        ("2026-03-02 07:57:26.5 +01:00", "2026-03-02T07:57:26.5+01:00"),
        ("2026-03-02 07:57:26 UTC", "2026-03-02T07:57:26Z"),
        ("2026-03-02T07:57:26Z", "2026-03-02T07:57:26Z"),
        (" 2026-03-02T07:57:26+01:00", "2026-03-02T07:57:26+01:00"),
        ("2026-03-02 07:57:26", "2026-03-02 07:57:26"),
        (True, True),
        (None, None),
    ],
)
def test_a_time_may_be_a_number_or_printed_by_ruby(given: Any, found: Any) -> None:
    assert payload.time(given, "at") == found
    assert payload.time_if_any(given) == found


@pytest.mark.parametrize("given", [-1, 0, 20_261_130, 46_356.5, "2026", 10**17, "99999999999999999"])
def test_a_number_that_is_no_time_is_refused(given: Any) -> None:
    assert refusal(payload.time, given, "at") == Refused(Reason.TIME_INVALID, f"at: {NO_TIME}")
    assert payload.time_if_any(given) is None


def test_times_that_serve_as_revisions() -> None:
    assert payload.seconds("2026-03-02T10:00:00.900+00:00", "updated_at") == 1_772_445_600
    assert payload.milliseconds("2026-03-02T10:00:00.900Z", "updated_at") == 1_772_445_600_900
    assert refusal(payload.seconds, "2026-03-02T10:00:00", "updated_at").reason == "time_naive"
    assert refusal(payload.seconds, None, "updated_at") == refusal(payload.seconds, "soon", "updated_at")


def test_a_word_is_a_text_or_a_whole_number() -> None:
    values: list[Any] = ["a", 12, True, 1.5, None, [], 10**30]

    assert [payload.word(value) for value in values] == ["a", "12", "", "", "", "", ""]


@pytest.mark.parametrize("value", ["", "..", "a/b", "a?b", "a b", "é", "a" * 201, None, {}])
def test_an_id_that_would_change_a_path_is_refused(value: Any) -> None:
    assert refusal(payload.path_part, value, "objectId").reason == "not_of_this_tool"
    assert json.dumps(value) not in refusal(payload.path_part, value, "objectId").detail or value in ("", None)
