"""Lines about deliveries that are not taken: there is one a minute of each kind, and it says how many there were."""

import pytest

from worker.ingest.problems import Problems


def test_a_line_says_how_many_others_of_its_kind_were_not_written(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    problems = Problems(lambda: now)
    for number in range(3):
        problems.report("care", "unauthentic", f"r-{number}", "the signature is missing")
    problems.report("care", "too_large", "r-3", "the body is too large")
    problems.report("lyon", "unauthentic", "r-4", "the signature is missing")
    now = 60.0
    for number in (5, 6):
        problems.report("care", "unauthentic", f"r-{number}", "the signature is missing")
    now = 120.0
    problems.report("care", "too_large", "r-7", "the body is too large")
    problems.report("care", "unauthentic", "r-8", "the signature is missing")

    assert [record.getMessage() for record in caplog.records] == [
        "source care: unauthentic: the signature is missing (request r-0)",
        "source care: too_large: the body is too large (request r-3)",
        "source lyon: unauthentic: the signature is missing (request r-4)",
        "source care: unauthentic: the signature is missing (request r-5); 2 more since the last such line",
        "source care: too_large: the body is too large (request r-7)",
        "source care: unauthentic: the signature is missing (request r-8); 1 more since the last such line",
    ]
