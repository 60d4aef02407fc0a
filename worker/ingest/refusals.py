"""Why a delivery is not taken: the status of its answer, and the word by which it is counted."""

from enum import Enum
from typing import NamedTuple


class _Refusal(NamedTuple):
    #: The value of the label `outcome` (worker/metrics/catalogue.py).
    outcome: str
    status: int
    #: What the answer says.
    text: str
    #: In how many seconds the tool should deliver again; None if that would change nothing.
    retry_after: int | None = None
    #: Whether the connection is closed, since the rest of the request is not read.
    closes: bool = False


class Refusal(_Refusal, Enum):
    """Why a delivery is not taken."""

    #: The answer is the same for a source that does not exist, so that nobody can find out which sources there are. It
    #: is never 404 or 410, on which some tools cease to deliver.
    UNAUTHENTIC = "unauthentic", 401, "not authentic"
    PLAIN_HTTP = "plain_http", 401, "not authentic"
    TOO_LARGE = "too_large", 413, "the body is too large", None, True
    TOO_SLOW = "too_slow", 408, "the body did not arrive in time", None, True
    UNREADABLE = "unreadable", 400, "the body cannot be read"
    ENCODING_UNKNOWN = "unreadable", 415, "the content encoding is not known"
    OVERLOADED = "overloaded", 503, "too many deliveries at the same time", 1, True
    UNAVAILABLE = "unavailable", 503, "the delivery could not be stored", 5
    BUG = "error", 500, "an error in the worker", 60


class NotTaken(Exception):
    """A delivery is not taken."""

    def __init__(self, refusal: Refusal, why: str = "") -> None:
        """`why`: what the log says of it in addition; it has nothing of the delivery."""
        super().__init__(refusal.text)
        self.refusal = refusal
        self.why = why
