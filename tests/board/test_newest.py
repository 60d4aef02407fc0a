"""The newest records: as many as the bounds allow, in the order of their times, and in pages."""

from hypothesis import given
from hypothesis import strategies as st

from worker.board.newest import PAGE, Bounds, Index, Kept, Newest, page_of

_PLACES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2), st.integers(0, 1_000)), unique=True, max_size=200)


def newest(records: int = 10, size: int = 1_000) -> tuple[Newest[Kept], list[Kept]]:
    dropped: list[Kept] = []
    return Newest(Bounds(records, size), dropped.append), dropped


@given(_PLACES, st.integers(1, 40))
def test_the_newest_are_kept_and_the_others_are_let_go(places: list[tuple[int, int, int]], most: int) -> None:
    found, dropped = newest(most)
    for place in places:
        found.put(Kept(place, 1))
    kept = [entry.place for entry in found.newest_first()]
    # What is older than all that is kept may be dropped at once, also if there was room for it later.
    assert kept == sorted(kept, reverse=True)
    assert len(kept) == len(found) <= most * 1.05
    assert sorted([*kept, *(entry.place for entry in dropped)]) == sorted(places)
    assert min(len(places), most) <= len(kept)
    if kept and dropped:
        assert max(entry.place for entry in dropped) < max(kept)


def test_the_bytes_are_bounded_as_well() -> None:
    found, dropped = newest(10, 100)
    for at in range(5):
        found.put(Kept((at, 0, at), 40))
    assert [entry.at for entry in found.newest_first()] == [4, 3]
    assert [entry.at for entry in dropped] == [0, 1, 2]
    found.put(Kept((9, 0, 9), 500))
    assert len(found) == 0


def test_a_partition_can_be_forgotten_and_an_entry_removed_once() -> None:
    found, dropped = newest()
    entries = [Kept((at, at % 2, at), 1) for at in range(4)]
    for entry in entries:
        found.put(entry)
    found.forget(1)
    found.remove([entries[0], entries[0], entries[1]])
    assert found.newest_first() == [entries[2]]
    assert dropped == [entries[1], entries[3], entries[0]]


@given(st.integers(0, 3 * PAGE))
def test_the_pages_have_each_entry_once(number: int) -> None:
    entries = [Kept((at // 3, at % 3, at), 1) for at in range(number)]
    newest_first = sorted(entries, key=lambda entry: entry.place, reverse=True)
    seen, after = list[Kept](), ""
    while True:
        page = page_of(newest_first, after)
        assert page.total == number
        seen += page.entries
        after = page.next
        if not after:
            break
    assert seen == newest_first


def test_a_cursor_that_somebody_has_made_up_begins_at_the_first_page() -> None:
    entries = [Kept((1, 0, 0), 1)]
    for cursor in ("x", "1.2", "1.2.x", "1.²" * 2, "9" * 30 + ".1.1"):
        assert list(page_of(entries, cursor).entries) == entries


def test_an_index_has_the_entries_of_a_text_by_their_times() -> None:
    index = Index[Kept]()
    late, early = Kept((2, 0, 0), 1), Kept((1, 0, 0), 1)
    for entry in (late, early):
        index.put("a", entry)
        index.put("", entry)
    assert (index.of("a"), index.of(""), index.of("b"), "a" in index, "" in index) == (
        [early, late],
        [],
        [],
        True,
        False,
    )
    index.drop("a", late)
    index.drop("a", late)
    index.drop("a", early)
    assert ("a" in index, index.of("a")) == (False, [])
