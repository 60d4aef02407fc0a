"""Where a record was before the worker sent it on: what its header says, if it is the worker's own."""

import pytest
from flow.records import HERE, Record

from worker.flow.record import ORIGIN_HEADER, Place, header, origin_header, sent_on


def test_what_is_written_is_what_is_read() -> None:
    record = Record(offset=2**63 - 1, partition=999)

    assert origin_header(record, HERE) == (ORIGIN_HEADER, b"cluster-1/nps.responses@999:9223372036854775807")
    assert Place(999, 2**63 - 1) == sent_on(Record(headers=[("x", b"y"), origin_header(record, HERE)]), HERE)


@pytest.mark.parametrize("home", [HERE, "a@b/c@1:2", "@", "é/x"])
def test_any_home_is_read_back(home: str) -> None:
    record = Record(headers=[origin_header(Record(offset=7, partition=3), home)])

    assert Place(3, 7) == sent_on(record, home)
    assert sent_on(record, "other") is None


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
    assert sent_on(Record(headers=[(ORIGIN_HEADER, text.encode())]), HERE) is None


def test_bytes_that_are_no_text_are_nothing_either() -> None:
    assert sent_on(Record(headers=[(ORIGIN_HEADER, HERE.encode() + b"\xff@3:7")]), HERE) is None


def test_a_header_may_be_null() -> None:
    """Kafka allows it, and aiokafka hands it out as None, whatever its types say."""
    assert sent_on(Record(headers=[(ORIGIN_HEADER, None)]), HERE) is None


def test_only_the_header_of_just_that_name_counts() -> None:
    name, value = origin_header(Record(), HERE)

    assert sent_on(Record(headers=[(name.title(), value), (f"x-{name}", value)]), HERE) is None


def test_a_headers_name_is_found_in_any_case() -> None:
    record = Record(headers=[("a", b"1"), ("CE_Id", b"2"), ("ce_id", b"3")])

    assert (b"2", None) == (header(record, "ce_id"), header(record, "b"))
