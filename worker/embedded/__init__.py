"""A Kafka and a mail inbox that the demo and the tests start; neither Docker nor Java has to be installed."""

from worker.errors import WorkerError


class EmbeddedError(WorkerError):
    """The embedded Kafka could not be fetched, started or reached. The text ends with the last lines of its log."""
