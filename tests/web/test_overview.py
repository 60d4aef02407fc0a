"""The overview says where the NPS is going before it says how high it is, and what is open."""

import re

import pytest
from scores.trees import scored
from web.boards import NOW, TODAY, board, drawn, put, scores, visit
from web.pages import html, text

from schemas.scores import SuspectScale, TrendScore
from worker.board.board import Board
from worker.flow.batch import MemoryRecord
from worker.nps.buckets import Buckets
from worker.nps.spans import Spans
from worker.nps.windows import DAY
from worker.web.pages.overview import history_table, overview, scores_table
from worker.web.pages.tree import tree
from worker.web.view import NotFound, Table, View

BOARD = board()


def test_the_trend_stands_before_the_number_and_the_number_has_its_interval_and_its_answers() -> None:
    found = text(overview, visit(segment="Retail/Marseille"), BOARD)
    figure = BOARD.scores.get("Retail/Marseille")
    assert figure is not None
    window = figure.windows["30d"]
    assert window.nps is not None
    assert window.low is not None
    assert window.high is not None
    words = [
        "Over the last months, the NPS has been falling by about",
        f"{window.nps:+.0f}".replace("-", "−"),
        "with 95% certainty",
        f"{window.n} answers",
    ]
    places = [found.index(word) for word in words]
    assert sorted(places) == places
    assert f"{window.low:+.0f} to {window.high:+.0f}".replace("-", "−") in found


def test_all_eleven_scores_are_shown_and_one_that_is_not_counted_yet_says_so() -> None:
    found = html(overview, visit(), BOARD)
    table = found[found.index('id="eleven"') :]
    assert 11 == table.count('role="rowheader"')
    assert 4 == table.count("each customer once")
    assert 1 == table.count("not counted for the whole time yet")


@pytest.mark.parametrize(("older", "expected"), [(0, True), (1, False)])
def test_a_row_with_the_answers_of_all_time_says_so_and_does_not_repeat_its_numbers(older: int, expected: bool) -> None:
    found = Board()
    put(found, "", {TODAY: (60, 20, 20)})
    known = found.scores.get("")
    assert known is not None
    whole = known.windows["all"]
    whole = whole.model_copy(update={"n": whole.n + older, "passives": whole.passives + older})
    known = known.model_copy(update={"windows": {**known.windows, "all": whole}})
    found.scores.take("", known.model_dump_json().encode())
    read = text(overview, visit(), found)
    # The windows of days, the last 100 answers, and none of those in which each customer counts once.
    assert (6 if expected else 0) == read.count("the same answers as “all time” (100)")
    assert 11 == html(overview, visit(), found).split('id="eleven"')[1].count('role="rowheader"')


def test_another_window_changes_the_number() -> None:
    figure = BOARD.scores.get("")
    assert figure is not None
    assert f"{figure.windows['365d'].n:,} answers" in text(overview, visit(window="365d"), BOARD)
    usual = f"{figure.windows['30d'].n:,} answers"
    assert usual in text(overview, visit(), BOARD)
    assert usual in text(overview, visit(window="nonsense"), BOARD)


def test_an_incident_is_marked_on_the_line_and_told_in_words() -> None:
    found = html(overview, visit(segment="Retail/Marseille"), BOARD)
    assert 1 == found.count('class="flag"')
    read = text(overview, visit(segment="Retail/Marseille"), BOARD)
    assert "1 Since 7 Nov, open . The NPS of Retail/Marseille fell from" in read
    past = text(overview, visit(segment="Support/Phone", range="12"), BOARD)
    assert "25 May to 8 Jul, over . The NPS of Support/Phone fell from" in past
    assert 'class="flag"' not in html(overview, visit(segment="Support/Phone", range="3"), BOARD)


def test_an_open_incident_below_is_open_now_but_not_on_the_line() -> None:
    found = html(overview, visit(segment="Retail"), BOARD)
    assert 'class="flag"' not in found
    assert "Since 7 Nov, open . The NPS of Retail/Marseille" in text(overview, visit(segment="Retail"), BOARD)
    assert "No incident is open." in text(overview, visit(segment="Online"), BOARD)


def test_the_chart_says_in_words_what_it_shows() -> None:
    found = html(overview, visit(segment="Retail/Marseille"), BOARD)
    sentence = re.search(r"<figcaption>(.*?)</figcaption>", found)
    described = re.search(r"<desc[^>]*>(.*?)</desc>", found)
    assert sentence is not None
    assert described is not None
    assert re.fullmatch(
        r"The NPS fell from \+\d+ \(±\d+\) from 2.Sep to 1.Oct to [+−]\d+ \(±\d+\) in the last 30 days\.", sentence[1]
    )
    assert sentence[1] == described[1]
    assert "A difference of this size can be chance." in text(overview, visit(), BOARD)


def test_a_year_that_is_not_this_one_is_named() -> None:
    assert " (±4) from 3 Dec 2025 to 1 Jan and " in text(overview, visit(range="12"), BOARD)
    assert "in the last 10 days" in text(overview, visit(range="1"), BOARD)


def test_what_drags_the_score_down_is_named_with_its_points() -> None:
    found = text(overview, visit(), BOARD)
    assert re.search(
        r"What drags the score down .* Support NPS \+\d+ takes \d\.\d points Retail › Marseille NPS", found
    )
    assert "What drags" not in text(overview, visit(segment="Retail/Paris"), BOARD)


def test_what_has_changed_lately_is_named_where_it_lies_and_how_sure_that_is() -> None:
    found = text(overview, visit(), BOARD)
    assert re.search(
        r"What has changed lately In the last 30 days, the NPS is \d points higher than in the 30 days before. A "
        r"change of this size can be chance. Retail › Marseille fell from \+\d+ to −\d+, by between \d+ and \d+ "
        r"points: chance hardly explains that. Why it changed",
        found,
    )
    assert '<a href="/tree#change">Why it changed</a>' in html(overview, visit(), BOARD)
    found = text(overview, visit(segment="Retail/Marseille"), BOARD)
    assert re.search(
        r"In the last 30 days, the NPS is \d+ points lower than in the 30 days before, with 95% certainty between \d+ "
        r"and \d+: chance hardly explains that. How",
        found,
    )
    assert "No segment below has changed by more than chance." in text(overview, visit(segment="Online"), BOARD)
    assert "can be chance. How" in text(overview, visit(survey="/survey/after-call"), BOARD)
    assert "What has changed lately" not in text(overview, visit(), new_company())


@pytest.mark.parametrize(
    ("most", "said"),
    [
        (1, "There are more than 1 segments directly below, so they were not compared. Why it changed"),
        (
            2,
            (
                "No segment that was compared has changed by more than chance. There are more than 2 segments below, "
                "so those of the lowest levels were not compared. Why it changed"
            ),
        ),
        (4, "No segment below has changed by more than chance. Why it changed"),
    ],
)
def test_segments_that_were_not_compared_are_not_said_to_be_unchanged(
    most: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Board()
    for path in ("", "a", "b", "a/x", "a/y"):
        put(found, path, {TODAY - 30: (50, 20, 30), TODAY: (50, 20, 30)})
    for module in ("worker.board.changes", "worker.web.pages.change"):
        monkeypatch.setattr(f"{module}.MOST", most)
    assert f"the NPS is the same as in the 30 days before. {said}" in text(overview, visit(), found)
    assert said.removesuffix(" Why it changed") in text(tree, visit("/tree"), found)


def test_too_few_answers_below_are_said_to_be_too_few() -> None:
    found = Board()
    for path in ("", "a"):
        put(found, path, {TODAY - 30: (5, 2, 2), TODAY: (50, 20, 30)})
    said = text(overview, visit(), found)
    assert "No segment below has enough answers to be compared: it needs 10 in each of the two times." in said
    assert "by more than chance" not in said


def test_a_change_by_one_point_is_one_point_and_a_small_interval_has_decimals() -> None:
    found = Board()
    put(found, "", {TODAY - 30: (500_000, 0, 500_000), TODAY: (504_000, 0, 496_000)})
    assert (
        "the NPS is 1 point higher than in the 30 days before, with 95% certainty between 0.5 and 1.1: chance "
        "hardly explains that." in text(overview, visit(), found)
    )


def new_company() -> Board:
    """Return a board with answers of today only."""
    found = Board()
    put(found, "", {TODAY: (5, 5, 5)})
    return found


def test_cases_that_are_open_and_overdue_are_counted() -> None:
    assert "9 cases are open , 4 are overdue . Go to the cases" in text(overview, visit(), BOARD)
    assert "1 case is open" in text(overview, visit(segment="Retail/Marseille"), BOARD)
    assert "No case is open." in text(overview, visit(segment="Support/Phone"), BOARD)


def test_a_survey_can_be_chosen_and_has_no_cases_of_its_own() -> None:
    found = text(overview, visit(survey="/survey/after-call", segment="Retail"), BOARD)
    assert "Survey after-call" in found
    assert "No incident is open." in found
    assert "cases" not in found[found.index("Open now") :]
    assert '<option value="/survey/after-call" selected>' in html(overview, visit(survey="/survey/after-call"), BOARD)


def test_a_sign_of_gaming_is_a_question() -> None:
    found = text(overview, visit(segment="Retail/Bordeaux"), BOARD)
    assert "A question to ask: were answers asked for in person here? Since 11 November 2026" in found
    assert "from 50% to 74%, while it went from 50% to 51% elsewhere" in found


def test_a_segment_with_few_answers_says_so() -> None:
    found = text(overview, visit(segment="Retail/Strasbourg", window="365d"), BOARD)
    assert "There are too few answers for a smoothed line." in found
    assert "that needs 30 answers, and answers in 5 complete weeks." in found


def test_a_window_without_answers_has_no_number() -> None:
    found = board()
    put(found, "Empty", {TODAY - 300: (3, 0, 1)})
    read = text(overview, visit(segment="Empty", window="7d"), found)
    assert "There are no answers in the last 7 days." in read
    assert "There are too few answers in this time" in read


def test_a_segment_that_is_not_known_gets_similar_ones() -> None:
    shown = overview(visit(segment="mars"), BOARD)
    assert isinstance(shown, View)
    assert 404 == shown.status
    assert "No answers are known for “mars” Check the spelling" in text(overview, visit(segment="mars"), BOARD)
    assert "Retail › Marseille" in text(overview, visit(segment="mars"), BOARD)
    assert "Marseille" not in text(overview, visit(segments=("Support",), segment="Support/mars"), BOARD)


def test_before_the_first_answer_the_page_says_what_will_be_there() -> None:
    shown = overview(visit(), Board())
    assert isinstance(shown, View)
    assert 200 == shown.status
    assert "No answers have arrived yet" in text(overview, visit(), Board())


def test_the_numbers_are_there_as_tables() -> None:
    shown = history_table(visit(segment="Retail", range="1"), BOARD)
    assert isinstance(shown, Table)
    assert 30 == len(shown.rows)
    days = drawn()["Retail"]
    assert ("Retail", "", "2026-12-01", "2026-12-01", sum(days[TODAY]), *days[TODAY]) == shown.rows[-1][:8]
    assert len(shown.columns) == len(shown.rows[0])
    figures = scores_table(visit(segment="Retail"), BOARD)
    assert isinstance(figures, Table)
    assert 10 == len(figures.rows)
    assert len(figures.columns) == len(figures.rows[0])
    assert isinstance(history_table(visit(segment="Nowhere"), BOARD), NotFound)
    assert isinstance(scores_table(visit(segment="Nowhere"), BOARD), NotFound)


def test_a_year_has_its_months_below_and_every_week_in_its_table() -> None:
    found = html(overview, visit(range="12"), BOARD)
    assert 12 == len(re.findall(r"<text[^>]*>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)</text>", found))
    assert 53 == found.count('<tr><th scope="row" class="nowrap">')


def test_the_newest_answer_is_named_and_old_data_gets_a_warning() -> None:
    found = board()
    found.known_at = {"scores": NOW - DAY, "cases": NOW}
    read = text(overview, visit(), found)
    assert "This page has not been able to look for news for 1 day" in read
    assert "Data as of 30 November 2026 at 12:00 (UTC)" in read
    found.known_at = {"scores": None}
    assert "Catching up" in text(overview, visit(), found)
    found.known_at = {"scores": NOW}
    assert "Catching up" not in text(overview, visit(), found)


def test_a_scale_of_its_own_is_a_question() -> None:
    found, path = Board(), "/survey/five"
    changes = {"suspect_scale": SuspectScale(lowest=1, highest=5, n=60)}
    value = scored(path, 1, 2, 3).model_copy(update=changes)
    found.scores.take(path, value.model_dump_json().encode())
    assert "All 60 answers lie between 1 and 5" in text(overview, visit(survey=path), found)


@pytest.mark.parametrize("direction", ["rising", "falling", "steady", "unclear", "a word of a later version"])
def test_every_trend_has_words(direction: str) -> None:
    found = Board()
    days = drawn()["Retail"]
    event = scores("Retail", days, Spans(until=NOW, buckets={DAY: Buckets()}))
    trend = TrendScore(direction=direction, change=2.34, low=-1.0, high=3.0)
    value = event.model_copy(update={"trend": trend}).model_dump_json().encode()
    found.scores.take("Retail", value)
    words = {
        "rising": "Over the last months, the NPS has been rising by about 2.3 points every 30 days.",
        "falling": "Over the last months, the NPS has been falling by about 2.3 points every 30 days.",
        "steady": "Over the last months, the NPS has been steady.",
    }.get(direction, "Over the last months, the NPS has shown no clear direction.")
    assert words in text(overview, visit(segment="Retail"), found)


@pytest.mark.parametrize(
    ("segment", "says"),
    [("Retail/Marseille", "has had no lasting direction, but it has changed lately."), ("", "has been steady.")],
)
def test_an_nps_that_has_surely_changed_lately_is_not_called_steady(segment: str, says: str) -> None:
    found = board()
    known = found.scores.get(segment)
    assert known is not None
    steady = known.model_copy(update={"trend": TrendScore(direction="steady", change=0.1, low=-1.0, high=1.2)})
    found.scores.take(segment, steady.model_dump_json().encode())
    assert f"Over the last months, the NPS {says}" in text(overview, visit(segment=segment), found)


def test_somebody_with_several_segments_gets_links_to_them() -> None:
    own = ("Retail/Paris", "Support", "Support/Chat")
    assert "Retail › Paris Support" in text(overview, visit(segments=own), BOARD)
    assert 'href="/?segment=Support"' in html(overview, visit(segments=own), BOARD)
    assert "Your segments" not in html(overview, visit(segments=("Support",)), BOARD)
    assert "Your segments" not in html(overview, visit(), BOARD)


def test_an_incident_that_is_also_about_a_hidden_segment_is_hidden() -> None:
    found = board()
    incident = found.incidents.find("i-2")
    assert incident is not None
    wider = incident.newest.model_copy(update={"also": ["Support/Phone"], "reason": "wider"})
    value = wider.model_dump_json().encode()
    found.incidents.take(MemoryRecord("nps.alerts", 0, 99, NOW - DAY, b"Retail/Marseille", value, []))
    for own, expected in ((("",), True), (("Retail",), False)):
        read = html(overview, visit(segments=own, segment="Retail/Marseille"), found)
        assert expected == ('class="flag"' in read)
        assert expected == ("Support/Phone" in read)


def test_a_segment_with_many_incidents_has_the_latest_ones_on_its_line() -> None:
    found = board()
    incident = found.incidents.find("i-2")
    assert incident is not None
    for number in range(20):
        other = incident.newest.model_copy(update={"alert_id": f"more-{number}"})
        value = other.model_dump_json().encode()
        found.incidents.take(MemoryRecord("nps.alerts", 0, 100 + number, NOW - DAY + number, b"x", value, []))
    read = html(overview, visit(segment="Retail/Marseille"), found)
    assert 12 == read.count('class="flag"')
    assert "9 earlier incidents are not marked." in read
    assert 5 == read.count('class="notice warning"')
