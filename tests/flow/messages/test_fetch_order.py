"""What is written of an order to fetch an answer is read again; what no worker writes is refused."""

import json
from typing import Any

import pytest

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import MemoryRecord
from worker.flow.messages import fetch_order
from worker.flow.messages.fetch_order import FetchOrder, Get

ORDER = FetchOrder(
    "after_delivery",
    {"details": Get("/v3/surveys/1/responses/2/details", {"simple": "true"})},
    {"revision": 7, "channel": "web"},
)
MEMBERS = json.loads(fetch_order.output(ORDER).value or b"")


def record(value: Any) -> MemoryRecord:
    encoded = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return MemoryRecord("nps.fetches", 1, 2, 3, b"", encoded, [])


def test_an_order_comes_back_as_it_was_and_lies_with_others_for_the_same_answer() -> None:
    tried = ORDER._replace(attempts=2, not_before=1_772_440_000_000)
    sent, again = fetch_order.output(ORDER), fetch_order.output(tried)

    assert (sent.topic, sent.partition) == ("fetches", None)
    assert sent.key == again.key == b"after_delivery:/v3/surveys/1/responses/2/details"
    assert fetch_order.read(record(sent.value)) == ORDER
    assert fetch_order.read(record(again.value)) == tried


def test_what_a_later_version_adds_is_not_read_and_what_an_earlier_one_lacks_has_a_default() -> None:
    earlier = {name: value for name, value in MEMBERS.items() if name not in {"attempts", "not_before"}}
    assert fetch_order.read(record({**earlier, "later": 1})) == ORDER


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"\xff",
        b"[" * 100_000,
        "text",
        {**MEMBERS, "source": None},
        {**MEMBERS, "requests": {}},
        {**MEMBERS, "requests": []},
        {**MEMBERS, "requests": {"details": 1}},
        {**MEMBERS, "requests": {"details": {"path": "//elsewhere.example.org", "query": None}}},
        {**MEMBERS, "requests": {"details": {"path": "elsewhere", "query": {}}}},
        {**MEMBERS, "requests": {"details": {"path": "/", "query": {"a": 1}}}},
        {**MEMBERS, "known": []},
        {**MEMBERS, "known": {"revision": None}},
        {**MEMBERS, "attempts": "1"},
        {**MEMBERS, "not_before": None},
    ],
)
def test_what_no_worker_writes_is_refused(value: Any) -> None:
    with pytest.raises(Rejected) as raised:
        fetch_order.read(record(value))
    assert raised.value.reason is Reason.WRONG_TYPE
