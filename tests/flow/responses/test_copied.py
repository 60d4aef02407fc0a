"""Which records of a responses topic are copied to another installation, and with which headers."""

from typing import Any

from flow.records import HERE, SECRET, Record, answer, value

from worker.flow.record import origin_headers
from worker.flow.responses import moved
from worker.flow.responses.copied import Copied
from worker.flow.responses.moved import Claim

TRACE = ("traceparent", b"00-1")


def sent_on(first: Record, key: bytes, partition: int, home: str = HERE, **changes: Any) -> Record:
    """Return what came of a record in the partition of its customer."""
    headers = [*first.headers, *origin_headers(first, home, SECRET, key, partition)]
    return Record(first.value, key, 40, partition, headers=headers)._replace(**changes)


def copied(*records: Record, secret: bytes = SECRET) -> dict[Record, list[tuple[str, bytes | None]]]:
    """Return the headers of those records that are copied."""
    plan = Copied(secret)
    plan.learn(records)
    found = {}
    for record in records:
        headers = plan.headers(record)
        if headers is not None:
            found[record._replace(headers=())] = [*headers]
    return found


def bare(record: Record) -> Record:
    return record._replace(headers=())


def test_what_was_published_well_is_copied_as_it_is() -> None:
    plain, traced = Record(value(), offset=1), Record(value(), offset=2, headers=[TRACE])

    assert copied(plain, traced) == {plain: [], bare(traced): [TRACE]}


def test_in_place_of_a_record_with_a_wrong_key_the_one_that_came_of_it_is_copied() -> None:
    first = Record(value(), None, 7, 3, headers=[TRACE])
    second = sent_on(first, b"c-1", 5)

    assert copied(first, second) == copied(second, first) == {bare(second): [TRACE]}


def test_so_it_is_on_a_mirror_where_clusters_topics_and_offsets_are_others() -> None:
    first = Record(value(), None, 7, 3)
    second = sent_on(first, b"c-1", 5, home="another-cluster/nps.responses")

    assert copied(first._replace(offset=2), second._replace(offset=9)) == {bare(second)._replace(offset=9): []}


def test_a_record_that_was_not_sent_on_yet_is_copied() -> None:
    lost, other = Record(value(), None, 7, 3), Record(value(response_id="r-2"), None, 8, 3)
    elsewhere = Record(value(), None, 7, 2)

    assert copied(lost, other, elsewhere, sent_on(other, b"c-1", 5)).keys() >= {lost, elsewhere}


def test_of_a_record_that_was_sent_on_twice_because_of_a_crash_the_first_is_copied() -> None:
    first, later = Record(value(), None, 7, 3), Record(value(response_id="r-2"), None, 8, 3)
    once, twice = sent_on(first, b"c-1", 5), sent_on(first, b"c-1", 5, offset=42)
    next_one = sent_on(later, b"c-1", 5, offset=43)

    assert copied(first, later, once, twice, next_one).keys() == {bare(once), bare(next_one)}


def test_each_partition_that_records_are_sent_on_from_has_offsets_of_its_own() -> None:
    first, other = Record(value(), None, 7, 3), Record(value(response_id="r-2"), None, 2, 4)
    one, two = sent_on(first, b"c-1", 5), sent_on(other, b"c-1", 5, offset=41)

    assert copied(first, other, one, two).keys() == {bare(one), bare(two)}


def test_the_same_answer_in_another_partition_is_another_record() -> None:
    first, again = Record(value(), None, 7, 3), Record(value(), None, 7, 2)
    second = sent_on(first, b"c-1", 5)

    assert copied(first, again, second).keys() == {again, bare(second)}


def test_erasures_in_a_wrong_partition_are_told_apart_by_their_keys() -> None:
    moved_on, other = Record(None, b"c-1", 7, 3), Record(None, b"c-2", 8, 3)
    second = sent_on(moved_on, b"c-1", 5)

    assert copied(moved_on, other, second).keys() == {other, bare(second)}


def test_of_equal_erasures_in_a_wrong_partition_as_many_are_left_out_as_were_sent_on() -> None:
    first, repeated, last = (Record(None, b"c-1", offset, 3) for offset in (7, 8, 9))
    once, twice = sent_on(first, b"c-1", 5), sent_on(repeated, b"c-1", 5, offset=41)

    assert copied(first, repeated, once).keys() == {repeated, bare(once)}
    assert copied(first, repeated, last, once, twice).keys() == {last, bare(once), bare(twice)}


def test_an_erasure_that_was_sent_on_twice_because_of_a_crash_counts_once() -> None:
    first, repeated = Record(None, b"c-1", 7, 3), Record(None, b"c-1", 8, 3)
    once, again = sent_on(first, b"c-1", 5), sent_on(first, b"c-1", 5, offset=41)

    assert copied(first, repeated, once, again).keys() == {repeated, bare(once)}


def test_a_response_and_an_erasure_with_the_same_bytes_are_told_apart() -> None:
    erasure = Record(None, b"c-1", 7, 3)
    response = Record(b"c-1", b"c-1", 8, 3)

    assert copied(erasure, response, sent_on(erasure, b"c-1", 5)).keys() >= {response}


def test_claims_are_left_out() -> None:
    [claims, _] = moved.outputs({"r-1": [Claim("autumn", "c-1", 1)]}, 2, "first/nps.responses", SECRET)
    record = Record(claims.value, None, 7, 0, headers=claims.headers)

    assert copied(record) == {}
    assert copied(record._replace(partition=1)).keys() == {bare(record._replace(partition=1))}, "it proves nothing here"


def test_without_the_secret_everything_is_copied() -> None:
    first = Record(value(), None, 7, 3)
    second = sent_on(first, b"c-1", 5)

    assert copied(first, second, secret=b"") == {first: [], bare(second): [*second.headers]}


def test_who_forges_the_header_has_nothing_left_out() -> None:
    genuine = Record(value(**answer()), b"c-1", 7, 3)
    (name, text), (proof, code) = sent_on(genuine, b"c-1", 5).headers
    forged = Record(value(), b"c-1", 40, 5, headers=[(name, text), (proof, bytes(len(code or b"")))])

    assert copied(genuine, forged).keys() == {genuine, bare(forged)}
    assert copied(Record(value(), offset=3, headers=[(name, None)])).keys() == {Record(value(), offset=3)}
