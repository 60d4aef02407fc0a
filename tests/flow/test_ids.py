from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.ids import id_hash, make_id

Parts = st.lists(st.one_of(st.text(max_size=8), st.integers(-9, 99)), max_size=4)


def test_an_id_is_a_uuid5_that_never_changes() -> None:
    assert make_id("detractor_alert", "r-20461") == "b38b4d1c-0fe9-5bed-ab73-4b5f385a2f1f"
    assert UUID(make_id("a")).version == 5


@pytest.mark.unmeasured
@given(Parts)
def test_an_id_is_what_the_standard_library_makes_of_it(parts: list[str | int]) -> None:
    name = "k" + "".join(f"|{len(str(part))}:{part}" for part in parts)

    assert str(uuid5(uuid5(NAMESPACE_URL, "urn:nps:detractor-worker"), name)) == make_id("k", *parts)


@given(st.sampled_from(["a", "ab"]), Parts, st.sampled_from(["a", "ab"]), Parts)
def test_only_the_same_kind_and_parts_make_the_same_id(
    kind: str, parts: list[str | int], other_kind: str, other_parts: list[str | int]
) -> None:
    same = (kind, [str(part) for part in parts]) == (other_kind, [str(part) for part in other_parts])

    assert same == (make_id(kind, *parts) == make_id(other_kind, *other_parts))


def test_neighbouring_parts_do_not_run_into_each_other() -> None:
    ids = {
        make_id("k", *parts) for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("a|2:bc",), ("", "abc"), ("abc", "")]
    }

    assert len(ids) == 6


@given(st.text(max_size=30))
def test_a_number_fits_63_bits(response_id: str) -> None:
    assert 0 <= id_hash(response_id) < 2**63


def test_numbers_differ_and_never_change() -> None:
    assert len({id_hash(f"r-{n}") for n in range(10_000)}) == 10_000
    assert id_hash("r-1") == id_hash("r-1")
