"""What holds for every page of scores, in both languages: what it may load, how large it is, and whom it is for."""

import csv
import io
import re
from collections.abc import Callable

import pytest
from web.boards import LEAVES, NOW, TODAY, board, put, visit
from web.pages import html

from schemas.alert import Severity
from schemas.case import CaseState
from worker.board.board import Board
from worker.board.figures import NO_CAUSE
from worker.flow.cases.case import Case, Cases, encode_cases
from worker.routing.receiver import Language
from worker.web.assets import Assets
from worker.web.csv_file import csv_of
from worker.web.pages.case_list import cases_table
from worker.web.pages.compare import compare, compare_history_table, compare_table
from worker.web.pages.heat import heat, heat_table
from worker.web.pages.loop import loop_table
from worker.web.pages.overview import history_table, overview, scores_table
from worker.web.pages.tree import tree, tree_table
from worker.web.view import NotFound, Shown, Table
from worker.web.visit import Visit

BOARD = board()
PAGES = {"/": overview, "/tree": tree, "/compare": compare, "/heat": heat}
TABLES = {
    "/scores.csv": scores_table,
    "/history.csv": history_table,
    "/tree.csv": tree_table,
    "/compare.csv": compare_table,
    "/compare-history.csv": compare_history_table,
    "/heat.csv": heat_table,
}
#: What the content security policy forbids.
FORBIDDEN = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:|https?://", re.IGNORECASE)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_that_the_policy_forbids(path: str, language: Language) -> None:
    found = html(PAGES[path], visit(path, language), BOARD)
    assert not FORBIDDEN.search(found)
    assert f'<html lang="{language}">' in found
    assert 1 == found.count('<main id="main"')
    assert 1 == found.count("<h1")
    ids = re.findall(r'\sid="([^"]*)"', found)
    assert sorted(set(ids)) == sorted(ids)
    named = {
        name for names in re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', found) for name in names.split()
    }
    assert named <= set(ids)
    assert set(re.findall(r'<label for="([^"]*)"', found)) <= set(ids)


@pytest.mark.parametrize("path", PAGES)
def test_every_drawing_has_words_or_is_said_to_be_decoration(path: str) -> None:
    found = html(PAGES[path], visit(path, segment="Retail"), BOARD)
    for drawing in re.findall(r"<svg[^>]*>", found):
        inner = 'preserveAspectRatio="none"' in drawing
        assert inner or 'role="img" aria-label' in drawing or 'aria-hidden="true"' in drawing, drawing


def test_the_weight_of_a_page() -> None:
    found = html(overview, visit(range="12"), BOARD)
    loaded = [Assets().find(name) for name in re.findall(r'(?:href|src)="/static/([^"]*)"', found)]
    assert len(loaded) >= 2
    weight = sum(len(each.content) for each in loaded if each is not None)
    assert weight + len(found.encode()) <= 150_000


@pytest.mark.parametrize("path", PAGES)
def test_the_section_of_a_page_is_marked(path: str) -> None:
    found = html(PAGES[path], visit(path), BOARD)
    label = "Overview" if path == "/" else "Tree"
    assert re.search(rf'<nav class="nav".*?aria-current="page">{label}</a>.*?</nav>', found, flags=re.DOTALL)
    assert 1 == found[: found.index("<main")].count("aria-current")


@pytest.mark.parametrize("own", [("Retail/Marseille",), ("Online", "Support/Chat")])
@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_the_names_of_other_segments(path: str, own: tuple[str, ...]) -> None:
    hidden = [leaf for leaf in LEAVES if not any(leaf == one or leaf.startswith(one + "/") for one in own)]
    names = {leaf.rpartition("/")[2] for leaf in hidden} | {"after-call", "All segments"}
    for segment in ("", *own):
        shown = PAGES[path](visit(path, segments=own, segment=segment), BOARD)
        if not isinstance(shown, NotFound):
            found = html(PAGES[path], visit(path, segments=own, segment=segment), BOARD)
            assert not {name for name in names if name in found}


@pytest.mark.parametrize("path", [*PAGES, *TABLES])
def test_what_is_about_other_segments_is_not_found(path: str) -> None:
    handler: Callable[[Visit, Board], Shown] = {**PAGES, **TABLES}[path]
    for segment in ("Retail", "Retail/Paris", "/survey/after-call", "/source/shop"):
        asked = {"a": segment, "b": "Retail/Marseille"} if path.startswith("/compare") else {"segment": segment}
        assert isinstance(handler(visit(path, segments=("Retail/Marseille",), asked=asked), BOARD), NotFound)


@pytest.mark.parametrize("path", TABLES)
def test_tables_have_only_the_segments_that_the_person_sees(path: str) -> None:
    shown = TABLES[path](visit(path, segments=("Retail",)), BOARD)
    assert isinstance(shown, Table)
    assert all(str(row[0]).startswith("Retail") for row in shown.rows)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("path", [*TABLES, "/loop.csv", "/cases.csv"])
def test_the_headings_of_a_table_are_different_words_of_the_language(path: str, language: Language) -> None:
    handler: Callable[[Visit, Board], Shown] = {**TABLES, "/loop.csv": loop_table, "/cases.csv": cases_table}[path]
    shown = handler(visit(path, language, segment="Retail", a="Retail/Paris"), BOARD)
    assert isinstance(shown, Table)
    assert all(len(row) == len(shown.columns) for row in shown.rows)
    head = next(csv.reader(io.StringIO(csv_of(shown, language).decode("utf-8-sig"))))
    assert len(set(head)) == len(shown.columns)
    assert all(name[0].isupper() and "_" not in name for name in head)


def test_groups_of_the_loop_without_a_name_have_one_in_the_language_and_segments_keep_theirs() -> None:
    found = board()
    what = "r-9", 0, "after-call", NO_CAUSE, Severity.ERROR, 3
    case = Case("a-9", CaseState.OPEN, NOW, NOW, *what, NOW, NOW, NOW, acknowledge_due=NOW)
    found.cases.take(b"c-0", encode_cases(Cases([case])))
    for by, expected in (("cause", ["sans cause"]), ("segment", ["Retail", "Support", NO_CAUSE])):
        shown = loop_table(visit("/loop.csv", "fr", by=by), found)
        assert isinstance(shown, Table)
        assert [row[0] for row in shown.rows] == ["Tous les dossiers", *expected]


@pytest.mark.parametrize("path", PAGES)
def test_names_are_text_and_never_markup(path: str) -> None:
    name = "\"><script>alert(1)<-script><img src=x onerror='x'>{{ 7*7 }}"
    found = board()
    days = {TODAY - day: (2, 1, 2) for day in range(60)}
    put(found, name, days)
    put(found, f"{name}/below", days)
    for segment in ("", name, f"{name}/below"):
        read = html(PAGES[path], visit(path, segment=segment, a=segment, page="<b>"), found)
        assert "<script>alert" not in read
        assert "<img" not in read
        assert "<b>" not in read
        assert "49" not in re.findall(r"onerror[^<]{0,40}", read)
