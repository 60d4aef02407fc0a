"""The trace context of a record: which trace it belongs to, as its publisher has written it. Pure.

It is the header `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context-1/#traceparent-header). An
alert gets the context of the response that has caused it, and so do its notices. The worker adds no span of its own to
the context. So a replay publishes the same bytes, and it does not matter whether tracing is switched on.

The header `tracestate` is not read: it is a text of any content that nothing here would need, and it would be kept for
as long as the alert.
"""

import re

from schemas.cloudevents import Headers
from worker.flow.batch import Record
from worker.flow.record import header

HEADER = "traceparent"

#: Version, trace id, span id and flags; a later version may have further fields.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?")
#: The only version that is known.
_VERSION = "00"
_INVALID_VERSION = "ff"
#: The flag that means: spans of this trace are recorded. A later version may have other flags.
_SAMPLED = 1


def trace_context(text: str) -> bytes | None:
    """Return the context that a text is; None if it is not a valid one. What a later version adds is left out.

    The result has 25 bytes, since rows hold contexts: 16 of the trace id, 8 of the span id, and 1 of the flags.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _INVALID_VERSION or (version == _VERSION and more is not None):
        return None
    if not (trace_id.strip("0") and span_id.strip("0")):
        return None
    context = bytes.fromhex(trace_id + span_id + flags)
    return context if version == _VERSION else context[:-1] + bytes([context[-1] & _SAMPLED])


def is_sampled(context: bytes) -> bool:
    """Say whether the publisher records the span of a context."""
    return bool(context[-1] & _SAMPLED)


def traceparent(context: bytes) -> bytes:
    """Return the header of a context, in the known version."""
    return f"{_VERSION}-{context[:16].hex()}-{context[16:24].hex()}-{context[24:].hex()}".encode()


def context_of(record: Record) -> bytes | None:
    """Return the context of a record, as `trace_context` does; None if it has none, or an invalid one."""
    value = header(record, HEADER) if record.headers else None
    return None if value is None else trace_context(value.decode(errors="replace"))


def context_headers(context: bytes | None) -> Headers:
    """Return the header by which a record carries a context; nothing without one."""
    return [] if context is None else [(HEADER, traceparent(context))]
