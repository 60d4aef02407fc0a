"""Incidents of the version before. Their rows do not say since when a drop is open, nor how it may fall further."""

import msgspec
import pytest
from flow.incidents.judged import GOOD, LOW, NOW, Table, opened, watch

from worker.detect.watch import OpenIncident, Watch

DAY = 24


def older(found: Watch, sign_since: int = 0) -> Watch:
    """Return a watch as the version before wrote it; `sign_since`: since when its detector has a sign of its own."""
    detector = found.detector
    detector.fall = 10.0
    if sign_since:
        detector.r_values, detector.cusums, detector.possible_starts = (1e3,) * 3, (6.0,) * 3, (sign_since,) * 3
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(found))
    row[0] = row[0][:-2]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Watch)


@pytest.mark.parametrize(("days", "steps"), [(59, []), (60, [("", "new_level")])])
@pytest.mark.parametrize("has_sign", [True, False])
def test_a_drop_without_further_answers_settles(days: int, steps: list[tuple[str, str]], *, has_sign: bool) -> None:
    since = NOW - days * DAY
    drop = OpenIncident(since, since, opened().severity)
    found = older(watch((20, GOOD), (days, LOW), drop=drop), since if has_sign else 0)

    assert [(step.segment, step.reason) for step in Table({"": found}).judge()] == steps


def test_a_segment_without_a_sign_of_its_own_does_not_leave_in_silence() -> None:
    drop = msgspec.structs.replace(opened(), also=["fr/b"])
    table = Table(
        {
            "": watch((62, GOOD)),
            "fr": watch((62, GOOD)),
            "fr/a": older(watch((50, GOOD), (12, LOW), drop=drop), drop.since),
            "fr/b": older(watch((50, GOOD), (6, (14, 9, 7)), (6, GOOD), low=drop)),
        }
    )
    assert table.judge() == []

    left = table.watches["fr/a"].drop
    assert left is not None
    assert left.also == ["fr/b"]
    assert table.watches["fr/b"].detector.open_since == drop.hour
