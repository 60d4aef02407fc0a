"""A file's lines go out as they stand, each under its customer's key."""

import json
from pathlib import Path

import pytest
from flow.records import answer, value

from worker.kafka.publishing import customer_key, lines


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b" a \n", [b" a "]),
        (b"\xef\xbb\xbfa\n\xff\x00\n", [b"\xef\xbb\xbfa", b"\xff\x00"]),
        ("a\u2028b\x0bc\x85\n".encode(), ["a\u2028b\x0bc\x85".encode()]),
    ],
    ids=repr,
)
def test_every_line_is_one_value_and_nothing_about_it_is_changed(
    tmp_path: Path, content: bytes, expected: list[bytes]
) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_bytes(content)

    assert expected == lines(path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (value(), b"c-1"),
        (value(score="wrong in other ways"), b"c-1"),
        (value(customer_id="é"), "é".encode()),
        (json.dumps({"specversion": "1.0", "data": answer(customer_id="c-9")}).encode(), b"c-9"),
        (json.dumps(answer() | {"data": "no object"}).encode(), b"c-1"),
        (json.dumps({"data": {}}).encode(), None),
        (value(customer_id=""), None),
        (value(customer_id=5), None),
        (value(customer_id=None), None),
        (value(customer_id=["c-1"]), None),
        (b"{}", None),
        (b"null", None),
        (b"[]", None),
        (b'"c-1"', None),
        (b"{", None),
        (b"", None),
        (b"\xff", None),
        (value(customer_id="@").replace(b"@", rb"\ud800"), None),
        (b"[" * 100_000 + b"]" * 100_000, None),
        (b'{"data":' * 100_000 + b"1" + b"}" * 100_000, None),
        (b'{"customer_id": "c-1", "x": ' + b"[" * 100_000, None),
        (b'{"customer_id": "c-1", "x": ' + b"9" * 5_000 + b"}", None),
    ],
    ids=lambda given: repr(given)[:40],
)
def test_the_key_is_the_customers_id_where_one_can_be_found(given: bytes, expected: bytes | None) -> None:
    assert expected == customer_key(given)
