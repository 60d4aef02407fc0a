"""The next timers beside the rows: the same as in all rows, whatever was written in whatever order."""

from flow.cases.following import step
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.cases.case import Cases, encode_cases, opened
from worker.flow.cases.due_index import _TIDY_FROM, DueIndex
from worker.flow.cases.service import Due, Timer, TimerKind


def row(*times: int) -> bytes:
    """Return a row with one case for each time of a timer, and one case without a timer."""
    due = [Due(time, None, [Timer(time, TimerKind.REMIND)]) for time in times]
    return encode_cases(Cases([opened(step()), *(opened(step(), each) for each in due)]))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"]),
            st.none() | st.lists(st.integers(0, 9), max_size=3),
            max_size=4,
        ),
        max_size=20,
    ),
    st.integers(0, 10),
)
def test_it_knows_the_same_as_all_rows(writes: list[dict[bytes, list[int] | None]], now: int) -> None:
    index, rows = DueIndex(), dict[bytes, list[int]]()
    for write in writes:
        index.update({key: None if times is None else row(*times) for key, times in write.items()})
        for key, times in write.items():
            rows.pop(key, None)
            if times:
                rows[key] = times
    timers = sorted((min(times), key) for key, times in rows.items())

    assert list(index.due(now)) == [(at, key) for at, key in timers if at <= now]
    assert index.next_at() == (timers[0][0] if timers else None)
    assert list(index.due(now)) == [(at, key) for at, key in timers if at <= now]


def test_timers_that_move_all_the_time_do_not_fill_the_memory() -> None:
    index = DueIndex({b"a": row(1)})
    for time in range(3 * _TIDY_FROM):
        index.update({b"b": row(time)})

    assert len(index._heap) <= _TIDY_FROM + 2 * 2
    assert list(index.due(10 * _TIDY_FROM)) == [(1, b"a"), (3 * _TIDY_FROM - 1, b"b")]
