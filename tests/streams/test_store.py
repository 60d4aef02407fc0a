"""Changes of a state in memory that are not durable: they can be taken back, whatever they were."""

from hypothesis import given
from hypothesis import strategies as st

from worker.flow.batch import Output
from worker.kafka import journal
from worker.kafka.rows import Head, PartitionState
from worker.streams.store import Rows, Unsaved

ROWS = st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=3))


def state_of(rows: Rows) -> PartitionState:
    state = PartitionState()
    for key, row in rows.items():
        state.put(key, row)
    state.head = Head(1)
    return state


def size(state: PartitionState) -> int:
    return sum(len(key) + len(row) for key, row in state.rows.items())


@given(ROWS, st.lists(ROWS))
def test_what_was_changed_is_seen_at_once_and_can_be_taken_back(durable: Rows, batches: list[Rows]) -> None:
    state, expected = state_of(durable), state_of(durable)
    same_rows, unsaved, merged = state.rows, Unsaved(state), dict[bytes, bytes | None]()
    for mark, rows in enumerate(batches, 2):
        unsaved.change(rows, Head(mark))
        merged |= rows

    assert (state_of({**durable, **merged}).rows, Head(1 + len(batches))) == (state.rows, state.head)
    assert journal.total_size(merged) == unsaved.size
    assert size(state) == state.size

    assert merged == unsaved.take_back()
    assert size(state) == state.size
    assert (expected.rows, expected.head) == (state.rows, state.head)
    assert same_rows is state.rows, "an index keeps them"


def test_outputs_are_kept_in_their_order_and_count_for_the_size() -> None:
    unsaved = Unsaved(state_of({}))
    first, second = Output("tallies", b"key", b"value"), Output("tallies", None, None)
    unsaved.change({}, Head(2), [first])
    unsaved.change({}, Head(3), [second])

    assert unsaved.outputs == [first, second]
    assert unsaved.size == 8
