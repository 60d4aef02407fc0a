"""A made-up company for tests of the page: its segments, a year of answers, incidents and cases.

The shop in Marseille became worse 24 days ago, and an incident about it is open. One about the phone is over.
"""

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from scores.trees import window

from schemas.alert import Severity
from schemas.case import CaseState
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.scores import Scores, SmoothedScore, SuspectGaming, TrendScore, WindowScore
from worker.access.person import Permission, Person
from worker.board.board import Board
from worker.flow.batch import MemoryRecord
from worker.flow.cases.case import Case, Cases, encode_cases
from worker.lineage import lineage
from worker.notify.content.readers import Readers
from worker.nps.buckets import Buckets, MutableBuckets
from worker.nps.histogram import BINS
from worker.nps.segment import Segment
from worker.nps.spans import Spans
from worker.nps.windows import DAY, SPANS, WINDOWS, Classes
from worker.routing.receiver import Language
from worker.web.visit import Visit

#: 1 December 2026 at noon, in ms, and its day.
NOW = 1_796_126_400_000
TODAY = NOW // DAY
#: How many days ago the shop in Marseille became worse.
DROP = 24
#: The answers a day of each segment, and its shares of promoters and of detractors.
LEAVES: Mapping[str, tuple[float, float, float]] = {
    "Online/App": (11, 0.56, 0.17),
    "Online/Web shop": (9, 0.49, 0.22),
    "Retail/Bordeaux": (4, 0.58, 0.14),
    "Retail/Lyon": (5, 0.55, 0.18),
    "Retail/Marseille": (5, 0.52, 0.19),
    "Retail/Paris": (8, 0.50, 0.21),
    "Retail/Strasbourg": (0.15, 0.6, 0.2),
    "Support/Chat": (4, 0.42, 0.28),
    "Support/E-mail": (2, 0.44, 0.27),
    "Support/Phone": (7, 0.38, 0.33),
}
SURVEYS = ("after-call", "after-purchase")

Days = dict[int, Classes]


def drawn(seed: int = 1) -> dict[str, Days]:
    """Return the answers of each segment and survey by day."""
    chance = random.Random(seed)
    found: dict[str, Days] = defaultdict(dict)
    for leaf, (a_day, up, down) in LEAVES.items():
        for day in range(TODAY - 364, TODAY + 1):
            age = TODAY - day
            better = 0.1 * (1 - age / 364) if leaf.startswith("Online") else 0.0
            worse = 0.4 if leaf == "Retail/Marseille" and age < DROP else 0.0
            worse += 0.16 if leaf == "Support/Phone" and 150 < age < 190 else 0.0
            n = round(chance.expovariate(1 / a_day) if a_day < 1 else chance.gauss(a_day, a_day**0.5))
            shares = (up + better - worse * 0.7, down - better / 2 + worse)
            answers = [chance.random() for _ in range(max(0, n))]
            promoters = sum(answer < shares[0] for answer in answers)
            detractors = sum(answer > 1 - shares[1] for answer in answers)
            counts = promoters, len(answers) - promoters - detractors, detractors
            survey = f"/survey/{SURVEYS[not leaf.startswith('Support')]}"
            for path in (*lineage(leaf), survey):
                before = found[path].get(day, (0, 0, 0))
                found[path][day] = tuple(map(sum, zip(before, counts, strict=True)))  # type: ignore[assignment]
    return found


def board(seed: int = 1) -> Board:
    """Return the board of the company."""
    found = Board()
    for path, days in drawn(seed).items():
        put(found, path, days)
    for offset, incident in enumerate([*_phone(), *_marseille()]):
        value = incident.model_dump_json().encode()
        at = round(incident.occurred_at.timestamp() * 1000)
        found.incidents.take(MemoryRecord("nps.alerts", 0, offset, at, incident.segment.encode(), value, []))
    for number in range(9):
        found.cases.take(f"c-{number}".encode(), encode_cases(Cases([_case(number)])))
    return found


def put(board: Board, path: str, days: Days) -> None:
    """Let a segment have these answers."""
    opened = MutableBuckets(Buckets())
    for day, (promoters, passives, detractors) in days.items():
        first = day * BINS
        opened.add({first + 10: promoters, first + 7: passives, first + 3: detractors})
    spans = Spans(until=NOW, buckets={DAY: opened.frozen()})
    board.history.take(path, msgspec.msgpack.encode(Segment(spans=spans)))
    board.scores.take(path, scores(path, days, spans).model_dump_json().encode())


def scores(path: str, days: Days, spans: Spans) -> Scores:
    """Return what nps.scores has of a segment."""
    lengths = {span.name: max(1, span.length * span.unit // DAY) for span in SPANS}
    lengths |= {"all": 10_000, "last_100": _since_100(days)}
    windows = {name: _window(days, lengths[name]) for name in WINDOWS}
    by_customer = {name: _window(days, lengths[name], 0.8) for name in ("all", "30d", "90d")}
    indicator = spans.indicator()
    smoothed = trend = None
    if indicator is not None:
        smoothed = SmoothedScore(
            nps=indicator.smoothed.nps,
            low=indicator.smoothed.low,
            high=indicator.smoothed.high,
            n_eff=indicator.smoothed.n_eff,
            half_life_days=indicator.smoothed.half_life,
        )
        found = indicator.trend
        if found is not None:
            trend = TrendScore(direction=found.direction.value, change=found.change, low=found.low, high=found.high)
    gaming = SuspectGaming(
        reason="promoters_jumped_here_alone", since=_at(20), n=60, promoters_before=0.5, promoters_since=0.74,
        beside_before=0.5, beside_since=0.51,
    )  # fmt: skip
    return Scores(
        segment=path,
        as_of=datetime.fromtimestamp(NOW / 1000, UTC),
        histogram=[0] * BINS,
        windows=windows,
        smoothed=smoothed,
        trend=trend,
        latest_per_customer=by_customer,
        suspect_gaming=gaming if path == "Retail/Bordeaux" else None,
    )


def visit(
    path: str = "/",
    language: Language = "en",
    segments: tuple[str, ...] = ("",),
    asked: Mapping[str, str] | None = None,
    **query: str,
) -> Visit:
    """Return a visit of somebody who may see some segments."""
    person = Person("Ann", Permission.ADMIN, segments)
    return Visit(person, language, Readers(language, UTC, language), NOW, path, {**(asked or {}), **query})


def _since_100(days: Days) -> int:
    """Return the number of days in which the last 100 answers were given."""
    n = 0
    for length in range(1, 366):
        n += sum(days.get(TODAY + 1 - length, ()))
        if n >= 100:
            return length
    return 365


def _window(days: Days, length: int, share: float = 1.0) -> WindowScore:
    counts = [sum(column) for column in zip(*(days[d] for d in days if d > TODAY - length), strict=True)] or [0, 0, 0]
    promoters, passives, detractors = (round(share * count) for count in counts)
    return window(promoters, passives, detractors)


def _at(days_ago: float) -> datetime:
    return datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(days=days_ago)


def _marseille() -> list[Incident]:
    return [
        Incident(
            alert_id="i-2", kind=IncidentKind.SEGMENT_DROP, action=IncidentAction.OPENED,
            reason=IncidentReason.NPS_FELL, severity=Severity.ERROR, summary="The NPS fell", occurred_at=_at(DROP - 6),
            segment="Retail/Marseille", touchpoint="Marseille", since=_at(DROP), before=window(230, 130, 85),
            after=window(9, 8, 16), change=Change(points=-44, low=-70, high=-18), explains=["Retail"],
        )
    ]  # fmt: skip


def _phone() -> list[Incident]:
    opened = Incident(
        alert_id="i-1", kind=IncidentKind.SEGMENT_DROP, action=IncidentAction.OPENED, reason=IncidentReason.NPS_FELL,
        severity=Severity.WARNING, summary="The NPS fell", occurred_at=_at(183), segment="Support/Phone",
        touchpoint="Phone", since=_at(190), before=window(230, 175, 200), after=window(20, 13, 30),
        change=Change(points=-18, low=-33, high=-4),
    )  # fmt: skip
    over = {"action": IncidentAction.RESOLVED, "reason": IncidentReason.RECOVERED, "occurred_at": _at(146)}
    return [opened, opened.model_copy(update=over)]


def _case(number: int) -> Case:
    opened = NOW - number * DAY // 3
    segment = list(LEAVES)[number % len(LEAVES)]
    return Case(
        f"a-{number}", CaseState.OPEN if number % 3 else CaseState.ACKNOWLEDGED, opened, opened, f"r-{number}", 0,
        "after-call", segment, Severity.ERROR, 3, opened, opened, opened, acknowledge_due=opened + DAY,
    )  # fmt: skip
