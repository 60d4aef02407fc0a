"""The figures of the closed loop: how long the work on cases takes, and how many customers come back."""

from typing import Any, NamedTuple

from worker.board.board import Board
from worker.board.figures import Figures, Grouped, with_overdue
from worker.board.recoveries import LoopQuery
from worker.lineage import canonical_path
from worker.web.layout import address_of, age_in_words
from worker.web.notation import DAY, Notation
from worker.web.pages.case_list import views
from worker.web.pages.choosing import home
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.cases import CASE_WORDS
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.loop import LOOP_WORDS, LoopWords

#: What the figures can be grouped by; the first one is shown if none is chosen. The same of the days.
GROUPS, RANGES = ("segment", "receiver", "cause"), ("90", "30", "365")
#: Shorter times are given in seconds.
_MINUTE_SECONDS = 60
#: The most groups of a page.
_MOST_ROWS = 200


class Line(NamedTuple):
    """The figures of a group, in words."""

    name: str
    resolved: str
    acknowledged_after: str
    acknowledged_in_time: str
    resolved_after: str
    nine_of_ten: str
    in_time: str
    recovered: str
    recovered_without: str
    reopened: str


class _Chosen(NamedTuple):
    query: LoopQuery
    days: str


def loop(visit: Visit, board: Board) -> View | NotFound:
    """Show the figures."""
    chosen = _chosen(visit)
    if chosen is None:
        return NotFound()
    words, found = LOOP_WORDS[visit.language], _figures(visit, board, chosen.query)
    whole = found.whole
    notation, since = Notation(visit.language, visit.readers), board.recoveries.since()
    is_segment = chosen.query.by == "segment"
    names = {name: notation.whole_name(name) if is_segment else words.names.get(name, name) for name in found.groups}
    lines = [_line(names[name], one, words, visit) for name, one in found.groups.items()]
    values = {
        "words": words,
        "views": views(visit, "/loop"),
        "views_label": CASE_WORDS[visit.language].views,
        "whole": _line(words.whole, whole, words, visit),
        "lines": lines[:_MOST_ROWS],
        "has_figures": any(
            (whole.resolved, whole.withdrawn, whole.acknowledge_limits, whole.resolve_limits, whole.answered_again)
        ),
        "by": chosen.query.by,
        "days": chosen.days,
        "segment": chosen.query.segment,
        "groups": [(by, words.groups[by]) for by in GROUPS],
        "ranges": [(days, words.ranges[days]) for days in RANGES],
        "kept_since": "" if since is None else words.kept_since.format(when=notation.moment(since)),
        "csv": address_of("/loop.csv", visit.query),
    }
    return View("loop.html.j2", values)


def loop_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the figures as a table, with times in seconds."""
    chosen = _chosen(visit)
    if chosen is None:
        return NotFound()
    words, found = LOOP_WORDS[visit.language], _figures(visit, board, chosen.query)
    names = {} if chosen.query.by == "segment" else words.names
    rows: list[tuple[Any, ...]] = [
        (names.get(name, name), *one.as_json().values())
        for name, one in ((words.whole, found.whole), *found.groups.items())
    ]
    return Table("cases-figures", (chosen.query.by, *found.whole.as_json()), rows)


def _figures(visit: Visit, board: Board, query: LoopQuery) -> Grouped:
    """Return the figures of the recoveries, and of cases that are overdue while nobody has acted on them."""
    overdue = board.cases.overdue(visit.now, query.by, query.segment, query.since, query.visible)
    return with_overdue(board.recoveries.figures(query), overdue, query.by, query.segment)


def _chosen(visit: Visit) -> _Chosen | None:
    """Return what the address names; None if the person may not see it."""
    query = visit.query
    segment = canonical_path(query.get("segment") or home(visit))
    if not visit.person.may_see(segment):
        return None
    by, days = query.get("by", ""), query.get("days", "")
    by, days = by if by in GROUPS else GROUPS[0], days if days in RANGES else RANGES[0]
    # The time is that of a whole hour, so that the figures need not be computed for each visit.
    since = (visit.now - int(days) * DAY) // 3_600_000 * 3_600_000
    return _Chosen(LoopQuery(by, segment, since, visit.person.segments), days)


def _line(name: str, figures: Figures, words: LoopWords, visit: Visit) -> Line:
    notation = Notation(visit.language, visit.readers)

    def lasting(seconds: float | None) -> str:
        if seconds is None:
            return "–"
        if round(seconds) < _MINUTE_SECONDS:
            number = round(seconds)
            return words.seconds[0] if number == 1 else words.seconds[1].format(n=number)
        return age_in_words(round(seconds) * 1_000, LAYOUT_WORDS[visit.language])

    def share(part: int, whole: int) -> str:
        if not whole:
            return "–"
        return words.of.format(
            part=notation.count(part), whole=notation.count(whole), percent=notation.percent(part / whole)
        )

    others = figures.answered_again - figures.answered_after_resolved
    better = figures.recovered - figures.recovered_after_resolved
    after_resolved = figures.recovered_after_resolved, figures.answered_after_resolved
    ninth = figures.ninth_decile_to_resolve
    return Line(
        name=name,
        resolved=notation.count(figures.resolved),
        acknowledged_after=lasting(figures.median_to_acknowledge),
        acknowledged_in_time=words.of_limits.format(
            share=share(figures.acknowledged_in_time, figures.acknowledge_limits)
        )
        if figures.acknowledge_limits
        else "",
        resolved_after=lasting(figures.median_to_resolve),
        nine_of_ten="" if ninth is None else words.nine_of_ten.format(time=lasting(ninth)),
        in_time=share(figures.resolved_in_time, figures.resolve_limits),
        recovered=words.after_resolved.format(share=share(*after_resolved)) if figures.answered_again else "–",
        recovered_without=words.others.format(share=share(better, others)) if figures.answered_again else "",
        reopened=notation.count(figures.reopened),
    )
