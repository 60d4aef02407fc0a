"""Where a record was before the worker rerouted it: what its header says, if it is the worker's own."""

from typing import Any

import pytest
from flow.records import HERE, SECRET, Record, value

from worker.flow.batch import Place
from worker.flow.record import ORIGIN_HEADER, PROOF_HEADER, header, origin_headers, origin_of, proof_of, size_of


def onward(home: str = HERE, secret: bytes = SECRET, **changes: Any) -> Record:
    """Return a record as it arrives in partition 5 after the worker sent it on from 3:7; changed on the way."""
    record = Record(value(), None, 7, 3)
    headers = origin_headers(record, home, secret, b"c-1", 5)
    return Record(value(), b"c-1", 40, 5, headers=headers)._replace(**changes)


def proven(text: bytes, **changes: Any) -> Record:
    """Return a record whose header says this, with a proof as if the worker had written it."""
    record = onward(**changes)
    proof = proof_of(text, record.partition, record.key, record.value, SECRET)
    return record._replace(headers=[(ORIGIN_HEADER, text), (PROOF_HEADER, proof)])


def test_what_is_written_is_what_is_read() -> None:
    record = Record(value(), offset=2**63 - 1, partition=999)
    headers = origin_headers(record, HERE, SECRET, b"c-1", 0)

    assert headers[0] == (ORIGIN_HEADER, b"cluster-1/nps.responses@999:9223372036854775807")
    assert Place(999, 2**63 - 1) == origin_of(Record(value(), headers=[("x", b"y"), *headers]), HERE, SECRET)


@pytest.mark.parametrize("home", [HERE, "a@b/c@1:2", "@", "é/x"])
def test_any_home_is_read_back(home: str) -> None:
    assert Place(3, 7) == origin_of(onward(home), home, SECRET)
    assert origin_of(onward(home), "other", SECRET) is None


@pytest.mark.parametrize(
    "changes",
    [{"partition": 6}, {"key": b"c-2"}, {"key": None}, {"value": value(score=0)}, {"value": None}, {"value": b""}],
    ids=str,
)
def test_a_proof_holds_for_its_record_in_its_partition_only(changes: dict[str, Any]) -> None:
    assert origin_of(onward(**changes), HERE, SECRET) is None


def test_a_place_that_was_changed_is_none() -> None:
    (name, text), proof = onward().headers
    assert text is not None
    forged = onward(headers=[(name, text.replace(b":7", b":9223372036854775807")), proof])

    assert origin_of(forged, HERE, SECRET) is None


@pytest.mark.parametrize("proof", [None, b"", b"x", bytes(16), bytes(17)])
def test_without_the_workers_proof_a_place_is_none(proof: bytes | None) -> None:
    origin = onward().headers[0]

    assert origin_of(onward(headers=[origin]), HERE, SECRET) is None
    assert origin_of(onward(headers=[origin, (PROOF_HEADER, proof)]), HERE, SECRET) is None


def test_who_does_not_know_the_secret_proves_nothing_and_without_one_nothing_is_proven() -> None:
    assert origin_of(onward(secret=bytes(32)), HERE, SECRET) is None
    assert origin_of(onward(secret=b""), HERE, b"") is None


def test_a_null_value_and_an_empty_one_have_other_proofs() -> None:
    assert proof_of(b"x", 0, None, b"", SECRET) != proof_of(b"x", 0, b"", None, SECRET)


def test_the_size_of_a_record_counts_its_key_and_its_headers() -> None:
    assert size_of(b"kk", b"vvv", []) == 5
    assert size_of(b"", None, [("é", b"1234"), ("b", None)]) == 27


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "3:7",
        "@3:7",
        HERE,
        f"{HERE}@",
        f"{HERE}@3",
        f"{HERE}@3:",
        f"{HERE}@:7",
        f"{HERE}@3:7:9",
        f"{HERE}@-3:7",
        f"{HERE}@3:-7",
        f"{HERE}@ 3:7",
        f"{HERE}@3:7\n",
        f"{HERE}@3:7.0",
        f"{HERE}@3:1_0",
        f"{HERE}@²:7",
        f"{HERE}@٣:7",
        f"{HERE}@3:{10**19}",
        f"{HERE}@{'9' * 5_000}:7",
        "cluster-2/nps.responses@3:7",
        "cluster-1/nps.responses-copy@3:7",
        f"x{HERE}@3:7",
    ],
)
def test_what_the_worker_did_not_write_here_is_nothing(text: str) -> None:
    assert origin_of(proven(text.encode()), HERE, SECRET) is None


def test_bytes_that_are_no_text_are_nothing_either() -> None:
    assert origin_of(proven(HERE.encode() + b"\xff@3:7"), HERE, SECRET) is None


def test_a_header_may_be_null() -> None:
    """Kafka allows it, and aiokafka hands it out as None, whatever its types say."""
    assert origin_of(onward(headers=[(ORIGIN_HEADER, None), (PROOF_HEADER, None)]), HERE, SECRET) is None


def test_only_the_header_of_just_that_name_counts() -> None:
    (name, text), proof = onward().headers

    assert origin_of(onward(headers=[(name.title(), text), (f"x-{name}", text), proof]), HERE, SECRET) is None


def test_a_headers_name_is_found_in_any_case() -> None:
    record = Record(headers=[("a", b"1"), ("CE_Id", b"2"), ("ce_id", b"3")])

    assert (b"2", None) == (header(record, "ce_id"), header(record, "b"))
