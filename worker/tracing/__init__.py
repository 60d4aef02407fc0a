"""Traces: spans of batches and of attempts to send. Only this room knows OpenTelemetry, which need not be installed."""
