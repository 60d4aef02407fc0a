"""The spans of batches and attempts: their names, attributes and links, and what is left out."""

import asyncio
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from flow.records import Record
from flow.traces import context, packed, traced
from notify.bundles import alert_of
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from tracing.recording import Kept, attributes, links, own_context

from schemas.delivery import DeliveryStatus
from worker.errors import DeliveryError
from worker.notify.digest import Content, Digest, Item
from worker.notify.mailbox import Mail
from worker.tracing.spans import Spans

SPENT = SimpleNamespace(deciding=0.25, sending=0.5, waiting=1.25)
ALERT = alert_of(1)


class Made:
    """Spans, and what makes them."""

    def __init__(self) -> None:
        self.kept = Kept()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.spans = Spans(provider, "nps-worker", "nps.{}".format)

    def only(self) -> Any:
        (span,) = self.kept.get_finished_spans()
        return span


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def three_links(monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "3")
    return Made()


def records(*headers: list[tuple[str, bytes | None]]) -> list[Record]:
    return [Record(b"v", b"c-1", 7 + n, 2, headers=each) for n, each in enumerate(headers)]


def mail(**more: Any) -> Mail:
    return Mail("d-1", "a-1", "desk", DeliveryStatus.PENDING, 2, 0, 0, **more)


def test_a_batch_has_one_span_with_links_to_the_contexts_of_its_records(made: Made) -> None:
    before = time.time_ns()
    batch = records(traced(1), [], traced(2), traced(1), [("traceparent", b"x")])
    made.spans.of_shell("process").on_batch("nps.responses", batch, SPENT)
    span = made.only()

    assert (span.name, span.kind, span.parent) == ("process nps.responses", SpanKind.CONSUMER, None)
    assert links(span) == [context(1), context(2)]
    assert [{**link.attributes} for link in span.links] == [
        {"messaging.kafka.offset": 7},
        {"messaging.kafka.offset": 9},
    ]
    assert {**attributes(span)} == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "nps.responses",
        "messaging.destination.partition.id": "2",
        "messaging.consumer.group.name": "nps-worker-process",
        "messaging.batch.message_count": 5,
        "nps.deciding_seconds": 0.25,
        "nps.sending_seconds": 0.5,
        "nps.waiting_seconds": 1.25,
    }
    assert (span.end_time - span.start_time) == 2_000_000_000
    assert before <= span.end_time <= time.time_ns()
    assert span.status.status_code is StatusCode.UNSET


def test_a_batch_of_messages_between_workers_has_no_span(made: Made) -> None:
    observer = made.spans.of_shell("process")
    for topic in ("nps.tallies", "nps.hours", "nps.cases", "nps.notices", "other.responses"):
        observer.on_batch(topic, records(traced(1)), SPENT)
    observer.on_sent("nps.alerts", [])
    observer.on_checkpoint("nps.responses", 1.0)
    assert made.kept.get_finished_spans() == ()


def test_a_batch_without_contexts_has_a_span_without_links(made: Made) -> None:
    made.spans.of_shell("notify").on_batch("nps.alerts", records([]), SPENT)
    assert links(made.only()) == []


def test_there_is_no_link_to_a_span_that_nobody_records(made: Made) -> None:
    made.spans.of_shell("process").on_batch("nps.responses", records(traced(1, "00"), traced(2, "03")), SPENT)
    assert links(made.only()) == [context(2, "03")]


def test_a_span_has_as_many_links_as_the_variable_says(three_links: Made) -> None:
    observer = three_links.spans.of_shell("process")
    observer.on_batch("nps.responses", records(*map(traced, range(1, 9))), SPENT)
    with three_links.spans.sending("email", "", mail(), _digest(5)) as note:
        note(None)
    batch, sent = three_links.kept.get_finished_spans()
    assert links(batch) == [context(1), context(2), context(3)] == links(sent)
    assert (batch.dropped_links, sent.dropped_links) == (0, 0)


def test_an_attempt_has_a_span_with_links_to_the_contexts_of_its_notice(made: Made) -> None:
    with made.spans.sending("webhook", "crm", mail(traces=[packed(1), packed(2, "00")]), ALERT) as note:
        assert made.kept.get_finished_spans() == ()
        note(None)
    span = made.only()
    assert (span.name, span.kind, span.parent) == ("send webhook", SpanKind.CLIENT, None)
    assert links(span) == [context(1)]
    assert {**attributes(span)} == {
        "nps.channel": "webhook",
        "nps.endpoint": "crm",
        "nps.delivery_id": "d-1",
        "nps.alert_id": "a-1",
        "nps.attempt": 3,
    }
    assert span.status.status_code is StatusCode.UNSET


def _digest(count: int) -> Digest:
    items = [Item(alert_of(number), traces=[packed(number)]) for number in range(1, count + 1)]
    return Digest("d-1", 0, items)


def test_a_digest_has_links_to_the_contexts_of_all_its_notices(made: Made) -> None:
    with made.spans.sending("email", "", mail(), _digest(3)) as note:
        note(None)
    span = made.only()
    assert links(span) == [context(1), context(2), context(3)]
    assert {**attributes(span)} == {
        "nps.channel": "email",
        "nps.delivery_id": "d-1",
        "nps.attempt": 3,
        "nps.notices": 3,
    }


def test_an_attempt_that_is_refused_says_why_by_a_word(made: Made) -> None:
    with made.spans.sending("email", "", mail(), ALERT) as note:
        note(DeliveryError("smtp_451", retry=True, hint="the server said: no, Mrs Secret"))
    span = made.only()
    assert (attributes(span)["error.type"], span.status.status_code) == ("smtp_451", StatusCode.ERROR)
    assert span.status.description is None


@pytest.mark.parametrize("error", [ValueError("Mrs Secret"), asyncio.CancelledError("Mrs Secret")])
def test_an_attempt_that_breaks_off_does_not_say_what_the_exception_says(made: Made, error: BaseException) -> None:
    def send() -> None:
        with made.spans.sending("email", "", mail(), ALERT):
            raise error

    with pytest.raises(type(error)):
        send()
    span = made.only()
    assert (attributes(span)["error.type"], span.status.status_code) == ("interrupted", StatusCode.ERROR)
    assert "Secret" not in span.to_json()


async def test_each_of_several_attempts_at_the_same_time_is_named_by_its_own_header(made: Made) -> None:
    at_work = asyncio.Barrier(2)

    async def send(number: int, content: Content) -> Mapping[str, str]:
        with made.spans.sending("webhook", f"e{number}", mail(), content) as note:
            await at_work.wait()
            headers = made.spans.headers()
            note(None)
        return headers

    found = await asyncio.gather(send(1, ALERT), send(2, ALERT))
    spans = {attributes(span)["nps.endpoint"]: own_context(span) for span in made.kept.get_finished_spans()}
    assert [{"traceparent": spans["e1"]}, {"traceparent": spans["e2"]}] == list(found)
    assert made.spans.headers() == {}
