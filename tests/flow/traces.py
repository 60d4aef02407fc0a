"""Trace contexts for tests, and the headers that have them."""

from worker.flow.trace_context import trace_context


def context(number: int, flags: str = "01") -> str:
    """Return a valid context: each number has a trace and a span of its own."""
    return f"00-{number:032x}-{number:016x}-{flags}"


def packed(number: int, flags: str = "01") -> bytes:
    """Return the same context as rows have it."""
    found = trace_context(context(number, flags))
    assert found is not None
    return found


def traced(number: int, flags: str = "01") -> list[tuple[str, bytes | None]]:
    """Return the headers of a record with such a context."""
    return [("traceparent", context(number, flags).encode())]
