"""CloudEvents over HTTP: events of the specification's own Python library, and of senders that do it otherwise.

The library `cloudevents` writes the events, and also reads the records that they become, by the binding for Kafka.
"""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from flow.records import Record
from hypothesis import given
from hypothesis import strategies as st
from receive.deliveries import AT, KEY, settings

from schemas.dead_letter import Reason
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.outcome import Accepted, Ignored, Outcome, Outcomes, Refused, Why
from worker.flow.responses.intake import validate
from worker.receive.deliveries import Deliveries
from worker.receive.handshake import permission
from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import Request, Unauthentic

RESPONSE = {
    "response_id": "shop:1", "survey_id": "shop", "customer_id": "c-8", "score": 2, "comment": "Très lent 😀",
    "responded_at": "2026-03-02T10:00:00Z",
}  # fmt: skip
ATTRIBUTES: dict[str, Any] = {
    "id": "e-1",
    "source": "/shop/lyon",
    "type": "com.example.answer",
    "specversion": "1.0",
    "datacontenttype": "application/json",
    "subject": 'Euro € 😀 100 % "sure"',
    "time": datetime(2026, 3, 2, 10, tzinfo=UTC),
    "partitionkey": "lyon",
}
BINARY = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-type": "answer"}
EVENT = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "answer", "data": RESPONSE}
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
RATING = {"answer": "5f", "rating": "3", "at": 1772440000, "who": "c-9"}
MAPPING = {
    "response_id": "data.answer", "survey_id": "source", "score": "data.rating", "responded_at": "data.at",
    "customer_id": "data.who",
}  # fmt: skip


def read(headers: dict[str, str], body: bytes, **changes: Any) -> Outcomes:
    lower = {name.lower(): value for name, value in headers.items()}
    return Deliveries(settings("cloudevents", **changes)).read_unverified("source", Request(body, lower))


def one(headers: dict[str, str], body: bytes, **changes: Any) -> Outcome:
    [outcome] = read(headers, body, **changes)
    return outcome


def structured(event: Any, content_type: str = STRUCTURED, **changes: Any) -> Outcome:
    return one({"content-type": content_type}, json.dumps(event).encode(), **changes)


def binary(headers: dict[str, str], response: Any = RESPONSE, **changes: Any) -> Outcome:
    return one({**BINARY, **headers}, json.dumps(response).encode(), **changes)


def refused(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, Refused)
    return outcome.reason, outcome.detail


@pytest.mark.parametrize("write", [http.to_binary, http.to_structured])
def test_an_event_of_the_library_becomes_a_record_that_the_library_reads(write: Any) -> None:
    event = CloudEvent(ATTRIBUTES, RESPONSE)
    message = write(event, JSONFormat())
    outcome = one(message.headers, message.body)
    assert isinstance(outcome, Accepted)

    response, _ = validate(Record(outcome.value, outcome.key, timestamp=AT, headers=outcome.headers), IntakePolicy())
    assert ("shop:1", 2, "Très lent 😀") == (response.response_id, response.score, response.comment)
    assert b"c-8" == outcome.key
    again = kafka.from_binary(kafka.KafkaMessage(dict(outcome.headers), None, outcome.value), JSONFormat(), CloudEvent)
    assert ATTRIBUTES == again.get_attributes()
    assert RESPONSE == again.get_data()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_every_text_that_an_attribute_can_have_arrives(text: str) -> None:
    for write in (http.to_binary, http.to_structured):
        message = write(CloudEvent({**ATTRIBUTES, "subject": text}, RESPONSE), JSONFormat())
        outcome = one(message.headers, message.body)
        assert isinstance(outcome, Accepted)
        assert text == dict(outcome.headers)["ce_subject"].decode()


def test_a_batch_has_an_outcome_for_each_event() -> None:
    events = [EVENT, {**EVENT, "data": {**RESPONSE, "score": 11}}, {"id": "e-3"}, 7, EVENT]
    accepted, wrong_score, incomplete, number, again = read({"content-type": BATCH}, json.dumps(events).encode())

    assert isinstance(accepted, Accepted)
    assert accepted == again
    assert refused(wrong_score)[0] == Reason.SCORE_OUT_OF_RANGE
    assert refused(incomplete) == (
        Reason.ENVELOPE_INVALID,
        "answer 3 of 5: specversion: is missing; source: is missing; type: is missing",
    )
    assert refused(number)[0] == Reason.NOT_AN_OBJECT


def test_a_batch_whose_events_have_too_many_answers_together_is_refused_as_a_whole() -> None:
    event = {**EVENT, "data": [RATING] * 600}
    mapping = {**MAPPING, "each": "data"}

    assert len(read({"Content-Type": BATCH}, json.dumps([event]).encode(), mapping=mapping)) == 600
    [refused] = read({"Content-Type": BATCH}, json.dumps([event, event]).encode(), mapping=mapping)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.TOO_LARGE


def test_an_empty_batch_is_no_response() -> None:
    assert structured([], BATCH) == Ignored(Why.EMPTY, "the batch is empty")
    assert refused(structured(EVENT, BATCH)) == (Reason.ENVELOPE_INVALID, "expected a list of events")


@pytest.mark.parametrize(
    ("content_type", "event"),
    [
        ("Application/CloudEvents+JSON; charset=UTF-8", EVENT),
        ("application/cloudevents", EVENT),
        (STRUCTURED, {**EVENT, "datacontenttype": "application/vnd.answer+json; v=1"}),
        (STRUCTURED, {**EVENT, "datacontenttype": None, "data_base64": None}),
        (STRUCTURED, {**EVENT, "datacontenttype": "text/plain", "data": json.dumps(RESPONSE)}),
        (STRUCTURED, {**EVENT, "data": None, "data_base64": base64.b64encode(json.dumps(RESPONSE).encode()).decode()}),
    ],
)
def test_the_data_is_found_in_each_form_that_it_may_have(content_type: str, event: dict[str, Any]) -> None:
    outcome = structured(event, content_type)
    assert isinstance(outcome, Accepted)
    assert (RESPONSE, b"c-8") == (outcome.fields, outcome.key)


def test_attributes_have_the_texts_that_the_specification_says() -> None:
    outcome = structured({**EVENT, "urgent": True, "late": False, "tries": -2, "Upper": "x", "a_b": {}, "unset": None})
    assert isinstance(outcome, Accepted)
    assert {
        "ce_specversion": b"1.0", "ce_id": b"e-1", "ce_source": b"/shop", "ce_type": b"answer", "ce_urgent": b"true",
        "ce_late": b"false", "ce_tries": b"-2", "content-type": b"application/json",
    } == dict(outcome.headers)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("%e2%82%AC%20a", "€ a"),
        ('"a \\"b\\" \\\\ %41"', 'a "b" \\ A'),
        ("100%", "100%"),
        ("é", "é"),
        ('"', '"'),
        ("a+b", "a+b"),
    ],
)
def test_a_header_is_decoded_once(value: str, text: str) -> None:
    outcome = binary({"ce-subject": value})
    assert isinstance(outcome, Accepted)
    assert text == dict(outcome.headers)["ce_subject"].decode()


@pytest.mark.parametrize("value", ["%C0%A0", "%ff", "\udcff", "%ED%A0%80"])
def test_a_header_that_is_not_utf_8_is_refused(value: str) -> None:
    assert refused(binary({"ce-subject": value})) == (Reason.INVALID_UTF8, "ce-subject: is not UTF-8")


def test_a_header_that_is_no_attribute_is_not_read() -> None:
    outcome = binary({"ce-my-extension": "%ff", "ce_subject": "x", "ce-": "y", "x-token": "z"})
    assert isinstance(outcome, Accepted)
    assert {"ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"} == dict(outcome.headers).keys()


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        ([EVENT], Reason.NOT_AN_OBJECT, "expected an object"),
        ({**EVENT, "specversion": "0.3"}, Reason.ENVELOPE_INVALID, "specversion: must be 1.0"),
        ({**EVENT, "id": ""}, Reason.ENVELOPE_INVALID, "id: is missing"),
        ({**EVENT, "tries": 1.5}, Reason.ENVELOPE_INVALID, "tries: must be a text, a whole number, true or false"),
        ({**EVENT, "tries": [1]}, Reason.ENVELOPE_INVALID, "tries: must be a text, a whole number, true or false"),
        ({**EVENT, "tries": 2**31}, Reason.ENVELOPE_INVALID, "tries: must be a whole number of 32 bits"),
        ({**EVENT, "subject": "\ud83d"}, Reason.INVALID_UTF8, "subject: is not UTF-8"),
        ({**EVENT, "data_base64": "é"}, Reason.ENVELOPE_INVALID, "data_base64: expected a text in base64"),
        ({**EVENT, "data_base64": 7}, Reason.ENVELOPE_INVALID, "data_base64: expected a text in base64"),
        ({**EVENT, "data_base64": "YQ="}, Reason.ENVELOPE_INVALID, "data_base64: expected a text in base64"),
        ({**EVENT, "data": json.dumps(RESPONSE)}, Reason.NOT_AN_OBJECT, "expected an object"),
        ({**EVENT, "data": None}, Reason.NOT_AN_OBJECT, "expected an object"),
        ({**EVENT, "datacontenttype": "text/plain", "data": "\ud83d"}, Reason.INVALID_UTF8, "the body is not UTF-8"),
        ({name: EVENT[name] for name in EVENT if name != "data"}, Reason.MISSING_FIELD, "data: is missing"),
    ],
)
def test_an_event_that_is_wrong_is_refused(event: Any, reason: Reason, detail: str) -> None:
    assert refused(structured(event)) == (reason, detail)


def test_a_response_without_a_score_is_refused_as_on_kafka() -> None:
    response = {name: value for name, value in RESPONSE.items() if name != "score"}
    assert refused(structured({**EVENT, "data": response})) == (Reason.MISSING_FIELD, "score: is missing")


def test_a_body_that_is_no_event_is_refused() -> None:
    body = json.dumps(RESPONSE).encode()
    assert refused(one({"content-type": "application/json"}, body)) == (
        Reason.ENVELOPE_INVALID,
        (
            "ce-specversion: is missing; ce-id: is missing; ce-source: is missing; ce-type: is missing; an event that "
            "is in the body needs Content-Type: application/cloudevents+json"
        ),
    )
    assert refused(one({"content-type": "application/cloudevents+avro"}, body))[0] == Reason.ENVELOPE_INVALID
    # On Kafka, a record without a value erases a customer; over HTTP, an empty body is nothing but an error.
    assert refused(one({**BINARY, "ce-partitionkey": "c-8"}, b"")) == (Reason.MISSING_FIELD, "data: is missing")


def test_another_payload_is_read_by_a_mapping_of_the_whole_event() -> None:
    outcome = binary({}, RATING, mapping=MAPPING)
    assert isinstance(outcome, Accepted)
    assert ("source:5f", "source:/shop", 3) == tuple(
        outcome.fields[name] for name in ("response_id", "survey_id", "score")
    )
    # They say what the event's data is, which is not what the record has.
    assert () == outcome.headers
    assert outcome == structured({**EVENT, "data": RATING}, mapping=MAPPING)


def test_events_are_selected_and_lists_are_taken_apart() -> None:
    only = {"only_if": "type == 'answer'"}
    assert isinstance(binary({}, mapping=only), Accepted)
    assert binary({"ce-type": "other"}, mapping=only) == Ignored(Why.NOT_SELECTED, "mapping.only_if: is not true")
    inner = {name: path.removeprefix("data.") for name, path in MAPPING.items()} | {"survey_id": "survey"}
    ratings = [{**RATING, "answer": number, "survey": "s"} for number in (1, 2)]
    found = read(BINARY, json.dumps(ratings).encode(), mapping={**inner, "each": "data"})
    assert ["source:1", "source:2"] == [outcome.response_id for outcome in found if isinstance(outcome, Accepted)]


def test_a_source_of_events_needs_its_secret() -> None:
    reader = Deliveries(settings("cloudevents"))
    request = Request(json.dumps(EVENT).encode(), {"content-type": STRUCTURED})
    assert reader.read("source", request, AT) is Unauthentic.SECRET_MISSING
    wrong = request._replace(headers={**request.headers, "authorization": "Bearer other"})
    assert reader.read("source", wrong, AT) is Unauthentic.SECRET_WRONG


def test_a_sender_that_asks_may_deliver_if_it_is_named() -> None:
    [named] = settings("cloudevents", allowed_origins=["EventGrid.azure.net"]).sources
    assert permission(named, {"webhook-request-origin": "eventgrid.azure.net", "webhook-request-rate": "120"}) == {
        "Allow": "POST", "WebHook-Allowed-Origin": "eventgrid.azure.net", "WebHook-Allowed-Rate": "*",
    }  # fmt: skip
    assert permission(named, {"webhook-request-origin": "other.example.com"}) is None
    assert permission(named, {}) is None


def test_any_sender_that_asks_may_deliver_if_the_settings_say_so() -> None:
    [anybody] = settings("cloudevents", allowed_origins=["*"]).sources
    found = permission(anybody, {"webhook-request-origin": "other.example.com"})
    assert found is not None
    assert "other.example.com" == found["WebHook-Allowed-Origin"]
    [nobody] = settings("cloudevents").sources
    assert permission(nobody, {"webhook-request-origin": "*"}) is None


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"tool": "delighted", "allowed_origins": ["a.example.com"]}, "allowed_origins has an effect with the tool"),
        ({"tool": "cloudevents", "allowed_origins": ["https://a.example.com"]}, "must be names of hosts"),
        ({"tool": "cloudevents", "mapping": {"score": "data.x"}}, "mapping of the tool cloudevents needs mapping.resp"),
        ({"tool": "cloudevents", "mapping": {"each": "data"}}, "mapping of the tool cloudevents needs mapping.respon"),
    ],
)
def test_wrong_settings_of_events_are_found(source: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ReceiveSettings.model_validate({"pseudonym_key": KEY, "sources": [{"name": "a", "secrets": ["b"], **source}]})
