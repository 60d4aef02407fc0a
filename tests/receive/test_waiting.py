"""Which orders to fetch answers are carried out next, and what each failure means for them and for their source."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import FetchError
from worker.flow.batch import Place
from worker.flow.messages.fetch_order import FetchOrder, Get
from worker.notify.retry import RetryPolicy
from worker.receive.finished import Finished
from worker.receive.pacing import Pace
from worker.receive.waiting import Errand, Fate, Verdict, Waiting

RETRY = RetryPolicy(first_seconds=10, longest_seconds=40, give_up_days=0.001)
AWAY = FetchError("refused", "no connection", unavailable=True)
BUSY = FetchError("http_429", "too often", unavailable=True, retry_after=90)
BROKEN = FetchError("http_500", "could not", retry=True)
GONE = FetchError("http_404", "gone")


def order(answer: str, **changes: Any) -> FetchOrder:
    return FetchOrder("source", {"details": Get(f"/{answer}", {"simple": "true"})}, {"revision": 1})._replace(**changes)


def waiting(*answers: str, connections: int = 2) -> Waiting:
    found = Waiting(connections, RETRY)
    for offset, answer in enumerate(answers):
        found.add(order(answer), Place(0, offset), 0)
    return found


def paths(errands: list[Errand]) -> list[str]:
    return [errand.order.requests["details"].path for errand in errands]


def test_orders_are_carried_out_in_their_order_as_many_at_once_as_there_are_connections() -> None:
    source = waiting("a", "b", "c")
    [first, second] = source.take(0)

    assert paths([first, second]) == ["/a", "/b"]
    assert (source.take(0), source.next_at(0), source.orders) == ([], None, 3)
    source.succeeded(first, 0)
    assert paths(source.take(0)) == ["/c"]
    assert source.orders == 2


def test_an_order_that_is_not_due_delays_no_other() -> None:
    source = waiting("b")
    source.add(order("a", attempts=1, not_before=5), Place(0, 9), 5_000)

    assert paths(source.take(0)) == ["/b"]
    assert source.next_at(0) == 5_000
    assert paths(source.take(5_000)) == ["/a"]


def test_orders_for_the_same_are_fetched_once_but_not_with_one_that_is_in_flight_already() -> None:
    source = waiting("a", "a", "b", connections=1)
    [errand] = source.take(0)
    assert errand.places == [Place(0, 0), Place(0, 1)]

    source.add(order("a"), Place(0, 3), 0)  # the answer may have changed since the request was sent
    source.succeeded(errand, 0)
    assert paths(source.take(0)) == ["/b"]
    assert source.orders == 2


def test_an_order_that_is_due_hastens_the_same_one_that_waits_for_its_next_attempt() -> None:
    source = waiting()
    source.add(order("a", attempts=3), Place(0, 0), 60_000)
    source.add(order("a"), Place(0, 1), 1_000)

    [errand] = source.take(1_000)
    assert (errand.order.attempts, errand.places) == (3, [Place(0, 0), Place(0, 1)])
    assert source.next_at(60_000) is None


def test_other_requests_and_other_knowledge_are_another_order() -> None:
    source = waiting("a")
    source.add(order("a", known={"revision": 2}), Place(0, 1), 0)
    source.add(order("a", requests={"details": Get("/a", {"simple": "false"})}), Place(0, 2), 0)

    assert source.orders == len(source._waiting) == 3


def test_an_outage_holds_all_orders_back_and_one_at_a_time_is_tried_another_one_each_time() -> None:
    source = waiting("a", "b", "c")
    [a, b] = source.take(0)

    assert source.failed(a, AWAY, 0) == Verdict(Fate.WAITS, retry_after=1_000)
    assert source.failed(b, AWAY, 0) == Verdict(Fate.WAITS)
    assert (source.take(0), source.next_at(0)) == ([], 1_000)
    [c] = source.take(1_000)
    assert paths([c]) == ["/c"]
    assert source.failed(c, AWAY, 1_000).retry_after == 2_000
    [a] = source.take(3_000)
    assert paths([a]) == ["/a"]
    source.succeeded(a, 3_000)
    assert source.outage.until is None
    assert paths(source.take(3_000)) == ["/b", "/c"]


def test_an_api_that_asks_to_be_left_alone_is_left_alone() -> None:
    source = waiting("a", "b")
    [a, b] = source.take(0)

    assert source.failed(a, BUSY, 0) == Verdict(Fate.WAITS, retry_after=90_000)
    source.succeeded(b, 10)  # its request was sent before
    assert source.outage.until == 90_000
    assert (source.take(89_999), source.next_at(10)) == ([], 90_000)
    assert paths(source.take(90_000)) == ["/a"]


def test_an_order_that_the_api_cannot_answer_is_tried_again_later_and_given_up_in_the_end() -> None:
    source, waits = waiting(), []
    one = order("a")
    for attempt in range(1, 100):
        source.add(one, Place(0, attempt), 0)
        [errand] = source.take(0)
        verdict = source.failed(errand, BROKEN, 0)
        if verdict.fate is Fate.GIVEN_UP:
            break
        assert (verdict.fate, verdict.attempts) == (Fate.AGAIN, attempt)
        waits.append(verdict.wait)
        one = one._replace(attempts=verdict.attempts)

    assert waits == [10_000, 20_000, 40_000]  # 0.001 days are 86.4 seconds
    assert source.orders == 0


def test_an_answer_that_is_gone_is_given_up_at_once() -> None:
    source = waiting("a")
    [errand] = source.take(0)

    assert source.failed(errand, GONE, 0) == Verdict(Fate.GIVEN_UP)


def doubtful(status: int = 403) -> FetchError:
    return FetchError(f"http_{status}", "refused", in_doubt=True, alarm=True)


def test_an_api_that_refuses_one_order_only_is_believed_once_it_has_answered_another() -> None:
    source = waiting("a")
    [a] = source.take(0)
    again = source.failed(a, doubtful(), 0)
    assert (again.fate, again.attempts, again.wait) == (Fate.AGAIN, 1, 10_000)

    source.add(a.order._replace(attempts=1), Place(0, 1), again.wait)
    source.add(order("b"), Place(0, 2), 0)
    [b] = source.take(0)
    source.succeeded(b, 0)
    [a] = source.take(0)  # it need not wait any longer
    assert source.failed(a, doubtful(), 0) == Verdict(Fate.GIVEN_UP)


def test_an_api_that_refuses_all_orders_has_an_outage_and_none_is_given_up() -> None:
    source = waiting("a", "b", "c", connections=3)
    [a, b, c] = source.take(0)

    assert source.failed(a, doubtful(), 0).fate is Fate.AGAIN
    assert source.failed(b, doubtful(), 0).fate is Fate.AGAIN
    assert source.failed(c, doubtful(), 0) == Verdict(Fate.WAITS, retry_after=60_000, refuses_all=True)
    assert source.outage.until == 60_000
    [c] = source.take(60_000)
    source.succeeded(c, 60_000)
    assert source.outage.until is None


def test_orders_of_partitions_that_are_given_away_are_forgotten() -> None:
    source = waiting("a", "b")
    source.add(order("b"), Place(1, 0), 0)
    source.add(order("c"), Place(1, 1), 0)
    source.forget({0})

    assert [errand.places for errand in source.take(0)] == [[Place(1, 0)], [Place(1, 1)]]


def test_an_order_in_flight_whose_partition_is_given_away_does_not_wait_again() -> None:
    source = waiting("a", "a", "b")
    source.add(order("b"), Place(1, 0), 0)
    [a, b] = source.take(0)
    source.forget({0})

    assert source.orders == 4  # they are still in flight
    assert source.failed(a, AWAY, 0).fate is source.failed(b, AWAY, 0).fate is Fate.WAITS
    assert source.orders == 1
    assert [errand.places for errand in source.take(1_000)] == [[Place(1, 0)]]


def test_what_waits_before_an_offset_can_be_taken_out_and_comes_back() -> None:
    source = waiting("a", "b", "c", "d", connections=1)
    source.add(order("e"), Place(1, 0), 0)
    [_] = source.take(0)
    source.add(order("b"), Place(0, 4), -5)
    source.add(order("f"), Place(1, 1), -1)
    source.add(order("f"), Place(0, 5), -1)  # the topic may have got more partitions
    found = source.before({0: 3})

    assert {at: paths(errands) for at, errands in found.items()} == {0: ["/b", "/c"]}
    for errand in found[0]:
        source.take_out(errand)
    assert (source.orders, source.before({0: 3})) == (5, {})
    source.add(order("b"), Place(0, 9), -5)
    found = source.before({0: 10, 1: 10})
    assert {at: paths(errands) for at, errands in found.items()} == {0: ["/b", "/d"], 1: ["/f", "/e"]}


def test_an_order_that_was_put_back_joins_the_same_one_that_has_come_meanwhile() -> None:
    source = waiting("a")
    [a] = source.take(0)
    source.add(order("a"), Place(0, 1), 0)
    source.failed(a, AWAY, 0)

    assert source.orders == 2
    assert [errand.places for errand in source.take(1_000)] == [[Place(0, 1), Place(0, 0)]]


def test_what_nobody_waits_for_frees_its_connection() -> None:
    source = waiting("a", "b", connections=1)
    [a] = source.take(0)
    source.drop(a)

    assert paths(source.take(0)) == ["/b"]


def test_orders_may_be_finished_in_any_order_and_the_first_one_holds_the_offset_back() -> None:
    finished, found = Finished(), []
    for offset in (4, 5, 9):
        finished.begin(offset)
    for offset in (5, 9, 4):
        finished.finish(offset)
        found.append(finished.position)

    assert found == [4, 4, 10]
    assert Finished().position is None


@given(st.lists(st.sampled_from(["begin", "finish", "move"]), max_size=60), st.data())
def test_the_offset_to_commit_is_the_lowest_that_is_not_finished(steps: list[str], data: st.DataObject) -> None:
    finished, in_work, done, end = Finished(), set[int](), set[int](), 0
    for step in steps:
        if step == "begin":
            end += data.draw(st.integers(1, 3))  # offsets may have gaps
            finished.begin(end)
            in_work.add(end)
        elif in_work:
            one = data.draw(st.sampled_from(sorted(in_work)))
            finished.finish(one, moved=step == "move")
            finished.finish(one)  # once more, which changes nothing
            in_work.remove(one)
            if step == "finish":
                done.add(one)
        assert finished.position == (min(in_work) if in_work else end + 1 if end else None)
        assert finished.ahead == (len([one for one in done if one > min(in_work)]) if in_work else 0)
        assert finished.last == max(done, default=-1)
        assert finished.in_work == len(in_work)


@given(st.integers(1, 600), st.lists(st.integers(0, 30_000), min_size=1, max_size=200))
def test_no_minute_has_more_requests_than_are_allowed(per_minute: int, pauses: list[int]) -> None:
    pace, now, sent = Pace(per_minute), 0, list[int]()
    for pause in pauses:
        now = max(now + pause, sent[-1] if sent else 0)
        sent.append(pace.turn(now))

    assert sent == sorted(sent)
    for first in range(len(sent)):
        assert sum(sent[first] <= at < sent[first] + 60_000 for at in sent[first:]) <= per_minute + 1


def test_a_request_after_a_pause_is_sent_at_once() -> None:
    pace = Pace(60)

    assert [pace.turn(0), pace.turn(0), pace.turn(10_000), pace.turn(10_100)] == [0, 1_000, 10_000, 11_000]


@pytest.mark.parametrize("error", [AWAY, BUSY])
def test_what_is_no_fault_of_an_order_does_not_count_as_its_attempt(error: FetchError) -> None:
    source = waiting("a")
    [a] = source.take(0)
    source.failed(a, error, 0)

    assert source.take(200_000)[0].order.attempts == 0
