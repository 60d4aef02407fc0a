"""A customer's row: what is remembered, and for how long."""

from itertools import count
from typing import Any

import msgspec
import pytest
from flow.carrying import Partition, numbered
from flow.records import DAY, HOUR, NOW, Record, earlier, of, value
from flow.responses.test_road import counted

from worker.flow import events
from worker.flow.batch import Overlay
from worker.flow.policy import HistoryPolicy, IntakePolicy
from worker.flow.responses.customer import Answer, Contact, customers
from worker.flow.responses.intake import validate
from worker.flow.timestamps import from_ms
from worker.lineage import segment_path


def remember(contact: Contact, *, policy: HistoryPolicy | None = None, now: int = NOW, **changes: Any) -> None:
    response, at = validate(Record(value(**changes), timestamp=now), IntakePolicy())
    before = contact.answer(response.response_id)
    answer = Answer(
        response.response_id,
        response.revision,
        response.score,
        segment_path(response.segment),
        at,
        counted=not response.test,
        arrived_at=before.arrived_at if before else now,
        survey_id=response.survey_id,
    )
    contact.remember(answer, before, now, policy or HistoryPolicy())


def ids(contact: Contact) -> list[str]:
    return [answer.response_id for answer in contact.answers]


def test_an_answer_is_remembered_with_what_a_correction_will_need() -> None:
    contact = Contact()
    remember(contact, revision=2, score=4, responded_at="2023-11-14T23:00:00.5+01:00")

    expected = Answer("r-1", 2, 4, "fr/shop-3", NOW - 800_000 + 500, counted=True, arrived_at=NOW, survey_id="autumn")
    assert expected == contact.answer("r-1")
    assert contact.answer("r-2") is None


def test_a_trial_answer_is_remembered_as_not_counted() -> None:
    contact = Contact()
    remember(contact, test=True)

    assert [answer.counted for answer in contact.answers] == [False]


def test_a_revision_takes_the_place_of_the_one_before() -> None:
    contact = Contact()
    for response_id in ("a", "b", "c"):
        remember(contact, response_id=response_id)
    remember(contact, response_id="b", revision=1, score=0, segment=[])

    assert ids(contact) == ["a", "b", "c"]
    assert [(a.revision, a.score, a.segment) for a in contact.answers] == [
        (0, 9, "fr/shop-3"),
        (1, 0, ""),
        (0, 9, "fr/shop-3"),
    ]


@pytest.mark.parametrize("kept", [1, 2, 32])
def test_the_row_has_this_number_of_answers_and_forgets_the_oldest(kept: int) -> None:
    contact, policy = Contact(), HistoryPolicy(answers=kept)
    for number in range(40):
        remember(contact, response_id=f"r-{number}", policy=policy)

    assert [f"r-{number}" for number in range(40 - kept, 40)] == ids(contact)


def test_the_default_is_32_answers_and_two_years() -> None:
    assert (HistoryPolicy().answers, HistoryPolicy().days) == (32, 730)


@pytest.mark.parametrize(("age", "kept"), [(10 * DAY - 1, True), (10 * DAY, True), (10 * DAY + 1, False)])
def test_an_answer_is_forgotten_when_it_is_older_than_the_horizon(age: int, *, kept: bool) -> None:
    contact, policy = Contact(), HistoryPolicy(days=10)
    remember(contact, response_id="old", responded_at=from_ms(NOW).isoformat(), policy=policy)
    remember(contact, response_id="new", responded_at=from_ms(NOW + age).isoformat(), now=NOW + age, policy=policy)

    assert (["old", "new"] if kept else ["new"]) == ids(contact)


def test_what_lies_exactly_on_the_horizon_is_kept_when_older_answers_go() -> None:
    horizon = NOW - 730 * DAY
    contact = Contact(
        answers=[earlier(response_id="old", arrived_at=horizon - 1), earlier(response_id="edge", arrived_at=horizon)]
    )
    remember(contact)

    assert ids(contact) == ["edge", "r-1"]


def test_a_revision_alone_makes_nothing_be_forgotten() -> None:
    contact = Contact(answers=[earlier(response_id="old", arrived_at=0), earlier()])
    remember(contact, revision=1)

    assert ids(contact) == ["old", "r-1"]


def test_an_old_answer_behind_a_young_one_is_forgotten_as_well() -> None:
    contact = Contact(answers=[earlier(response_id="young"), earlier(response_id="old", arrived_at=0)])
    remember(contact)

    assert ids(contact) == ["young", "r-1"]


def test_an_answers_age_is_that_of_its_first_coming_not_of_when_it_was_given_or_corrected() -> None:
    contact, policy = Contact(), HistoryPolicy(days=10)
    remember(contact, response_id="late", responded_at="1970-01-01T00:00:00Z", policy=policy)
    remember(contact, response_id="late", revision=1, now=NOW + 9 * DAY, policy=policy)
    remember(contact, response_id="b", now=NOW + 10 * DAY, policy=policy)
    assert ids(contact) == ["late", "b"]

    remember(contact, response_id="c", now=NOW + 10 * DAY + 1, policy=policy)
    assert ids(contact) == ["b", "c"]


# The overlay of one batch


class Rows(dict[bytes, bytes]):
    """A table that counts how often it is read."""

    reads = 0

    def read(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self.get(key)


def written(contacts: Overlay[Contact]) -> Rows:
    return Rows({key: row for key, row in contacts.rows().items() if row is not None})


def test_a_row_survives_being_written_and_read() -> None:
    contact = Contact(mark=2**40, answers=[earlier(), earlier(response_id="é😀")], invited_at=NOW)
    contacts = customers(Rows().read)
    contacts.put(b"c-1", contact)

    assert contact == customers(written(contacts).read).get(b"c-1")


def test_a_row_is_read_once_and_its_changes_are_kept() -> None:
    first = customers(Rows().read)
    first.put(b"c-1", Contact())
    rows = written(first)
    contacts = customers(rows.read)
    for score in count():
        contact = contacts.get(b"c-1")
        assert contact is not None
        contact.invited_at = score
        if score == 3:
            break

    assert rows.reads == 1
    again = customers(written(contacts).read).get(b"c-1")
    assert again is not None
    assert again.invited_at == 3


def test_an_unknown_customer_has_no_row() -> None:
    assert customers(Rows().read).get(b"c-1") is None


def test_an_erased_customer_is_gone_at_once_and_its_row_with_the_batch() -> None:
    contacts = customers(Rows().read)
    contacts.put(b"c-1", Contact())
    contacts.erase(b"c-1")

    assert contacts.get(b"c-1") is None
    assert contacts.rows() == {b"c-1": None}


def test_one_who_answers_after_being_erased_has_a_new_row() -> None:
    contacts = customers(Rows().read)
    contacts.put(b"c-1", Contact(invited_at=NOW))
    contacts.erase(b"c-1")
    contacts.put(b"c-1", Contact())

    assert Contact() == customers(written(contacts).read).get(b"c-1")


# Ids beyond the answers


def shared(size: int, **changes: Any) -> list[Record]:
    """Return answers of an id that many people share."""
    times = [from_ms(NOW - (size - n) * 60_000).isoformat() for n in range(size)]
    values = [value(response_id=f"r-{n}", score=n % 11, responded_at=at, **changes) for n, at in enumerate(times)]
    return [Record(given) for given in values]


def test_a_batch_of_a_shared_id_that_comes_again_is_a_duplicate_of_each_answer() -> None:
    outputs = Partition().carry(numbered([*shared(100), *shared(100)]))

    assert [d["outcome"] for d in of(events.DECISIONS, outputs)] == ["accepted"] * 100 + ["duplicate"] * 100


def test_a_correction_of_an_answer_whose_id_alone_is_kept_is_decided_and_not_counted() -> None:
    log = [*shared(100), Record(value(response_id="r-3", revision=2, score=0)), *shared(4)[3:]]
    later = [Record(value(response_id="r-3", revision=revision, score=9)) for revision in (1, 2, 3)]
    partition = Partition()
    outputs = partition.carry(numbered([*log, *later]))
    decisions = [d for d in of(events.DECISIONS, outputs) if d["response_id"] == "r-3"]

    outcomes = ["accepted", "forgotten", "superseded", "superseded", "duplicate", "forgotten"]
    assert [decision["outcome"] for decision in decisions] == outcomes
    assert [a["revision"] for a in of(events.ALERTS, outputs) if a["response_id"] == "r-3"] == [0, 2]
    assert sum(counted(outputs)) == 100


@pytest.mark.parametrize("kept", [0, 1, 50])
def test_this_number_of_ids_is_kept_and_the_oldest_is_forgotten_first(kept: int) -> None:
    contact, policy = Contact(), HistoryPolicy(answers=10, known_ids=kept)
    for n in range(80):
        remember(contact, response_id=f"r-{n}", revision=n, policy=policy)
    found = {n: contact.older_revision(f"r-{n}") for n in range(80)}

    assert {n: revision for n, revision in found.items() if revision is not None} == {
        n: n for n in range(70 - kept, 70)
    }


@pytest.mark.parametrize("revision", [2**31, 2**32 - 1, 2**32, NOW, 2**53 - 1])
def test_of_an_older_answer_any_revision_that_is_accepted_is_kept(revision: int) -> None:
    """Some publishers count revisions in milliseconds since 1970."""
    partition, hour_later = Partition(), min(revision + 2 * HOUR, 2**53 - 1)
    log = [Record(value(response_id=f"r-{n}", revision=revision, segment=[f"{n}"])) for n in range(100)]
    log += [Record(value(response_id="r-3", revision=again, score=0)) for again in (revision, 7, hour_later)]
    outputs = partition.carry(numbered(log))
    outcomes = [d["outcome"] for d in of(events.DECISIONS, outputs) if d["response_id"] == "r-3"]

    corrected = "forgotten" if hour_later > revision else "duplicate"
    assert outcomes == ["accepted", "duplicate", "superseded", corrected]


def test_the_largest_row_is_below_kafkas_limit() -> None:
    contact, policy = Contact(), HistoryPolicy(answers=240, known_ids=20_000)
    contact.older_ids = bytes(12 * 20_000)
    for n in range(300):
        longest: dict[str, Any] = {"survey_id": "😀" * 200, "segment": ["😀" * 100] * 8}
        remember(contact, policy=policy, response_id=f"{n:😀>200}", **longest)

    assert 64 <= len(contact.answers) < 240
    assert len(msgspec.msgpack.encode(contact)) < 900_000
