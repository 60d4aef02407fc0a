"""A publisher's transaction that stays open is said, since all records behind it wait; one that moves on is not."""

import pytest
from faust.types import TP

from worker.streams.transactions import Known, OpenTransactions

TP_1 = TP("nps.responses", 1)
TP_2 = TP("nps.responses", 2)


def said(caplog: pytest.LogCaptureFixture, *looks: dict[TP, Known]) -> list[str]:
    """Return what is said in looks that follow each other, each with what is known then."""
    coming = iter(looks)
    transactions = OpenTransactions(lambda: next(coming))
    for _ in looks:
        transactions.look()
    return caplog.messages


def test_a_transaction_that_stays_open_is_said_with_what_waits(caplog: pytest.LogCaptureFixture) -> None:
    [line] = said(
        caplog,
        {TP_1: Known(stable=10, end=11, at=100), TP_2: Known(stable=5, end=5, at=100)},
        {TP_1: Known(stable=10, end=17, at=200), TP_2: Known(stable=5, end=5, at=200)},
    )

    assert line.startswith("nps.responses, partition 1: a publisher's transaction has been open for a minute")
    assert "7 records behind offset 10 wait" in line


def test_it_is_said_each_minute_until_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    still = [{TP_1: Known(stable=10, end=12, at=at)} for at in range(4)]
    ended = {TP_1: Known(stable=13, end=13, at=5)}

    assert len(said(caplog, *still, ended, ended)) == 3


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({TP_1: Known(stable=12, end=20, at=200)}, id="another transaction is open"),
        pytest.param({TP_1: Known(stable=10, end=12, at=100)}, id="Kafka has not answered since"),
        pytest.param({}, id="the partition is another worker's"),
    ],
)
def test_what_moves_on_or_is_not_known_is_not_said(caplog: pytest.LogCaptureFixture, later: dict[TP, Known]) -> None:
    assert said(caplog, {TP_1: Known(stable=10, end=12, at=100)}, later) == []
