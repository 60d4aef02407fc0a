"""What made-up deliveries of each survey tool become, and how several become one response."""

import json
from typing import Any

import pytest
from flow.carrying import Partition, numbered
from flow.records import HOUR, Record, of
from receive.deliveries import AT, KEY, SOURCES, UPSTREAM, deliveries, fetched, reader

from schemas.dead_letter import Reason
from worker.flow import events
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.canonical import pseudonym
from worker.flow.responses.formats.merging import Known, merge
from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcome, Part, Refused
from worker.receive.signatures import Unauthentic

#: What the words of the fixtures stand for.
WORDS = {
    "ignored: lower revision than the one known": "older_revision",
    "ignored: webhook-id known": "already_received",
    "ignored: messageId known": "already_received",
    "ignored: survey_type is not nps": "other_survey_type",
    "ignored: survey_mode is CSAT": "other_survey_type",
    "ignored: not a response": "other_event",
    "ignored: declined": "declined",
    "not yet answered: no dead letter": "not_yet_answered",
    "refused 400: not JSON (templates do not escape quotes and line ends): the answer says which byte": "not_json",
    "refused 401: signature": Unauthentic.SIGNATURE_WRONG,
    "refused 401: hex digest, base64 expected": Unauthentic.SIGNATURE_MALFORMED,
    "refused 401: timestamp older than five minutes": Unauthentic.TIMESTAMP_TOO_OLD,
}
RESPONSES = ("canonical as it stands", "fetch, then canonical", "suspect:", "test:")


class Conversation:
    """The deliveries of one tool, one after the other, and what is known of its answers."""

    def __init__(self, tool: str, **changes: Any) -> None:
        self._tool = tool
        self._reader = reader(tool, **changes)
        self._known: dict[str, Known] = {}

    def take(self, request: Any) -> Unauthentic | Outcome:
        found = self._reader.read("source", request, AT)
        if isinstance(found, Unauthentic):
            return found
        [outcome] = found
        if isinstance(outcome, Fetch):
            [outcome] = self._reader.read_fetched("source", outcome, fetched(self._tool))
        if isinstance(outcome, Accepted | Part):
            known = self._known.get(outcome.response_id, Known())
            self._known[outcome.response_id], outcome = merge(known, outcome)
        return outcome


def expected_fields(expect: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a fixture wants, without those that are absent."""
    address, arrow, _ = str(expect["customer_id"]).partition(" -> pseudonym")
    customer_id = pseudonym(address, KEY.encode()) if arrow else address
    return {name: value for name, value in expect.items() if value is not None} | {"customer_id": customer_id}


@pytest.mark.parametrize("tool", SOURCES)
def test_each_delivery_becomes_what_the_fixture_says(tool: str) -> None:
    conversation = Conversation(tool)
    for delivery in deliveries(tool):
        expect = delivery.expect
        # Some have the id of an answer that is known by then, so they are taken alone.
        is_alone = isinstance(expect, str) and expect.startswith(RESPONSES)
        outcome = (Conversation(tool) if is_alone else conversation).take(delivery.request)
        said = f"{tool}, delivery {delivery.number}: {outcome}"
        if isinstance(expect, dict):
            assert isinstance(outcome, Accepted), said
            wanted = expected_fields(expect)
            # Where the fixture says nothing, such as of the link to the answer, the adapter may know more.
            assert outcome.fields["origin"].items() >= wanted.pop("origin").items(), said
            assert {name: outcome.fields.get(name) for name in wanted} == wanted, said
            assert outcome.fields.get("comment") == expect["comment"], said
            assert (outcome.key or b"").decode() == wanted["customer_id"]
            assert bare.read(outcome.value).response_id == expect["response_id"]
        elif is_alone:
            assert isinstance(outcome, Accepted), said
        elif isinstance(outcome, Ignored):
            assert outcome.why == WORDS[expect], said
        else:
            assert isinstance(outcome, Unauthentic | Refused), said
            assert (outcome if isinstance(outcome, Unauthentic) else outcome.reason) == WORDS[expect], said


def test_an_address_that_identifies_a_customer_stays_in_the_response() -> None:
    [delivery] = deliveries("hubspot")
    outcome = Conversation("hubspot").take(delivery.request)

    assert isinstance(outcome, Accepted)
    assert outcome.fields["customer"] == {"email": "li@example.com"}
    assert "li@example.com" not in outcome.customer_id


def test_an_answer_that_the_tool_leaves_out_is_a_trial_answer() -> None:
    tests = [delivery for delivery in deliveries("wootric") if str(delivery.expect).startswith("test:")]
    assert len(tests) == 1
    outcome = Conversation("wootric").take(tests[0].request)

    assert isinstance(outcome, Accepted)
    assert outcome.fields["test"] is True


def test_answers_of_a_mail_scanner_are_responses_that_the_worker_recognises() -> None:
    conversation = Conversation("posthog")
    outcomes = [
        conversation.take(delivery.request) for delivery in deliveries("posthog") if "suspect" in delivery.expect
    ]
    records = [Record(one.value, one.key, timestamp=AT + HOUR) for one in outcomes if isinstance(one, Accepted)]
    assert len(records) == 11
    decided = of(events.DECISIONS, Partition().carry(numbered(records)))

    latest = {decision["response_id"]: decision["outcome"] for decision in decided}
    assert set(latest.values()) == {"suspect_scanner"}


def test_every_fixture_has_a_source() -> None:
    assert {path.stem for path in UPSTREAM.glob("*.json")} == {*SOURCES}


def test_a_template_that_does_not_escape_is_told_the_byte() -> None:
    [_, delivery] = deliveries("template")
    outcome = Conversation("template").take(delivery.request)

    assert outcome == Refused(Reason.NOT_JSON, "byte 32: expecting ',' delimiter")
    assert json.loads(delivery.request.body[:31] + b'"}') == {"score": "", "comment": "He said "}
