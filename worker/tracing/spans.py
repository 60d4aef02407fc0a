"""The spans: one for each batch of records that others have written, and one for each attempt to send a notice.

Each of them begins a trace of its own, and has links to the contexts of the responses that have caused it. Names and
attributes of batches are those of the semantic conventions for Kafka. No span has a key, a value or an address.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from worker import __version__
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Record
from worker.flow.trace_context import context_of, is_sampled
from worker.notify.digest import Content, Digest
from worker.notify.mailbox import Mail

#: The version of the semantic conventions.
_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
#: The topics whose batches have spans. The others have a tick each second, and no header with a trace context.
_TOPICS = (events.RESPONSES, events.ALERTS, events.ALERT_COMMANDS, events.SILENCE_COMMANDS)
#: The largest number of links of a span if OTEL_SPAN_LINK_COUNT_LIMIT is `unset`, which sets no limit.
_LINKS = 128
_NANOSECONDS = 1e9


class Spent(Protocol):
    """How the time of a batch was spent, in seconds (worker/streams/observer.py)."""

    @property
    def deciding(self) -> float:
        """Computing the decision."""

    @property
    def sending(self) -> float:
        """Until Kafka had acknowledged outputs and rows."""

    @property
    def waiting(self) -> float:
        """The rest."""


class Spans:
    """Makes the spans of a process. `group`: the setting kafka.group; `topic_name` returns a topic's full name."""

    def __init__(self, provider: TracerProvider, group: str, topic_name: Callable[[str], str]) -> None:
        self._tracer = provider.get_tracer("worker", __version__, _SCHEMA)
        self._group = group
        self._topics = frozenset(map(topic_name, _TOPICS))
        limit = SpanLimits().max_links
        self._most_links = _LINKS if limit is None else limit
        self._propagator = TraceContextTextMapPropagator()

    def of_shell(self, role: str) -> "ShellSpans":
        """Return what makes the spans of a shell's batches. `role`: the end of its group's name."""
        return ShellSpans(self, f"{self._group}-{role}")

    def note_batch(self, group: str, topic: str, records: Sequence[Record], spent: Spent) -> None:
        """Make the span of a batch that is decided, and whose outputs are acknowledged. The topic has its full name."""
        if topic not in self._topics:
            return
        end = time_ns()
        attributes: Attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(records[0].partition),
            "messaging.consumer.group.name": group,
            "messaging.batch.message_count": len(records),
            "nps.deciding_seconds": spent.deciding,
            "nps.sending_seconds": spent.sending,
            "nps.waiting_seconds": spent.waiting,
        }
        span = self._tracer.start_span(
            f"process {topic}",
            Context(),
            SpanKind.CONSUMER,
            attributes,
            self._links_of_records(records),
            end - int((spent.deciding + spent.sending + spent.waiting) * _NANOSECONDS),
        )
        span.end(end)

    @contextmanager
    def sending(
        self, channel: str, server: str, mail: Mail, content: Content
    ) -> Iterator[Callable[[DeliveryError | None], None]]:
        """Make the span of an attempt to send, which is the current span of this task meanwhile.

        `server`: the name of the endpoint; empty if the channel has only one server. The result notes why a notice was
        not accepted.
        """
        attributes: dict[str, str | int] = {
            "nps.channel": channel,
            "nps.delivery_id": mail.delivery_id,
            "nps.attempt": mail.attempts + 1,
        }
        if server:
            attributes["nps.endpoint"] = server
        if isinstance(content, Digest):
            attributes["nps.notices"] = len(content.items)
            traces: Iterable[bytes] = (trace for item in content.items for trace in item.traces)
        else:
            attributes["nps.alert_id"] = mail.alert_id
            traces = mail.traces
        with self._tracer.start_as_current_span(
            f"send {channel}",
            Context(),
            SpanKind.CLIENT,
            attributes,
            self._links(traces),
            # The message of an exception may quote a customer.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            is_noted = False

            def note(error: DeliveryError | None) -> None:
                nonlocal is_noted
                is_noted = True
                if error is not None:
                    _fail(span, error.reason)

            try:
                yield note
            finally:
                if not is_noted:
                    _fail(span, "interrupted")

    def headers(self) -> dict[str, str]:
        """Return the header `traceparent` for a request, which names the current span."""
        found: dict[str, str] = {}
        self._propagator.inject(found)
        return found

    def _links_of_records(self, records: Iterable[Record]) -> list[Link]:
        """Return links to the contexts of records, each with the offset of the first record that has it.

        A link to a span that its publisher does not record would lead nowhere.
        """
        offsets: dict[bytes, int] = {}
        for record in records:
            if len(offsets) == self._most_links:
                break
            context = context_of(record)
            if context is not None and is_sampled(context):
                offsets.setdefault(context, record.offset)
        return [_link(context, {"messaging.kafka.offset": offset}) for context, offset in offsets.items()]

    def _links(self, traces: Iterable[bytes]) -> list[Link]:
        found = [trace for trace in dict.fromkeys(traces) if is_sampled(trace)]
        return [_link(trace) for trace in found[: self._most_links]]


class ShellSpans:
    """Makes the spans of a shell's batches (ShellObserver)."""

    def __init__(self, spans: Spans, group: str) -> None:
        self._spans = spans
        self._group = group

    def on_sent(self, topic: str, records: Iterable[object]) -> None:
        """Do nothing: the span of the batch is enough."""

    def on_batch(self, topic: str, records: Sequence[Record], spent: Spent) -> None:
        """Make the span of a batch."""
        self._spans.note_batch(self._group, topic, records, spent)

    def on_checkpoint(self, topic: str, seconds: float) -> None:
        """Do nothing: a checkpoint belongs to several batches."""


def _link(context: bytes, attributes: Attributes = None) -> Link:
    """Return a link to a context (worker/flow/trace_context.py)."""
    trace_id, span_id, flags = int.from_bytes(context[:16]), int.from_bytes(context[16:24]), context[24]
    return Link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)), attributes)


def _fail(span: Span, why: str) -> None:
    """Note why something has failed, which is a stable word."""
    span.set_attribute("error.type", why)
    span.set_status(Status(StatusCode.ERROR))
