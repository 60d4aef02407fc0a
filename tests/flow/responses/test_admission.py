"""What the worker would say of a value that is not published yet."""

from typing import Any

import pytest

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.policy import IntakePolicy
from worker.flow.responses.admission import admitted, check
from worker.flow.responses.formats.canonical import checked
from worker.flow.responses.formats.outcome import Accepted, Refused

NOW = 1_772_440_000_000  # 2026-03-02T08:26:40Z
POLICY = IntakePolicy()


def accepted(**changes: Any) -> Accepted:
    """Return what an adapter accepts, which knows neither the time nor the settings."""
    answer = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 3}
    return checked({**answer, "responded_at": "2026-03-02T08:00:00Z", **changes})


def test_what_the_intake_accepts_stays_as_it_is() -> None:
    outcome = accepted(comment="x" * 900_000)

    assert admitted(outcome, NOW, POLICY) is outcome
    assert check(outcome.value, NOW, POLICY)[1] == NOW - 1_600_000


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"comment": "x" * 2_000_000}, Reason.TOO_LARGE, "at most 1000000 are accepted"),
        ({"responded_at": "2026-03-04T00:00:00Z"}, Reason.TIME_FUTURE, "more than 24 hours (intake.max_ahead_hours)"),
        ({"responded_at": "1969-12-31T00:00:00Z"}, Reason.TIME_INVALID, "is before 1970"),
    ],
)
def test_what_the_intake_would_refuse_is_refused(changes: dict[str, Any], reason: Reason, detail: str) -> None:
    outcome = accepted(**changes)
    found = admitted(outcome, NOW, POLICY)

    assert isinstance(found, Refused)
    assert found.reason is reason
    assert detail in found.detail
    with pytest.raises(Rejected, match=reason):
        check(outcome.value, NOW, POLICY)
