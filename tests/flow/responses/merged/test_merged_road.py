"""The road of a part: answers whose parts come one after the other, in any order, more than once, around crashes."""

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from flow.carrying import spread
from flow.records import NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.messages import response_part
from worker.flow.messages.response_part import ResponsePart
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.merging import Known
from worker.flow.responses.merged import road
from worker.flow.responses.merged.answer import Answer, decode, encode
from worker.flow.responses.merged.forgetting import ROWS_PER_BATCH, Sweep
from worker.flow.timestamps import DAY
from worker.rebuild.records import apply

KEPT = 7 * DAY
BASE = {"survey_id": "s", "customer_id": "c-1", "responded_at": "2026-03-02T10:00:00Z"}


def part(answer: str, question: str, at: int, **fields: Any) -> ResponsePart:
    response_id = f"survicate:{answer}"
    return ResponsePart("onsite", response_id, question, at, {**BASE, "response_id": response_id, **fields})


def records(*parts: ResponsePart, first: int = 0, at: int = NOW) -> list[Record]:
    """Return the parts as records of one partition."""
    sent = [response_part.output(one) for one in parts]
    return [
        Record(one.value, one.key, first + number, 2, at, topic="nps.response-parts") for number, one in enumerate(sent)
    ]


class Lane:
    """One partition of the parts, with its rows. The caller decides what survives a crash."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.sweep = Sweep(self.rows)
        self.latest_time = 0

    def decide(self, batch: Sequence[Record]) -> Decided:
        return road.decide(road.Batch(batch, self.latest_time, self.sweep), self.rows, spread, KEPT, IntakePolicy())

    def take(self, batch: Sequence[Record]) -> list[Output]:
        decided = self.decide(batch)
        apply(self.rows, decided.rows)
        self.latest_time = decided.latest_time
        return decided.outputs


def responses(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"") for one in outputs if one.topic == events.RESPONSES]


def letters(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"") for one in outputs if one.topic == events.DEAD_LETTERS]


def test_the_comment_that_comes_alone_becomes_a_revision_of_its_score() -> None:
    lane = Lane()
    first = lane.take(records(part("1", "score", 10, score=6)))
    second = lane.take(records(part("1", "why", 20, comment="Prices."), first=1))

    assert [(one["revision"], one["score"], one.get("comment")) for one in responses(first + second)] == [
        (0, 6, None),
        (1, 6, "Prices."),
    ]
    assert [(one.key, one.partition) for one in first + second] == [(b"c-1", spread(b"c-1"))] * 2
    assert [dict(one.headers) for one in first + second] == [{"nps-source": b"onsite"}] * 2


def test_a_comment_that_comes_first_waits_for_its_score() -> None:
    lane = Lane()
    assert lane.take(records(part("1", "why", 20, comment="Prices."))) == []
    [response] = responses(lane.take(records(part("1", "score", 10, score=6), first=1)))

    assert (response["score"], response["comment"], response["revision"]) == (6, "Prices.", 1)


def test_an_anonymous_answer_goes_to_the_partition_of_its_parts() -> None:
    [sent] = Lane().take(records(part("1", "score", 10, score=6, anonymous=True)))

    assert (sent.key, sent.partition) == (None, None)


def test_the_order_of_arrival_does_not_matter_even_for_parts_of_the_same_time() -> None:
    parts = [
        part("1", "score", 10, score=6, comment="of the score"),
        part("1", "why", 10, comment="Prices."),
        part("1", "who", 10, language="en"),
    ]
    last = []
    for order in permutations(parts):
        lane, sent = Lane(), list[Output]()
        for number, one in enumerate(order):
            sent += lane.take(records(one, first=number))
        last.append(responses(sent)[-1])

    assert all(one == last[0] for one in last)
    assert (last[0]["comment"], last[0]["language"], last[0]["revision"]) == ("Prices.", "en", 2)


def test_what_cannot_be_accepted_is_a_dead_letter_and_the_answer_stays() -> None:
    lane = Lane()
    wrong = part("1", "score", 20, score=["no number"])
    no_part = Record(b"{}", b"survicate:1", 1, 2, NOW, topic="nps.response-parts")
    sent = lane.take([*records(part("1", "score", 10, score=6)), no_part, *records(wrong, first=2)])

    assert [(one["reason"], one["topic"], one["offset"]) for one in letters(sent)] == [
        (Reason.WRONG_TYPE, "nps.response-parts", 1),
        (Reason.SCORE_NOT_INTEGER, "nps.response-parts", 2),
    ]
    [response] = responses(lane.take(records(part("1", "who", 30, language="en"), first=3)))
    assert (response["score"], response["revision"]) == (6, 1)


def test_values_that_are_nested_too_deeply_stop_nothing() -> None:
    """What can just be read may be too deep to be written."""
    fields = json.dumps({**BASE, "response_id": "survicate:1", "score": 6, "comment": []})
    value = f'{{"source": "s", "response_id": "survicate:1", "part": "q", "at": 1, "fields": {fields}}}'
    batch = [
        Record(value.replace("[]", "[" * depth + "]" * depth).encode(), b"survicate:1", depth, 2, NOW, topic="parts")
        for depth in range(500, 1_000)
    ]
    refused = letters(Lane().take(batch))

    assert len(refused) == len(batch)
    assert {one["reason"] for one in refused} == {Reason.TOO_DEEP, Reason.WRONG_TYPE}


def test_a_row_never_becomes_larger_than_a_record_of_kafka() -> None:
    lane, long = Lane(), "x" * 90_000
    sent = [
        one
        for number in range(8)
        for one in lane.take(records(part("1", f"q-{number}", number, comment=long), first=number))
    ]

    assert [one["reason"] for one in letters(sent)] == [Reason.TOO_LARGE] * 3
    [row] = lane.rows.values()
    assert len(row) <= road.LARGEST
    [response] = responses(lane.take(records(part("2", "score", 90, score=6), first=8)))
    assert response["score"] == 6


def test_an_answer_is_forgotten_some_days_after_its_last_part_and_no_earlier() -> None:
    lane = Lane()
    lane.take(records(part("1", "score", 10, score=6)))
    lane.take(records(part("1", "why", 20, comment="Prices."), first=1, at=NOW + 3 * DAY))
    # It comes again, which is no reason to keep it for longer.
    lane.take(records(part("1", "why", 20, comment="Prices."), first=2, at=NOW + 5 * DAY))
    lane.take(records(part("2", "score", 10, score=7), first=3, at=NOW + 10 * DAY))
    assert lane.rows.keys() == {b"survicate:1", b"survicate:2"}

    lane.take(records(part("2", "why", 20, comment="Ok."), first=4, at=NOW + 11 * DAY + 1))
    assert lane.rows.keys() == {b"survicate:2"}


def test_a_forgotten_answer_counts_as_unknown_before_it_is_erased() -> None:
    lane = Lane()
    lane.take(records(part("1", "score", 10, score=6), *(part(f"x{n}", "score", 1, score=1) for n in range(300))))
    assert ROWS_PER_BATCH < 300
    [response] = responses(lane.take(records(part("1", "score", 30, score=9), first=500, at=NOW + KEPT + 1)))

    assert (response["score"], response["revision"]) == (9, 0)


def test_a_row_of_a_later_version_can_be_read() -> None:
    answer = Answer(Known({"score": 6}, {"q": (10, {"score": 6})}, 1), 5, NOW)
    row = encode(answer)
    more = row[:8] + json.dumps({**json.loads(row[8:]), "later": 1}).encode()

    assert decode(row) == decode(more) == answer


def test_half_of_a_character_reaches_the_responses_as_it_came() -> None:
    lane = Lane()
    lane.take(records(part("1", "why", 20, comment="Half: \ud83d")))
    [response] = responses(lane.take(records(part("1", "score", 10, score=6), first=1)))

    assert response["comment"] == "Half: \ud83d"


_PARTS = st.builds(
    lambda answer, question, at, score: part(
        str(answer), question, at, **({"score": score} if question == "score" else {question: str(score)})
    ),
    st.integers(1, 3),
    st.sampled_from(["score", "comment", "language"]),
    st.integers(1, 4),
    st.integers(0, 10),
)


def newest(parts: Sequence[ResponsePart]) -> dict[tuple[str, str], ResponsePart]:
    """Return the part that counts of each question of each answer. Of the same time, the last to arrive counts."""
    found: dict[tuple[str, str], ResponsePart] = {}
    for one in parts:
        known = found.get((one.response_id, one.part))
        if known is None or known.at <= one.at:
            found[one.response_id, one.part] = one
    return found


@given(st.lists(_PARTS, max_size=12), st.data())
def test_each_answer_is_one_response_with_the_latest_of_each_question_whatever_crashes(
    parts: list[ResponsePart], data: st.DataObject
) -> None:
    """A crash leaves any of a batch's rows, and then the batch is decided again. An independent recount is right."""
    lane, log, done = Lane(), records(*parts), 0
    sent: list[Output] = []
    while done < len(log):
        batch = log[done : done + data.draw(st.integers(1, 4))]
        for _ in range(data.draw(st.integers(0, 2))):
            decided = lane.decide(batch)
            sent += decided.outputs
            survived = data.draw(st.sets(st.sampled_from([*decided.rows] or [b""])))
            apply(lane.rows, {key: row for key, row in decided.rows.items() if key in survived})
        sent += lane.take(batch)
        done += len(batch)

    published: dict[str, dict[int, dict[str, Any]]] = {}
    for one in responses(sent):
        known = published.setdefault(one["response_id"], {})
        assert known.setdefault(one["revision"], one) == one, "a revision has one content only"
    last = {response_id: of[max(of)] for response_id, of in published.items()}
    counted: dict[str, dict[str, Any]] = {}
    for (response_id, _), given_last in newest(parts).items():
        fields = given_last.fields
        own = {name: fields[name] for name in ("score", "comment", "language") if name in fields}
        counted.setdefault(response_id, {}).update(own)
    wanted: Mapping[str, Any] = {key: own for key, own in counted.items() if "score" in own}
    assert {key: {name: one[name] for name in wanted[key]} for key, one in last.items()} == wanted


def test_without_marks_a_replay_would_count_a_part_again() -> None:
    """Two answers to the same question at the same time: without the mark, each replay would make a higher revision."""
    lane = Lane()
    batch = records(part("1", "score", 10, score=6), part("1", "score", 10, score=7))
    first = lane.take(batch)

    assert lane.take(batch) == []
    assert [one["revision"] for one in responses(first)] == [0, 1]


@pytest.mark.parametrize("key", [None, b"", b"other"])
def test_a_part_under_another_key_is_refused(key: bytes | None) -> None:
    [record] = records(part("1", "score", 10, score=6))
    [letter] = letters(Lane().take([record._replace(key=key)]))

    assert letter["reason"] == Reason.WRONG_TYPE
