"""What is accepted, and for what reason the rest is not."""

import json
import traceback
import tracemalloc
from typing import Any

import pytest
from flow.records import NOW, Record, answer, value

from schemas import examples
from schemas.dead_letter import Reason
from schemas.response import Consent, Customer, Origin, Response, Solicitation
from worker.errors import Rejected
from worker.flow.policy import IntakePolicy
from worker.flow.responses.intake import erased_key, validate
from worker.flow.responses.plain import PlainConsent, PlainResponse
from worker.flow.timestamps import LATEST
from worker.lineage import segment_path

CANARY = "kanarienvogel"
DEEP = 100_000
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=utf-8")


def with_raw(field: str, text: str) -> bytes:
    """Return a response of which one field is this piece of JSON, which json.dumps might not write."""
    return value(**{field: "@@"}).replace(b'"@@"', text.encode(errors="surrogatepass"))


def refused(record: Record) -> Rejected:
    with pytest.raises(Rejected) as caught:
        validate(record, IntakePolicy())
    return caught.value


def why_not(record: Record) -> str:
    """Return all that is said about a refusal; nothing for what is accepted."""
    try:
        validate(record, IntakePolicy())
    except Rejected as rejected:
        return "".join(traceback.format_exception_only(rejected.__cause__ or rejected))
    return ""


def accepted(given: bytes, *headers: tuple[str, bytes]) -> PlainResponse:
    return validate(Record(given, headers=headers), IntakePolicy())[0]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(b"", Reason.NOT_JSON, id="an empty value"),
        pytest.param(b"hello", Reason.NOT_JSON, id="a word"),
        pytest.param(value()[:-1], Reason.NOT_JSON, id="a truncated object"),
        pytest.param(value() + b"}", Reason.NOT_JSON, id="something behind the object"),
        pytest.param(value() + b"\n" + value(), Reason.NOT_JSON, id="two responses in one record"),
        pytest.param(b"\x00", Reason.NOT_JSON, id="a NUL byte"),
        pytest.param(with_raw("comment", '"a\x01b"'), Reason.NOT_JSON, id="a raw control character in a text"),
        pytest.param(value().replace(b"autumn", b"\xff"), Reason.INVALID_UTF8, id="invalid UTF-8 in a text"),
        pytest.param(value().replace(b"autumn", b"\xed\xa0\x80"), Reason.INVALID_UTF8, id="a surrogate in bytes"),
        pytest.param(b"\xff\xfe" + value(), Reason.INVALID_UTF8, id="invalid UTF-8 before the object"),
        pytest.param(json.dumps(answer()).encode("utf-16"), Reason.INVALID_UTF8, id="UTF-16"),
        pytest.param(b"null", Reason.NOT_AN_OBJECT, id="null"),
        pytest.param(b"[]", Reason.NOT_AN_OBJECT, id="an array"),
        pytest.param(b"[" + value() + b"]", Reason.NOT_AN_OBJECT, id="an array of one response"),
        pytest.param(b'"text"', Reason.NOT_AN_OBJECT, id="a text"),
        pytest.param(b"9", Reason.NOT_AN_OBJECT, id="a number"),
        pytest.param(b"true", Reason.NOT_AN_OBJECT, id="a boolean"),
        pytest.param(b"{}", Reason.MISSING_FIELD, id="an empty object"),
        pytest.param(b"[" * DEEP + b"]" * DEEP, Reason.TOO_DEEP, id="a hundred thousand arrays"),
        pytest.param(b'{"a":' * DEEP + b"1" + b"}" * DEEP, Reason.TOO_DEEP, id="a hundred thousand objects"),
        pytest.param(b"[" * DEEP, Reason.TOO_DEEP, id="a hundred thousand open arrays"),
        pytest.param(with_raw("x", "[" * DEEP + "]" * DEEP), Reason.TOO_DEEP, id="the same in an unknown field"),
        pytest.param(b"x" * 10_000_000, Reason.TOO_LARGE, id="ten megabytes"),
        pytest.param(value(comment="x" * 1_000_000), Reason.TOO_LARGE, id="a comment of a megabyte"),
    ],
)
def test_a_value_that_is_no_response_is_refused_with_its_reason(given: bytes, reason: Reason) -> None:
    assert reason == refused(Record(given)).reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("11", Reason.SCORE_OUT_OF_RANGE),
        ("-1", Reason.SCORE_OUT_OF_RANGE),
        ("99999999999999999999", Reason.SCORE_OUT_OF_RANGE),
        ("1e300", Reason.SCORE_OUT_OF_RANGE),
        ("1" * 4_000, Reason.SCORE_NOT_INTEGER),
        ("1" * 5_000, Reason.OUT_OF_RANGE),
        ("7.5", Reason.SCORE_NOT_INTEGER),
        ("1e400", Reason.SCORE_NOT_INTEGER),
        ('"9"', Reason.SCORE_NOT_INTEGER),
        ("NaN", Reason.SCORE_NOT_INTEGER),
        ("Infinity", Reason.SCORE_NOT_INTEGER),
        ("true", Reason.SCORE_NOT_INTEGER),
        ("null", Reason.SCORE_NOT_INTEGER),
        ("[9]", Reason.SCORE_NOT_INTEGER),
        ("{}", Reason.SCORE_NOT_INTEGER),
        ("09", Reason.NOT_JSON),
        ("+9", Reason.NOT_JSON),
    ],
    ids=lambda given: str(given)[:20],
)
def test_a_score_is_a_whole_number_from_0_to_10_and_nothing_else(text: str, reason: Reason) -> None:
    assert reason == refused(Record(with_raw("score", text))).reason


@pytest.mark.parametrize("score", range(11))
def test_every_score_from_0_to_10_is_accepted(score: int) -> None:
    assert score == accepted(value(score=score)).score


@pytest.mark.parametrize("field", ["response_id", "survey_id", "customer_id"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('""', Reason.ID_EMPTY),
        (json.dumps("i" * 201), Reason.ID_TOO_LONG),
        (r'"a\u0000"', Reason.ID_CONTROL_CHARACTER),
        (r'"a\nb"', Reason.ID_CONTROL_CHARACTER),
        (r'"a\n"', Reason.ID_CONTROL_CHARACTER),
        (r'"\u001b[31m"', Reason.ID_CONTROL_CHARACTER),
        (r'"a\u007f"', Reason.ID_CONTROL_CHARACTER),
        (r'"a\u0085"', Reason.ID_CONTROL_CHARACTER),
        ("12.5", Reason.WRONG_TYPE),
        (str(2**64), Reason.WRONG_TYPE),
        ("1e400", Reason.WRONG_TYPE),
        ('["r"]', Reason.WRONG_TYPE),
        ("true", Reason.WRONG_TYPE),
    ],
    ids=lambda given: str(given)[:20],
)
def test_an_id_is_a_short_text_without_control_characters(field: str, text: str, reason: Reason) -> None:
    rejected = refused(Record(with_raw(field, text)))

    assert reason == rejected.reason
    assert rejected.detail.startswith(f"{field}: ")


@pytest.mark.parametrize("given", ["i" * 200, "é", "😀", "a b", "a/b", "c|1"])
def test_an_id_may_hold_any_other_character(given: str) -> None:
    assert given == accepted(value(response_id=given)).response_id


@pytest.mark.parametrize("field", ["response_id", "survey_id", "customer_id", "score", "responded_at"])
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    given = answer()
    del given[field]
    rejected = refused(Record(json.dumps(given).encode()))

    assert rejected.reason == Reason.MISSING_FIELD
    assert rejected.detail.startswith(f"{field}: is missing")


def test_all_fields_that_are_missing_or_wrong_are_named_at_once() -> None:
    rejected = refused(
        Record(json.dumps({"score": 11, "customer": {"email": []}, "consent": {"callback": "yes"}}).encode())
    )

    assert rejected.reason == Reason.MISSING_FIELD
    assert [part.partition(": ")[0] for part in rejected.detail.split("; ")] == [
        "response_id",
        "survey_id",
        "score",
        "responded_at",
        "customer.email",
        "consent.callback",
        "customer_id",
    ]
    assert "customer_id: is missing, and anonymous is not true" in rejected.detail


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"anonymous": True}, False),
        ({"anonymous": False}, True),
        ({"customer_id": None}, True),
        ({"customer_id": "c-1"}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("structured", [False, True])
def test_the_customer_is_missing_too_unless_the_answer_is_anonymous(
    changes: dict[str, Any], *, named: bool, structured: bool
) -> None:
    given = {key: value for key, value in answer().items() if key != "customer_id"} | {"score": None} | changes
    record = Record(envelope(data=given), headers=[STRUCTURED]) if structured else Record(json.dumps(given).encode())
    named_fields = [part.partition(": ")[0] for part in refused(record).detail.split("; ")]

    prefix = "data." if structured else ""
    assert named_fields == [f"{prefix}score", *([f"{prefix}customer_id"] if named else [])]


def test_of_more_than_ten_fields_ten_are_named_and_the_rest_counted() -> None:
    wrong: dict[str, Any] = {
        "customer": {name: [] for name in Customer.model_fields},
        "consent": {"callback": 1, "marketing": 1},
    }
    detail = refused(Record(json.dumps(wrong | {"origin": {"system": [], "permalink": []}}).encode())).detail

    assert len(detail.split("; ")) == 11
    assert detail.endswith("; and 4 more")


def test_a_megabyte_of_wrong_names_is_refused_in_little_time_and_memory() -> None:
    """Each of them would be an error of its own: a gigabyte, and seconds in which nothing else is decided."""
    given = json.dumps(answer(segment=[[]] * 240_000)).encode()
    tracemalloc.start()
    rejected = refused(Record(given))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rejected.reason == Reason.SEGMENT_INVALID
    assert most < 50_000_000


@pytest.mark.parametrize("field", ["response_id", "survey_id"])
def test_null_is_no_id(field: str) -> None:
    assert refused(Record(with_raw(field, "null"))).reason == Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"2023-11-14T22:00:00"', Reason.TIME_NAIVE),
        ('"2023-11-14 22:00"', Reason.TIME_NAIVE),
        ('"2023-11-14"', Reason.TIME_INVALID),
        ("1700000000", Reason.TIME_INVALID),
        ("1700000000.5", Reason.TIME_INVALID),
        ("null", Reason.TIME_INVALID),
        ("true", Reason.TIME_INVALID),
        ('""', Reason.TIME_INVALID),
        ('"yesterday"', Reason.TIME_INVALID),
        ('"14.11.2023 22:00"', Reason.TIME_INVALID),
        ('"2023-02-30T00:00:00Z"', Reason.TIME_INVALID),
        ('"2023-11-14T24:00:00Z"', Reason.TIME_INVALID),
        ('"2023-11-14T22:00:00+25:00"', Reason.TIME_INVALID),
        ('"1969-12-31T23:59:59.999Z"', Reason.TIME_INVALID),
        ('"1970-01-01T00:30:00+01:00"', Reason.TIME_INVALID),
        ('"0001-01-01T00:00:00+14:00"', Reason.TIME_INVALID),
        ('"9999-12-31T23:59:59Z"', Reason.TIME_FUTURE),
        ('"9999-12-31T23:59:59-14:00"', Reason.TIME_FUTURE),
        ('"2023-11-15T22:13:20.001Z"', Reason.TIME_FUTURE),
        ('"2023-11-16T00:13:20.001+02:00"', Reason.TIME_FUTURE),
    ],
)
def test_a_time_has_an_offset_and_lies_between_1970_and_tomorrow(text: str, reason: Reason) -> None:
    assert reason == refused(Record(with_raw("responded_at", text))).reason


@pytest.mark.parametrize("text", ["1700000000", "1700000000000", "0"])
def test_a_unix_time_is_refused_as_a_text_too(text: str) -> None:
    assert refused(Record(value(responded_at=text))).reason == Reason.TIME_INVALID


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00Z",
        "2023-11-15T22:13:20Z",
        "2023-11-14T23:00:00.123456+01:00",
        "2023-11-14T22:00:00-00:00",
    ],
)
def test_times_up_to_the_edges_are_accepted_with_their_offset(text: str) -> None:
    assert text.replace("-00:00", "+00:00").replace("Z", "+00:00") == accepted(
        value(responded_at=text)
    ).responded_at.isoformat(timespec="auto")


def test_how_far_ahead_a_time_may_lie_is_measured_from_the_records_own_time() -> None:
    policy = IntakePolicy(max_ahead_hours=1)
    given = value(responded_at="2023-11-14T23:13:20Z")

    validate(Record(given, timestamp=NOW), policy)
    with pytest.raises(Rejected):
        validate(Record(given, timestamp=NOW - 1), policy)


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("revision", "-1", Reason.OUT_OF_RANGE),
        ("revision", str(2**53), Reason.OUT_OF_RANGE),
        ("revision", '"1"', Reason.WRONG_TYPE),
        ("revision", "true", Reason.WRONG_TYPE),
        ("revision", "1.5", Reason.WRONG_TYPE),
        ("revision", "1e400", Reason.OUT_OF_RANGE),
        ("comment", '["a"]', Reason.WRONG_TYPE),
        ("comment", "true", Reason.WRONG_TYPE),
        ("customer", "[1]", Reason.WRONG_TYPE),
        ("customer", '{"email": ["a@example.org"]}', Reason.WRONG_TYPE),
        ("consent", '"yes"', Reason.WRONG_TYPE),
        ("consent", '{"public_review": 1}', Reason.WRONG_TYPE),
        ("consent", '{"public_review": "true"}', Reason.WRONG_TYPE),
        ("origin", '"tool"', Reason.WRONG_TYPE),
        ("origin", '{"permalink": true}', Reason.WRONG_TYPE),
        ("test", "1", Reason.WRONG_TYPE),
        ("test", '"false"', Reason.WRONG_TYPE),
        ("segment", '"fr"', Reason.SEGMENT_INVALID),
        ("segment", "{}", Reason.SEGMENT_INVALID),
        ("segment", '["fr", ["shop"]]', Reason.SEGMENT_INVALID),
        ("segment", '["fr", true]', Reason.SEGMENT_INVALID),
        ("segment", '["fr", 3.5]', Reason.SEGMENT_INVALID),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_field_of_the_wrong_kind_is_refused_and_named(field: str, text: str, reason: Reason) -> None:
    rejected = refused(Record(with_raw(field, text)))

    assert reason == rejected.reason
    assert rejected.detail.startswith((f"{field}: ", f"{field}."))


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"segment": list("abcdefgh")}, "segment", list("abcdefgh")),
        ({"segment": ["s" * 100]}, "segment", ["s" * 100]),
        ({"segment": []}, "segment", []),
        ({"revision": 1_700_000_000_000}, "revision", 1_700_000_000_000),
        ({"revision": 2**53 - 1}, "revision", 2**53 - 1),
        ({"comment": ""}, "comment", ""),
        ({"comment": None}, "comment", None),
        ({"comment": "a\x00\x1b"}, "comment", "a\x00\x1b"),
        ({"language": "en-GB"}, "language", "en-GB"),
    ],
    ids=str,
)
def test_what_is_within_the_bounds_is_accepted(changes: dict[str, Any], field: str, expected: Any) -> None:
    assert expected == getattr(accepted(value(**changes)), field)


# What survey tools do differently, and mean no harm by.


@pytest.mark.parametrize("later", ['{"responded_at": 1748764800}', '["responded_at"]', '"responded_at"'])
def test_a_later_field_that_speaks_of_the_time_does_not_make_it_wrong(later: str) -> None:
    assert accepted(with_raw("raw", later)) == accepted(value())
    assert accepted(envelope(data=json.loads(with_raw("raw", later)))) == accepted(value())


def test_a_number_in_quotes_is_no_time_whatever_a_later_field_says() -> None:
    given = value(responded_at="1700000000", raw={"responded_at": "2023-11-14T22:00:00Z"})

    assert refused(Record(given)).reason == Reason.TIME_INVALID


def test_of_two_times_the_last_counts_and_is_the_one_that_is_checked() -> None:
    good, bad = b', "responded_at": "2023-11-14T22:00:00Z"}', b', "responded_at": "1700000000"}'

    assert accepted(value(responded_at="1700000000")[:-1] + good) == accepted(value())
    assert refused(Record(value()[:-1] + bad)).reason == Reason.TIME_INVALID


OPTIONAL: list[tuple[str, str | None]] = [
    *((name, None) for name, field in Response.model_fields.items() if not field.is_required()),
    *(
        (part, name)
        for part, model in (("customer", Customer), ("consent", Consent), ("origin", Origin))
        for name in model.model_fields
    ),
    *(("solicitation", name) for name in Solicitation.model_fields),
]


@pytest.mark.parametrize(("part", "member"), OPTIONAL)
def test_null_for_what_may_be_absent_counts_as_absent(part: str, member: str | None) -> None:
    without = answer(anonymous=part == "customer_id")
    without.pop(part, None)
    given = without | {part: None if member is None else {member: None}}

    assert accepted(json.dumps(given).encode()) == accepted(json.dumps(without).encode())


@pytest.mark.parametrize("part", ["customer", "consent", "origin", "solicitation"])
def test_an_empty_list_for_an_object_counts_as_absent_as_php_writes_it(part: str) -> None:
    assert accepted(value(**{part: []})) == accepted(value())
    assert accepted(envelope(data=answer(**{part: []}))) == accepted(value())


def test_there_is_no_optional_part_that_this_forgets() -> None:
    assert len(OPTIONAL) == len(set(OPTIONAL)) == 25


@pytest.mark.parametrize("field", ["score", "revision"])
@pytest.mark.parametrize(("text", "expected"), [("3.0", 3), ("1e1", 10), ("0.3e1", 3), ("10.000", 10), ("-0.0", 0)])
def test_a_whole_number_may_be_written_with_a_point(field: str, text: str, expected: int) -> None:
    found = getattr(accepted(with_raw(field, text)), field)

    assert (expected, int) == (found, type(found))


@pytest.mark.parametrize("field", ["response_id", "survey_id", "customer_id"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("42", "42"), ("42.0", "42"), ("-7", "-7"), (str(2**64 - 1), str(2**64 - 1)), ("9007199254740993",) * 2],
)
def test_a_number_as_an_id_is_its_digits(field: str, text: str, expected: str) -> None:
    assert expected == getattr(accepted(with_raw(field, text)), field)
    assert expected == getattr(accepted(envelope(data=json.loads(with_raw(field, text)))), field)


@pytest.mark.parametrize(("text", "expected"), [("5", "5"), ("33199004127", "33199004127"), ("4.5", "4.5")])
def test_a_number_as_a_text_is_its_digits(text: str, expected: str) -> None:
    given = value(comment="@@", customer={"phone": "@@", "tier": "@@"}, origin={"permalink": "@@"})
    response = accepted(given.replace(b'"@@"', text.encode()))

    assert [expected] * 4 == [
        response.comment,
        response.customer.phone,
        response.customer.tier,
        response.origin.permalink,
    ]


@pytest.mark.parametrize("text", [json.dumps("l" * 36), "7", "true", "[]", '{"code": "fr"}', "null"])
def test_a_language_that_can_be_none_counts_as_not_given(text: str) -> None:
    assert accepted(with_raw("language", text)).language is None


@pytest.mark.parametrize("text", ['"yesterday"', '"2023-11-14T22:00:00"', '"1700000000"', "1700000000", "[]", "null"])
def test_a_contact_whose_time_is_none_counts_as_not_given(text: str) -> None:
    given = with_raw("solicitation", f'{{"asked_by": "jo", "contact_at": {text}}}')
    solicitation = accepted(given).solicitation

    assert (solicitation.asked_by, solicitation.contact_at) == ("jo", None)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("segment", '"fr/lyon"', 'segment: expected a list of names, such as ["fr", "lyon"]'),
        ("segment", '["fr", true]', "segment.1: expected a text"),
        ("comment", "[]", "comment: expected a text"),
        ("consent", '"yes"', "consent: expected an object"),
        ("consent", '{"callback": "maybe"}', "consent.callback: expected true or false"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_expected(field: str, text: str, expected: str) -> None:
    assert expected == refused(Record(with_raw(field, text))).detail


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fr", "Support 24/7"], "fr/Support 24-7"),
        (["fr", ""], "fr"),
        (["fr", None, "shop"], "fr/shop"),
        (["fr", 3], "fr/3"),
        (["fr", 3.0], "fr/3"),
        (["s" * 101], "s" * 99 + "…"),
        (list("abcdefghi"), "a/b/c/d/e/f/g/h"),
        (["a\x00\x1bb"], "ab"),
        ([" "], ""),
    ],
    ids=str,
)
def test_a_segment_that_is_named_oddly_loses_no_answer(names: list[Any], expected: str) -> None:
    assert expected == segment_path(accepted(value(segment=names)).segment)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert accepted(b"\xef\xbb\xbf" + value()) == accepted(value())
    assert accepted(b"\xef\xbb\xbf" + envelope()) == accepted(value())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\ude00 cut", "\ufffd cut"),
        (r"\ud83d\u0041", "\ufffdA"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\\ud83d\ud83d", r"\ud83d" + "\ufffd"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\ud83d\"\ude00", '\ufffd"\ufffd'),
    ],
)
def test_half_a_character_is_replaced_and_loses_no_answer(text: str, expected: str) -> None:
    """A tool that cuts comments by UTF-16 units leaves half of an emoji."""
    assert accepted(with_raw("comment", f'"{text}"')).comment == expected
    assert accepted(with_raw("x", f'"{text}"')) == accepted(value())
    assert accepted(envelope(data="@@").replace(b'"@@"', with_raw("comment", f'"{text}"'))).comment == expected


@pytest.mark.parametrize("field", ["response_id", "survey_id", "customer_id"])
def test_half_a_character_in_an_id_is_not_replaced(field: str) -> None:
    """Ids that differ only in that half would become one id, and one customer's answer a copy of another's."""
    for half in (r"c-\ud83d", r"\ude00", r"\\\ud83d"):
        given = with_raw(field, f'"{half}"')
        for record in (Record(given), Record(envelope(data="@@").replace(b'"@@"', given))):
            error = refused(record)
            assert (error.reason, error.detail) == (Reason.INVALID_UTF8, f"{field}: has half of a character")


def test_an_id_that_is_whole_stays_as_it_is_whatever_is_cut_elsewhere() -> None:
    given = value(response_id="\ufffd", customer_id="c-\ufffd", survey_id="😀", comment="@@")
    response = accepted(given.replace(b'"@@"', rb'"cut \ud83d"'))

    assert (response.response_id, response.customer_id, response.survey_id) == ("\ufffd", "c-\ufffd", "😀")
    assert response.comment == "cut \ufffd"


def test_half_a_character_in_the_customers_id_of_an_anonymous_answer_says_nothing() -> None:
    given = value(anonymous=True, customer_id="@@").replace(b'"@@"', rb'"c-\ud83d"')

    assert accepted(given) == accepted(value(anonymous=True))


def test_what_is_wrong_besides_is_still_said() -> None:
    assert refused(Record(with_raw("comment", r'"\ud83d"')[:-1])).reason == Reason.NOT_JSON
    assert refused(Record(with_raw("score", r'"\ud83d"'))).reason == Reason.SCORE_NOT_INTEGER


@pytest.mark.parametrize("text", ["5", "NaN", "1e999", "null", '{"a": [1, {}]}', "[" * 100 + "]" * 100, '"\\u0000"'])
def test_an_unknown_field_is_kept_out_not_refused(text: str) -> None:
    response = accepted(with_raw("x_extra", text))

    assert response == accepted(value())
    assert "x_extra" not in str(response)


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    twice = value()[:-1] + b', "score": 3}'

    assert accepted(twice).score == 3


def test_all_that_may_be_left_out_has_a_default() -> None:
    given = answer()
    del given["segment"]
    response = accepted(json.dumps(given).encode())

    assert (0, [], None, False) == (response.revision, response.segment, response.comment, response.test)
    assert response.consent == PlainConsent(callback=False, public_review=False, marketing=False)


# CloudEvents


def envelope(**changes: Any) -> bytes:
    """Return a structured-mode event; `...` leaves an attribute out."""
    usual = {"specversion": "1.0", "id": "e-1", "source": "/survey", "type": "nps.response.v1", "data": answer()}
    return json.dumps({name: found for name, found in (usual | changes).items() if found is not ...}).encode()


BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"/survey"), ("ce_type", b"nps.response.v1")]


@pytest.mark.parametrize(
    "headers",
    [
        BINARY,
        [(name.upper(), text) for name, text in BINARY],
        [(name.title(), text) for name, text in BINARY],
        [*BINARY, ("content-type", b"application/json")],
        [("traceparent", b"\xff\x00")],
    ],
    ids=["lower case", "upper case", "title case", "with content type", "others"],
)
def test_a_binary_event_is_its_value_whatever_the_case_of_its_headers(headers: list[tuple[str, bytes]]) -> None:
    assert accepted(value()) == accepted(value(), *headers)


@pytest.mark.parametrize("version", [b"0.3", b"1.1", b"", b"\xff", b"1.0 "])
@pytest.mark.parametrize("name", ["ce_specversion", "CE_SpecVersion"])
def test_a_binary_event_of_another_version_is_refused(name: str, version: bytes) -> None:
    assert refused(Record(value(), headers=[(name, version)])).reason == Reason.ENVELOPE_INVALID


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [STRUCTURED],
        [("Content-Type", STRUCTURED[1])],
        [("content-type", b"Application/CloudEvents+JSON")],
        [("content-type", b"application/json")],
    ],
    ids=["no content type", "content type", "title case", "its value in another case", "the wrong content type"],
)
def test_a_structured_event_is_its_data_with_or_without_content_type(headers: list[tuple[str, bytes]]) -> None:
    assert accepted(value()) == accepted(envelope(), *headers)
    assert accepted(value()) == accepted(envelope(subject="x", score=5, language="x" * 99), *headers)


@pytest.mark.parametrize("headers", [[], [STRUCTURED]], ids=["no content type", "content type"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"specversion": "0.3"}, Reason.ENVELOPE_INVALID),
        ({"specversion": 1.0}, Reason.ENVELOPE_INVALID),
        ({"id": ...}, Reason.ENVELOPE_INVALID),
        ({"source": ...}, Reason.ENVELOPE_INVALID),
        ({"type": ...}, Reason.ENVELOPE_INVALID),
        ({"id": 5}, Reason.ENVELOPE_INVALID),
        ({"data": ...}, Reason.MISSING_FIELD),
        ({"data": ..., "data_base64": "e30="}, Reason.MISSING_FIELD),
        ({"data": None}, Reason.WRONG_TYPE),
        ({"data": []}, Reason.WRONG_TYPE),
        ({"data": {}}, Reason.MISSING_FIELD),
        ({"data": answer(score=11)}, Reason.SCORE_OUT_OF_RANGE),
        ({"data": answer(score="9")}, Reason.SCORE_NOT_INTEGER),
        ({"data": answer(customer_id="")}, Reason.ID_EMPTY),
        ({"data": answer(segment="a/b")}, Reason.SEGMENT_INVALID),
        ({"data": answer(responded_at="2023-11-14T22:00:00")}, Reason.TIME_NAIVE),
        ({"data": answer(responded_at="9999-12-31T00:00:00Z")}, Reason.TIME_FUTURE),
    ],
    ids=str,
)
def test_a_structured_event_is_refused_for_its_envelope_or_for_its_data(
    headers: list[tuple[str, bytes]], changes: dict[str, Any], reason: Reason
) -> None:
    assert reason == refused(Record(envelope(**changes), headers=headers)).reason


def test_without_specversion_it_takes_the_content_type_to_know_an_envelope() -> None:
    bare = envelope(specversion=...)

    assert refused(Record(bare, headers=[STRUCTURED])).reason == Reason.ENVELOPE_INVALID
    assert refused(Record(bare)).reason == Reason.MISSING_FIELD


def test_bare_data_under_the_structured_content_type_lacks_its_envelope() -> None:
    assert refused(Record(value(), headers=[STRUCTURED])).reason == Reason.ENVELOPE_INVALID


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(
    ("field", "wrong", "detail"),
    [
        ("score", 11, "expected a whole number from 0 to 10"),
        ("score", -1, "expected a whole number from 0 to 10"),
        ("score", "9", "expected a whole number from 0 to 10"),
        ("score", None, "expected a whole number from 0 to 10"),
        ("score", 3.5, "expected a whole number from 0 to 10"),
        ("score", True, "expected a whole number from 0 to 10"),
        ("score", [], "expected a whole number from 0 to 10"),
        ("response_id", "", "must not be empty"),
        ("customer_id", "c" * 201, "must have at most 200 characters"),
        ("survey_id", "s\n", "must have no control characters"),
        ("response_id", [], "expected a text or a whole number"),
        (
            "responded_at",
            "2026-03-02T09:14:05",
            "has no time zone; expected one as in 2026-03-02T09:14:05+01:00 or 2026-03-02T08:14:05Z",
        ),
    ],
)
def test_a_wrong_field_is_said_in_plain_words(field: str, wrong: object, detail: str, *, structured: bool) -> None:
    given = answer() | {field: wrong}
    record = Record(envelope(data=given), headers=[STRUCTURED]) if structured else Record(json.dumps(given).encode())

    assert refused(record).detail == f"{'data.' if structured else ''}{field}: {detail}"


def test_a_time_that_lies_too_far_ahead_is_answered_by_the_limit() -> None:
    record = Record(value(responded_at="2200-01-01T00:00:00Z"))

    assert refused(record).detail == (
        f"responded_at: lies more than {IntakePolicy().max_ahead_hours:g} hours (intake.max_ahead_hours) ahead of the "
        "record's Kafka time"
    )


def test_the_example_of_a_dead_letter_says_what_the_worker_says() -> None:
    rejected = refused(Record(value(score=11)))

    assert (examples.DEAD_LETTER["reason"], examples.DEAD_LETTER["detail"]) == (rejected.reason, rejected.detail)


# What people wrote stays out of the detail.


@pytest.mark.parametrize(
    "given",
    [
        CANARY.encode(),
        json.dumps(CANARY).encode(),
        json.dumps([CANARY]).encode(),
        json.dumps({CANARY: CANARY}).encode(),
        value(comment=CANARY)[:-3],
        value(comment=CANARY).replace(b"autumn", b"\xff"),
        b'{"' + CANARY.encode() + b'": [' * DEEP,
        (CANARY * 200_000).encode(),
        envelope(specversion=CANARY),
        envelope(data={CANARY: CANARY}),
        envelope(id=[CANARY]),
        *(
            json.dumps(answer() | {"comment": CANARY, field: wrong}).encode()
            for field in Response.model_fields
            for wrong in (CANARY * 50, [CANARY], {CANARY: CANARY}, {"name": [CANARY]}, f"{CANARY}\x00", f"{CANARY}/")
        ),
    ],
    ids=lambda given: given[:40].decode(errors="replace"),
)
@pytest.mark.parametrize("headers", [[], [STRUCTURED]], ids=["bare", "structured"])
def test_the_detail_never_repeats_what_was_sent(given: bytes, headers: list[tuple[str, bytes]]) -> None:
    said = why_not(Record(given, headers=headers))

    assert CANARY not in said
    assert len(said) < 800
    assert said or not headers


def test_a_wrong_version_in_a_header_is_not_repeated_either() -> None:
    assert CANARY not in str(refused(Record(value(), headers=[("ce_specversion", CANARY.encode())])))


# The record's own time


@pytest.mark.parametrize("timestamp", [-1, LATEST + 1, NOW * 1_000, 2**63 - 1])
def test_a_record_whose_kafka_time_is_none_is_refused(timestamp: int) -> None:
    rejected = refused(Record(value(), timestamp=timestamp))

    assert (Reason.TIME_INVALID, "the record's Kafka time: is no time in milliseconds") == (
        rejected.reason,
        rejected.detail,
    )


def test_the_last_kafka_time_there_is_is_one() -> None:
    assert validate(Record(value(), timestamp=LATEST), IntakePolicy())[0].score == 9


# An erasure's key


@pytest.mark.parametrize("key", ["c-1", "é😀", "k" * 200, " ", '"c-1"', "a/b"])
def test_every_customer_who_can_answer_can_be_erased(key: str) -> None:
    assert accepted(value(customer_id=key)).customer_id == key
    assert erased_key(Record(None, key.encode())) == key.encode()


@pytest.mark.parametrize(
    ("key", "reason", "detail"),
    [
        (None, Reason.NO_KEY, "a null value needs the key of the customer to erase"),
        (b"", Reason.NO_KEY, "a null value needs the key of the customer to erase"),
        (b"kk" * 100 + b"k", Reason.ID_TOO_LONG, "key: must have at most 200 characters"),
        (b"\x00head", Reason.ID_CONTROL_CHARACTER, "key: must have no control characters"),
        (b"a\nb", Reason.ID_CONTROL_CHARACTER, "key: must have no control characters"),
        ("a\x85".encode(), Reason.ID_CONTROL_CHARACTER, "key: must have no control characters"),
        (b"c-1\xff", Reason.INVALID_UTF8, "key: is not UTF-8"),
        (b"\xed\xa0\x80", Reason.INVALID_UTF8, "key: is not UTF-8"),
    ],
)
def test_an_erasure_of_whom_there_cannot_be_is_refused(key: bytes | None, reason: Reason, detail: str) -> None:
    with pytest.raises(Rejected) as caught:
        erased_key(Record(None, key))

    assert reason == caught.value.reason
    assert caught.value.detail.startswith(detail)
