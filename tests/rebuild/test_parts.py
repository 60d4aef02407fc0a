"""The table of answers that come in parts, put together again: its rows are those that were lost."""

from flow.carrying import spread
from flow.records import NOW
from flow.responses.merged.test_merged_road import KEPT, Lane, part, records
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.policy import IntakePolicy
from worker.flow.timestamps import DAY
from worker.rebuild.parts import PartsAgain


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["score", "why"]), st.integers(1, 4)), max_size=12))
def test_the_same_parts_make_the_same_rows(given_parts: list[tuple[int, str, int]]) -> None:
    lane, again = Lane(), PartsAgain(spread, KEPT, IntakePolicy())
    for offset, (answer, question, at) in enumerate(given_parts):
        batch = records(part(str(answer), question, at, score=at), first=offset, at=NOW + offset * 3 * DAY)
        lane.take(batch)
        again.take(batch)

    assert again.rows == lane.rows
    assert again.latest_time == lane.latest_time
