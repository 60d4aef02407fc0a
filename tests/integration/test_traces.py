"""Traces on a real Kafka: a response, its alert and its mail are one trace through links, also after a restart."""

import asyncio
from typing import Any

import pytest
from flow.traces import context, traced
from integration.conftest import Bench, StartBench
from integration.test_channels import again, crm, room, webhook  # noqa: F401 - two are fixtures
from integration.test_mail import response
from notify.rigs import HttpServer
from opentelemetry.sdk.trace import ReadableSpan
from tracing.recording import Kept, attributes, kept_spans, links, own_context

from worker.embedded.inbox import Step
from worker.errors import StateNotDurable
from worker.kafka import topics
from worker.metrics.settings import MetricsSettings
from worker.notify.retry import RetryPolicy
from worker.settings import EmailSettings
from worker.streams.table import DurableTable
from worker.tracing.settings import TracingSettings

ON = TracingSettings(enabled=True)
SOON = RetryPolicy(first_seconds=0.05, longest_seconds=0.1)
EMAIL = EmailSettings(sender="nps@example.com", to=["support@example.com"], retry=SOON)
#: The context of the response that all is about, and that of another one.
OURS, OTHER = 0xABC, 0xDEF


def headers(number: int) -> list[tuple[str, bytes]]:
    return [(name, value or b"") for name, value in traced(number)]


async def traceparents(works: Bench) -> dict[bytes, list[bytes]]:
    """Return the header of each alert, by its customer."""
    found: dict[bytes, list[bytes]] = {}
    for record in await works.read("alerts"):
        found.setdefault(record.key, []).extend(value for name, value in record.headers if name == "traceparent")
    return found


def batches_of(kept: Kept, works: Bench, topic: str, role: str) -> list[ReadableSpan]:
    group = f"{works.settings.kafka.group}-{role}"
    spans = kept.named(f"process {works.settings.topic_prefix}.{topic}")
    return [span for span in spans if attributes(span)["messaging.consumer.group.name"] == group]


async def test_a_response_its_alert_and_its_mail_are_one_trace_through_links_also_after_a_restart(
    bench: StartBench,
) -> None:
    refused = asyncio.Event()

    async def refuse(step: Step, _: Any) -> str | None:
        if step is Step.DATA:
            refused.set()
        return "451 4.3.0 later" if step is Step.DATA else None

    with kept_spans() as kept:
        async with bench(email=EMAIL, tracing=ON) as works:
            works.inbox.behaviour = refuse
            await works.publish(response(1), b"c-1", headers(OURS))
            await refused.wait()
        first = works
        refused_attempts = kept.named("send email")
        decided, planned = (
            batches_of(kept, works, topic, role) for topic, role in (("responses", "process"), ("alerts", "notify"))
        )
        kept.clear()
        first.inbox.behaviour = None
        async with again(first.settings, first) as works:
            await works.inbox.wait_for(1)
            await works.settle()
            assert await traceparents(works) == {b"c-1": [context(OURS).encode()]}

    assert [links(span) for span in (*decided, *planned)] == [[context(OURS)]] * 2
    assert refused_attempts
    assert {attributes(span)["error.type"] for span in refused_attempts} == {"smtp_451"}
    (accepted,) = kept.named("send email")
    assert "error.type" not in attributes(accepted)
    # The attempts of both workers are about the same mail.
    assert len({attributes(span)["nps.delivery_id"] for span in (*refused_attempts, accepted)}) == 1
    assert {tuple(links(span)) for span in (*refused_attempts, accepted)} == {(context(OURS),)}
    # No span is in the publisher's trace itself: each batch and each attempt has a trace of its own.
    everything = [own_context(span)[3:35] for span in (*decided, *planned, *refused_attempts, accepted)]
    assert len({*everything, context(OURS)[3:35]}) == len(everything) + 1


async def test_mails_of_several_responses_have_links_to_their_own(bench: StartBench) -> None:
    with kept_spans() as kept:
        async with bench(email=EMAIL, tracing=ON, metrics=MetricsSettings(bind="127.0.0.1:0")) as works:
            await works.publish(response(1), b"c-1", headers(OURS))
            await works.publish(response(2), b"c-2", headers(OTHER))
            await works.publish(response(3), b"c-3", [("traceparent", b"00-invalid")])
            await works.publish(response(4), b"c-4")
            await works.inbox.wait_for(4)
            await works.settle()
            found = await traceparents(works)

    assert found == {b"c-1": [context(OURS).encode()], b"c-2": [context(OTHER).encode()], b"c-3": [], b"c-4": []}
    assert sorted(map(links, kept.named("send email"))) == [[], [], [context(OURS)], [context(OTHER)]]
    responses = batches_of(kept, works, "responses", "process")
    assert sum(attributes(span)["messaging.batch.message_count"] for span in responses) == 4
    assert {link for span in responses for link in links(span)} == {context(OURS), context(OTHER)}


async def test_a_batch_that_is_decided_again_publishes_the_same_bytes(
    bench: StartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker ends after its alert is on Kafka, and before the customer's row is."""

    write = DurableTable.write

    async def fail(table: DurableTable, *rest: Any) -> bool:
        if table.name == topics.CONTACTS:
            raise StateNotDurable("a row is not acknowledged")
        return await write(table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(DurableTable, "write", fail)
        async with bench(email=EMAIL) as first:
            await first.publish(response(1), b"c-1", headers(OURS))
            with pytest.raises(StateNotDurable, match="not acknowledged"):
                await first.worker.failure()
    with kept_spans():
        async with again(first.settings.model_copy(update={"tracing": ON}), first) as second:
            await second.inbox.wait_for(1)
            await second.settle()
            alerts = await second.read("alerts")

    assert len(alerts) == 2
    assert len({(record.key, record.value, tuple(record.headers)) for record in alerts}) == 1
    assert ("traceparent", context(OURS).encode()) in alerts[0].headers


async def test_a_webhook_gets_the_context_of_the_attempt_only_if_its_endpoint_asks_for_it(
    bench: StartBench,
    crm: HttpServer,  # noqa: F811 - the fixture
    room: HttpServer,  # noqa: F811 - the fixture
) -> None:
    endpoints = webhook(crm, room).endpoints
    asks = endpoints["e0"].model_copy(update={"traceparent": True})
    settings = webhook(crm, room).model_copy(update={"endpoints": {**endpoints, "e0": asks}})
    with kept_spans() as kept:
        async with bench(email=EMAIL, webhook=settings, tracing=ON) as works:
            await works.publish(response(1), b"c-1", headers(OURS))
            await works.inbox.wait_for(1)
            await works.settle()

    spans = {attributes(span)["nps.endpoint"]: span for span in kept.named("send webhook")}
    assert {name: links(span) for name, span in spans.items()} == {"e0": [context(OURS)], "e1": [context(OURS)]}
    ((request, _),), ((other, _),) = crm.requests, room.requests
    assert request.headers["traceparent"] == own_context(spans["e0"])
    assert "traceparent" not in other.headers


async def test_without_tracing_the_alert_carries_the_context_and_there_is_no_span(bench: StartBench) -> None:
    with kept_spans() as kept:
        async with bench(email=EMAIL) as works:
            await works.publish(response(1), b"c-1", headers(OURS))
            await works.inbox.wait_for(1)
            await works.settle()
            assert await traceparents(works) == {b"c-1": [context(OURS).encode()]}
    assert kept.get_finished_spans() == ()
