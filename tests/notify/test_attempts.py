"""Results of attempts, and the rows that may have them already."""

from schemas.delivery import DeliveryStatus
from worker.notify.attempts import AttemptResult
from worker.notify.mailbox import Mail


def mail(attempts: int) -> Mail:
    return Mail("d-1", "a-1", "care", DeliveryStatus.DEFERRED, attempts, 0, 0)


def test_a_result_is_written_if_the_row_counts_its_attempt() -> None:
    """A worker that lost a partition and gets it back has the result in memory, and perhaps in the row as well."""
    result = AttemptResult(None, "care", "care", [], tried=mail(2))

    assert result.is_unwritten(mail(2))
    assert not result.is_unwritten(mail(3))
    assert AttemptResult(None, "care", "care", []).is_unwritten(mail(3))
