"""The memory of the page's board, and how long the data of a list takes. Without Kafka.

python -m bench.board                      10,000 segments, 100,000 cases: about a minute
python -m bench.board --segments 1000 --cases 10000
"""

import argparse
import gc
import importlib
import json
import random
import resource
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from schemas import examples
from schemas.alert import Severity
from schemas.case import CaseState
from schemas.cloudevents import ALERT
from worker.board.answers import AnswerQuery
from worker.board.board import FEWER, Board
from worker.board.cases import CaseQuery
from worker.board.dead_letters import LetterQuery
from worker.board.deliveries import LineQuery
from worker.board.newest import Bounds
from worker.board.recoveries import LoopQuery
from worker.flow import events
from worker.flow.batch import MemoryRecord
from worker.flow.cases.case import Case, Cases, Note, encode_cases
from worker.flow.ids import make_id
from worker.flow.policy import CasePolicy
from worker.nps.segment import Segment

#: The made-up data ends now: the role leaves out what is too old, such as cases that are forgotten.
NOW = int(time.time()) * 1_000
_DAY, _HOUR = 86_400_000, 3_600_000
#: As large as a region with its shops: 100 of them have 10,000 segments.
_PER_REGION = 100
_REPEATS = 15
PARTITIONS = 12
_COMMENT = "Livré avec six jours de retard, et personne ne répond au téléphone. Je ne commanderai plus chez vous. " * 2


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.board", description=__doc__)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--latest", type=int, default=Bounds().records, help="records that are kept of each topic")
    asked = parser.parse_args()
    importlib.import_module("worker.roles.web")  # what the role takes without a board
    print(f"{'':>34}  {'RSS, MB':>8}  {'more':>6}  {'CPU, s':>6}")
    memory = _Memory()
    board = Board.bounded(Bounds(asked.latest), CasePolicy())
    chance = random.Random(1)  # noqa: S311 - made-up data
    paths = paths_of(asked.segments)
    memory.say("the role without data")
    for path, value in scores(paths, chance):
        board.scores.take(path, value, NOW)
    memory.say(f"scores of {len(paths):,} segments")
    for path, row in segment_rows(paths, chance):
        board.history.take(path, row)
    for path in paths:
        board.history.days(path)
    memory.say("their history")
    for customer, row, partition in case_rows(paths, asked.cases, chance):
        board.cases.take(customer, row, partition)
    board.cases.listed(CaseQuery(), NOW)
    memory.say(f"{asked.cases:,} cases")
    takes: tuple[Callable[[MemoryRecord], None], ...] = (
        board.answers.take,
        board.alerts.take,
        board.recoveries.take,
        board.deliveries.take,
        board.dead_letters.take,
    )
    for (name, _, records), take in zip(logs(paths, asked.latest, chance), takes, strict=True):
        number = 0
        for record in records:
            take(record)
            number += 1
        memory.say(f"{number:,} {name}")
    print(f"\n{'':>34}  {'CPU, ms':>8}")
    for name, query in _queries(board, paths):
        print(f"{name:>34}  {1_000 * _seconds(query):8.1f}")


def scores(paths: Iterable[str], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each segment with its scores."""
    windows: dict[str, Any] = examples.SCORES["windows"]
    for path in paths:
        moved = {name: {**window, "promoters": chance.randrange(2_000)} for name, window in windows.items()}
        value = json.dumps({**examples.SCORES, "segment": path, "windows": moved}).encode()
        yield path, value


def segment_rows(paths: Iterable[str], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each segment with its row, which has answers on every day of a year."""
    rows = []
    for _ in range(20):
        segment = Segment()
        put = [
            (NOW - day * _DAY - number * _HOUR, number, chance.randrange(11))
            for day in range(365)
            for number in range(9)
        ]
        segment.spans.change(put, [])
        rows.append(msgspec.msgpack.encode(segment))
    for number, path in enumerate(paths):
        yield path, rows[number % len(rows)]


def case_rows(paths: list[str], number: int, chance: random.Random) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield customers with a row and its partition, of one case each. Some are ended, and some have a note."""
    states, severities = [*CaseState], [*Severity]
    for one in range(number):
        state = states[0] if one % 3 else chance.choice(states)
        opened_at = NOW - chance.randrange(60) * _DAY
        case = Case(
            make_id("case", one),
            state,
            opened_at,
            opened_at,
            f"r-{one}",
            0,
            "autumn",
            chance.choice(paths),
            chance.choice(severities),
            chance.randrange(7),
            opened_at,
            opened_at,
            opened_at,
            assignee=chance.choice(["", "Ann", "Bob"]),
            notes=[Note(opened_at, "Ann", _COMMENT)] if one % 5 == 0 else [],
            service_level="usual",
            calendar="shops",
            acknowledge_due=opened_at + chance.randrange(100) * _HOUR,
            resolve_due=opened_at + 90 * _DAY,
            receivers=["lyon", "care"],
            language="fr",
        )
        if state in {CaseState.RESOLVED, CaseState.WITHDRAWN}:
            case.ended_at, case.cause = NOW, chance.choice(["price", "delivery"])
        yield b"c-%d" % one, encode_cases(Cases([case])), one % PARTITIONS


#: Returns what is different in the event with a number.
Changed = Callable[[int], dict[str, Any]]


def logs(paths: list[str], number: int, chance: random.Random) -> Iterator[tuple[str, str, Iterator[MemoryRecord]]]:
    """Yield a name for the records of each topic, the topic, and the records."""

    def made(
        example: dict[str, Any], changed: Callable[[int], dict[str, Any]], kind: str = ""
    ) -> Iterator[MemoryRecord]:
        headers = [("ce_type", kind.encode())] if kind else []
        for one in range(number // FEWER if kind == "letter" else number):
            value = json.dumps(example | changed(one)).encode()
            yield MemoryRecord("", one % PARTITIONS, one // PARTITIONS, NOW + one, b"", value, headers)

    def of_customer(one: int) -> dict[str, Any]:
        return {
            "decision_id": f"d-{one}",
            "customer_id": f"c-{one}",
            "response_id": f"r-{one}",
            "alert_id": make_id("case", one),
            "segment": chance.choice(paths),
        }

    def alert(one: int) -> dict[str, Any]:
        return {**of_customer(one), "comment": _COMMENT}

    def recovery(one: int) -> dict[str, Any]:
        return {**of_customer(one), "recovery_id": make_id("recovery", one)}

    def delivery(one: int) -> dict[str, Any]:
        return {"alert_id": make_id("case", one), "delivery_id": make_id("delivery", one // 2)}

    def letter(one: int) -> dict[str, Any]:
        return {"dead_letter_id": make_id("letter", one), "payload": b64encode(chance.randbytes(6_000)).decode()}

    yield "decisions", events.DECISIONS, made(examples.DECISION, of_customer)
    yield "steps of alerts", events.ALERTS, made(examples.ALERT, alert, ALERT)
    yield "recoveries", events.RECOVERIES, made(examples.RECOVERY, recovery)
    yield "deliveries", events.DELIVERIES, made(examples.DELIVERY, delivery)
    yield "dead letters", events.DEAD_LETTERS, made(examples.DEAD_LETTER, letter, "letter")


def _queries(board: Board, paths: list[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what pages ask, each with a name."""
    open_states = frozenset({"open", "acknowledged"})
    region = paths[-1].rpartition("/")[0]
    yield "cases, first page", lambda: board.cases.listed(CaseQuery(), NOW)
    yield "open cases", lambda: board.cases.listed(CaseQuery(states=open_states), NOW)
    yield "overdue cases of a region", lambda: board.cases.listed(CaseQuery(segment=region, overdue=True), NOW)
    yield "cases of an owner, a receiver", lambda: board.cases.listed(CaseQuery(owner="Ann", receiver="care"), NOW)
    yield "cases by the alert's beginning", lambda: board.cases.listed(CaseQuery(alert_id="abc"), NOW)
    yield "cases of a person's segments", lambda: board.cases.listed(CaseQuery(visible=(region, paths[5])), NOW)
    yield "what cases can be filtered by", board.cases.choices
    yield "a case changes, then the list", _change_and_list(board)
    yield "scores of a segment", lambda: board.scores.get(region)
    yield (
        "counts of a region's segments",
        lambda: [board.scores.counts(one, "30d") for one in board.scores.children("")],
    )
    yield "all paths", board.scores.paths
    yield "days of a segment", lambda: board.history.days(paths[-1])
    yield "answers, first page", lambda: board.answers.latest(AnswerQuery())
    yield "answers of a region, nobody told", lambda: board.answers.latest(AnswerQuery(segment=region, untold=True))
    yield "deliveries, first page", lambda: board.deliveries.latest(LineQuery())
    yield "digests", board.deliveries.digests
    yield "dead letters", lambda: board.dead_letters.latest(LetterQuery())
    yield "figures of the loop by cause", lambda: board.recoveries._figures(LoopQuery("cause"), 0)  # noqa: SLF001


def _change_and_list(board: Board) -> Callable[[], object]:
    rows = board.cases._rows[0]  # noqa: SLF001
    customer, row = next(iter(rows.items()))

    def change() -> object:
        board.cases.take(customer, row, 0)
        return board.cases.listed(CaseQuery(), NOW)

    return change


def paths_of(number: int) -> list[str]:
    """Return the paths of so many segments, the root first."""
    regions = [f"country-{one // 10}/region-{one}" for one in range(max(1, number // _PER_REGION))]
    paths = ["", *dict.fromkeys(region.partition("/")[0] for region in regions), *regions]
    shops = (f"{regions[one % len(regions)]}/shop {one}" for one in range(number))
    return [*paths, *shops][:number]


def _seconds(query: Callable[[], object]) -> float:
    found = []
    for _ in range(_REPEATS):
        begun = time.process_time()
        query()
        found.append(time.process_time() - begun)
    return median(found)


class _Memory:
    """Prints what the process takes."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since = time.process_time()

    def say(self, name: str) -> None:
        gc.collect()
        now, seconds = _rss(), time.process_time() - self._since
        print(f"{name:>34}  {now:8.0f}  {now - self._before:+6.0f}  {seconds:6.1f}", flush=True)
        self._before, self._since = now, time.process_time()


def _rss() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
