"""What the HTTP server and the fetcher count alike: the words for outcomes, and what an unknown source is called."""

from worker.flow.responses.formats.outcome import Accepted, Fetch, Ignored, Outcome, Part

#: What a source is called in the metrics and in the log that is not in the settings. No source can have this name.
UNKNOWN = "(unknown)"


def word_of(outcome: Outcome) -> str:
    """Return the word by which an outcome is counted."""
    if isinstance(outcome, Accepted):
        return "accepted"
    if isinstance(outcome, Part):
        return "part"
    if isinstance(outcome, Fetch):
        return "fetch"
    return "ignored" if isinstance(outcome, Ignored) else "refused"
