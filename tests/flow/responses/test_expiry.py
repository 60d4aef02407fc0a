"""Customers who were silent for longer than `history.days`: their rows go, and it makes no difference when."""

from typing import Any

import msgspec
import pytest
from flow.carrying import Partition, identities, numbered
from flow.records import DAY, NOW, POLICY, Record, earlier, happy, of, value
from flow.responses.test_road import is_claim, others, outcomes
from hypothesis import given
from hypothesis import strategies as st

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.responses import expiry
from worker.flow.responses.customer import Contact, decode_contact, encode_contact
from worker.flow.responses.expiry import Sweep, unexpired
from worker.flow.timestamps import from_ms

#: After so many days without an answer a customer is silent; the quarantine of an invitation lasts 180.
SILENT = POLICY.history.days
OTHER = {"customer_id": "c-2", "response_id": "r-2"}


def day(number: int, record: bytes | None, key: bytes = b"c-1") -> Record:
    return Record(record, key, timestamp=NOW + number * DAY)


def kept(partition: Partition) -> set[bytes]:
    return set(partition.rows)


@pytest.mark.parametrize(("days", "goes"), [(SILENT, False), (SILENT + 1, True)])
def test_the_row_of_a_silent_customer_goes_with_the_records_of_others(days: int, *, goes: bool) -> None:
    partition = Partition()
    for record in numbered([day(0, value()), day(days, value(**OTHER), b"c-2")]):
        partition.carry([record])

    assert kept(partition) == ({b"c-2"} if goes else {b"c-1", b"c-2"})


def test_a_row_that_version_0_1_0_wrote_goes_as_well() -> None:
    partition = Partition()
    partition.rows[b"old"] = msgspec.msgpack.encode([0, [["r-1", 0, 2, "fr", NOW, True, NOW, "autumn"]], None])
    partition.rows[b"older"] = msgspec.msgpack.encode([0, [["r-1", 0, 2, "fr", NOW, True, NOW]], NOW])
    partition.carry([day(SILENT + 1, value(**OTHER), b"c-2")._replace(offset=1)])

    assert kept(partition) == {b"c-2"}


def test_a_quarantine_that_has_not_ended_is_all_that_remains_and_goes_when_it_ends() -> None:
    policy = POLICY.model_copy(update={"history": POLICY.history.model_copy(update={"days": 100})})
    partition = Partition(policy=policy)
    log = numbered([day(0, happy()), *(day(n, value(**OTHER), b"c-2") for n in (101, 179, 180))])
    for record in log[:2]:
        partition.carry([record])
    assert decode_contact(partition.rows[b"c-1"]) == Contact(0, invited_at=NOW)

    partition.carry(log[2:3])
    assert kept(partition) == {b"c-1", b"c-2"}
    partition.carry(log[3:])
    assert kept(partition) == {b"c-2"}


def test_who_answers_again_within_the_quarantine_is_not_invited_again() -> None:
    policy = POLICY.model_copy(update={"history": POLICY.history.model_copy(update={"days": 100})})
    partition = Partition(policy=policy)
    for record in numbered([day(0, happy()), day(101, value(**OTHER), b"c-2")]):
        partition.carry([record])
    outputs = partition.carry([day(102, happy(response_id="r-3"))._replace(offset=2)])

    assert of(events.INVITATIONS, outputs) == []
    assert decode_contact(partition.rows[b"c-1"]).invited_at == NOW


@pytest.mark.parametrize("swept", [True, False])
def test_what_comes_of_a_silent_customer_is_new_whether_the_row_is_still_there_or_not(*, swept: bool) -> None:
    partition = Partition()
    if not swept:
        partition.sweep = None
    log = [day(0, value(score=2)), day(SILENT + 1, value(**OTHER), b"c-2")]
    log += [day(SILENT + 2, value(score=9, revision=1)), day(SILENT + 2, value(score=9, revision=1))]
    for record in numbered(log):
        outputs = partition.carry([record])
        assert kept(partition) <= {b"c-1", b"c-2"}
        if record.offset == 1:
            assert (b"c-1" in partition.rows) is not swept
        elif record.offset == 2:
            assert outcomes(outputs) == ["accepted"]
    assert outcomes(outputs) == ["duplicate"]
    assert [answer.score for answer in decode_contact(partition.rows[b"c-1"]).answers] == [9]


def test_a_copy_of_what_came_late_is_a_duplicate_though_its_record_has_an_old_time() -> None:
    """Brokers' clocks differ. What counts is how far time had come in the partition when the answer came."""
    partition = Partition()
    late = day(-SILENT - 9, value(responded_at="2020-01-01T00:00:00Z"))
    log = numbered([day(n, value(**OTHER), b"c-2") for n in range(3)])
    for record in (log[0], late._replace(offset=1), log[2]):
        partition.carry([record])

    assert outcomes(partition.carry([late._replace(offset=3)])) == ["duplicate"]


# A few rows with each batch


def rows(count: int, *, seen: int = NOW) -> dict[bytes, bytes]:
    contact = Contact(0, [earlier(arrived_at=seen)])
    return {b"c-%d" % n: encode_contact(contact) for n in range(count)}


def test_few_rows_are_looked_at_with_each_batch_until_all_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes] = []

    peek = expiry._peek

    def peeked(row: bytes) -> Any:
        looked_at.append(row)
        return peek(row)

    monkeypatch.setattr(expiry, "_peek", peeked)
    table, later = rows(1_000), NOW + (SILENT + 1) * DAY
    sweep = Sweep(table)
    for batch in range(1, 70):
        for key in sweep.changes(later, POLICY):
            del table[key]
        assert len(looked_at) == min(16 * batch, 1_000)
    assert table == {}


def test_a_round_begins_a_day_after_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows(1)
    sweep = Sweep(table)
    horizon = NOW + SILENT * DAY
    assert sweep.changes(horizon, POLICY) == {}
    assert sweep.changes(horizon + DAY - 1, POLICY) == {}
    assert sweep.changes(horizon + DAY, POLICY) == {b"c-0": None}


def test_rows_that_came_or_went_since_the_round_began_do_no_harm() -> None:
    table = rows(20)
    sweep = Sweep(table)
    assert sweep.changes(NOW, POLICY) == {}
    table.clear()
    table |= {b"new": rows(1)[b"c-0"]}

    assert sweep.changes(NOW + (SILENT + 1) * DAY, POLICY) == {}
    assert sweep.changes(NOW + (SILENT + 1) * DAY, POLICY) == {b"new": None}


def test_a_row_that_its_own_batch_has_changed_is_as_the_batch_has_it() -> None:
    """It is read before the batch, and expired by what the batch has passed: the customer's new answer counts."""
    partition = Partition()
    partition.rows |= rows(1)
    again = day(SILENT + 1, value(customer_id="c-0", response_id="r-9"), b"c-0")._replace(offset=1)
    partition.carry([again])

    assert [answer.response_id for answer in decode_contact(partition.rows[b"c-0"]).answers] == ["r-9"]


# However the log is cut, wherever a worker crashes, whenever rows are looked at


def claim() -> Record:
    """Return the record by which c-9 takes the response `x` from the customer who has it."""
    (found,) = filter(
        is_claim, Partition().carry([Record(value(response_id="x", revision=1, customer_id="c-9"), b"c-9")])
    )
    return Record(found.value, None, headers=found.headers)


CLAIM = claim()


def test_who_has_been_silent_for_long_gives_nothing_up() -> None:
    partition = Partition()
    partition.sweep = None
    partition.carry([day(0, value(response_id="x", score=2))])
    taken = CLAIM._replace(offset=1, timestamp=NOW + SILENT * DAY)
    assert outcomes(partition.decide([taken]).outputs) == ["moved"]

    assert outcomes(partition.carry([taken._replace(timestamp=taken.timestamp + 1)])) == []
    assert [answer.exclusion for answer in decode_contact(partition.rows[b"c-1"]).answers] == [0]


CUSTOMERS = ("c-1", "c-2", "c-3", "c-4")
Answers = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(CUSTOMERS),
        "response_id": st.sampled_from("abx"),
        "revision": st.integers(0, 2),
        "score": st.sampled_from([2, 9, 10]),
    }
)
Erased = st.sampled_from(CUSTOMERS)
#: What comes, and how many days after what came before.
Steps = st.tuples(
    st.one_of(Answers, Answers, Answers, st.just(CLAIM), Erased),
    st.sampled_from([0, 0, 1, 1, 40, 60, 100, 110, -1, -70]),
)


def log_of(steps: list[tuple[Any, int]]) -> list[Record]:
    found, time = list[Record](), NOW
    for what, days in steps:
        time += days * DAY
        if isinstance(what, dict):
            answer = happy(**what, responded_at=from_ms(time).isoformat())
            record = Record(answer, what["customer_id"].encode())
        else:
            record = Record(None, what.encode()) if isinstance(what, str) else what
        found.append(record._replace(timestamp=time))
    return numbered(found)


Logs = st.lists(Steps, max_size=16).map(log_of)
POLICY_OF_100_DAYS = POLICY.model_copy(update={"history": POLICY.history.model_copy(update={"days": 100})})


def rest_of(partition: Partition) -> dict[bytes, Any]:
    """Return what the rows say, whether the expired ones have been looked at or not."""
    contacts = {
        key: unexpired(decode_contact(row), partition.latest_time, partition.policy)
        for key, row in partition.rows.items()
    }
    return {key: contact for key, contact in contacts.items() if contact is not None}


def sent_by(outputs: list[Output]) -> set[tuple[str, bytes | None, bytes | None]]:
    return {(output.topic, output.key, output.value) for output in others(outputs)}


@pytest.mark.unmeasured
@given(Logs, st.data())
def test_it_makes_no_difference_when_a_row_is_looked_at(log: list[Record], data: st.DataObject) -> None:
    never = Partition(policy=POLICY_OF_100_DAYS)
    never.sweep = None
    expected = [output for record in log for output in never.carry([record])]

    partition, outputs, start = Partition(policy=POLICY_OF_100_DAYS), list[Output](), 0
    while start < len(log):
        end = data.draw(st.integers(start + 1, len(log)), label="cut")
        if data.draw(st.booleans(), label="somebody else takes over"):
            partition.sweep = Sweep(partition.rows)
        if data.draw(st.booleans(), label="crash"):
            crashed = partition.decide(log[start:end])
            outputs += crashed.outputs
            there = {key: row for key, row in crashed.rows.items() if row is not None and data.draw(st.booleans())}
            partition.write(there)
            partition.sweep = Sweep(partition.rows)
        else:
            outputs += partition.carry(log[start:end])
            start = end

    assert identities(expected) == identities(outputs)
    assert sent_by(expected) == sent_by(outputs)
    assert rest_of(never) == rest_of(partition)
    assert never.latest_time == partition.latest_time
