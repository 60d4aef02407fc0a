"""Each customer counts once: a recount where answers are held back as bursts, or move to another customer.

Which answers count is what the decisions say. The recount has the rest from the plain list of what was published.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from flow.records import HOUR, NOW, Record, arrived, of, value
from flow.responses.test_people import PLACES, Known, World
from hypothesis import example, given
from hypothesis import strategies as st

from worker.flow import events
from worker.flow.batch import Output

CUSTOMERS = ("c-0", "c-1", "c-2")
COUNTED, KNOWN = {"accepted", "revised"}, {"duplicate", "superseded", "differs"}
#: Customer, response, segment, survey, milliseconds after the hour, hours ago, score, comment, and what happens.
Step = tuple[str, str, tuple[str, ...], str, int, int, int, str | None, str]
Answer = st.tuples(
    st.sampled_from(CUSTOMERS),
    st.integers(0, 5).map("r-{}".format),
    st.sampled_from(PLACES[:2]),
    st.sampled_from(["s", "s", "s", "t"]),
    st.sampled_from([0, 200, 400, 600, 1_500, 2_500]),
    st.sampled_from([0, 0, 24, 40 * 24, 100 * 24]),
    st.sampled_from([0, 3, 7, 8, 9, 10]),
    st.sampled_from([None, None, None, "Late"]),
    st.sampled_from(["answer"] * 8 + ["test", "erase", "read"]),
)


@st.composite
def _scans(draw: st.DrawFn) -> list[Step]:
    """Make what a mail scanner or an impatient finger publishes: answers of one customer within moments."""
    customer, ago = draw(st.sampled_from(CUSTOMERS)), draw(st.sampled_from([0, 24, 40 * 24]))
    scores = draw(st.one_of(st.permutations([0, 3, 7, 9, 10]), st.lists(st.sampled_from([3, 9]), max_size=3)))
    first = draw(st.sampled_from([0, 5]))
    found: list[Step] = [
        (customer, f"r-{first + n}", ("fr", "a"), "s", 100 * n, ago, score, None, "answer")
        for n, score in enumerate(scores)
    ]
    return found


Steps = st.lists(st.one_of(Answer.map(lambda step: [step]), _scans()), max_size=8).map(
    lambda groups: [step for group in groups for step in group]
)


class Shared(World):
    """A world in which a response may move to another customer, and a batch may have several records."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: list[Record] = []
        self.next_revision: dict[str, int] = defaultdict(int)
        self.published: dict[tuple[str, str, int], Known] = {}

    def take(self, step: Step) -> None:
        customer, response, names, survey, after, ago, score, comment, what = step
        if what == "erase":
            self.append(None, customer)
        elif what == "read":
            self.flush()
        else:
            revision = self.next_revision[response]
            self.next_revision[response] += 1
            at = NOW - ago * HOUR - HOUR + after
            body = value(
                customer_id=customer,
                response_id=response,
                revision=revision,
                survey_id=survey,
                segment=list(names),
                score=score,
                comment=comment,
                test=what == "test",
                responded_at=datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds"),
            )
            paths = {"/".join(names[:depth]) for depth in range(len(names) + 1)} | {f"/survey/{survey}"}
            self.published[customer, response, revision] = Known(at, response, score, frozenset(paths))
            self.append(body, customer)

    def append(self, body: bytes | None, customer: str) -> None:
        self.batch.append(Record(body, customer.encode(), self.offset))
        self.offset += 1

    def flush(self) -> None:
        """Decide the batch, and then what it has published for the worker itself: claims of responses that moved."""
        while self.batch:
            batch, self.batch = self.batch, []
            outputs = self.contacts.carry(batch)
            self.count(arrived(outputs, events.TALLIES, self.tally_count))
            self.note(outputs)
            for record in arrived(outputs, events.RESPONSES, self.offset):
                self.batch.append(record._replace(topic=batch[0].topic))
                self.offset += 1

    def note(self, outputs: list[Output]) -> None:
        for decision in of(events.DECISIONS, outputs):
            customer, outcome = decision["customer_id"], decision["outcome"]
            if outcome == "erased":
                self.people[f"{customer} until {decision['decision_id']}"] = self.people.pop(customer, {})
                continue
            response = decision["response_id"]
            if outcome in COUNTED:
                known = self.published.get((customer, response, decision["revision"]))
                assert known is not None, json.dumps(decision)
                self.people[customer][response] = known
            elif outcome not in KNOWN:
                self.people[customer].pop(response, None)


def scan(customer: str, *scores: int, first: int = 0, ago: int = 0) -> list[Step]:
    return [
        (customer, f"r-{first + n}", ("fr", "a"), "s", 100 * n, ago, score, None, "answer")
        for n, score in enumerate(scores)
    ]


READ: Step = ("c-0", "", (), "", 0, 0, 0, None, "read")


@pytest.mark.unmeasured
@given(Steps)
@example([*scan("c-0", 0, 3, 7, 9, 10), READ, *scan("c-0", 9, first=6, ago=24)])
@example([*scan("c-0", 9, first=6, ago=24), *scan("c-0", 0, 3, 7), READ, *scan("c-0", 9, first=3)])
@example([*scan("c-0", 9, 3), READ, *scan("c-1", 3, 3), READ, *scan("c-0", 9)])
@example(scan("c-0", *[n % 11 for n in range(24)]))
def test_a_recount_under_bursts_and_moves_in_batches_of_any_size(steps: list[Step]) -> None:
    world = Shared()
    for step in steps:
        world.take(step)
    world.flush()
    world.check()


def test_a_scan_leaves_the_customers_answer_of_the_day_before_as_the_latest() -> None:
    world = Shared()
    for step in [*scan("c-0", 9, first=6, ago=24), READ, *scan("c-0", 0, 3, 7, 10)]:
        world.take(step)
    world.flush()

    assert world.recount("fr/a", NOW)["all"] == (1, 0, 0)
    world.check()
