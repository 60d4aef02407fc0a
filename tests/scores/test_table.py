"""The tree in the terminal: every NPS with its interval and its n; colours only where they are wanted."""

from scores.trees import AS_OF, scored, tree

from schemas.scores import SuspectGaming, SuspectScale, TrendScore
from worker.board.tree import branches
from worker.scores.table import table

TREND = TrendScore(direction="falling", change=-8.2, low=-14.6, high=-1.8)


def shown(*, colours: bool = False) -> list[str]:
    known = tree(fr__delivery=(10, 20, 70), fr__support=(60, 30, 10), be=(1, 1, 0))
    known["fr/delivery"] = scored("fr/delivery", 10, 20, 70, TREND)
    return table(branches(known, "", "90d", depth=None), colours=colours).splitlines()


def test_each_line_has_what_is_to_be_known() -> None:
    assert shown() == [
        "segment                              NPS  95 % interval             n   drag   trend, points per 30 days",
        "all                    ━│             -4  -16 to +7               202",
        "  fr                   ━│             -5  -17 to +7               200   -0.5",
        "    delivery      ━━━━━━│            -60  -72 to -45              100  -27.5*  ↘ falling -8 (-15 to -2)",
        "    support             │━━━━━       +50  +36 to +62              100  +27.5*",
        "  be                    │━━━━━       +50  -43 to +92, indicative    2   +0.5",
    ]


def test_a_segment_below_the_root_is_named_in_full_where_the_list_begins() -> None:
    known = tree(fr__shop__delivery=(10, 20, 70))

    lines = table(branches(known, "fr/shop", "90d", depth=1), colours=False).splitlines()
    assert [line.split()[0] for line in lines] == ["segment", "fr/shop", "delivery"]


def test_where_nobody_answered_there_is_no_figure() -> None:
    lines = table(branches({"": scored("", 0, 0, 0)}, "", "90d", depth=1), colours=False).splitlines()

    assert "–" in lines[1]
    assert "+" not in lines[1]


def test_a_hair_below_zero_is_zero() -> None:
    (_, line) = table(branches({"": scored("", 100, 300, 101)}, "", "90d", depth=1), colours=False).splitlines()

    assert line.split()[2] == "+0"


def test_a_survey_is_named_as_its_publisher_does() -> None:
    known = {**tree(fr=(10, 20, 70)), "/survey/nps/autumn": scored("/survey/nps/autumn", 10, 20, 70)}

    lines = table(branches(known, "", "90d", depth=1, surveys=True), colours=False).splitlines()
    assert [line.split()[0] for line in lines] == ["segment", "all", "nps/autumn"]


def test_promoters_that_appeared_in_a_segment_alone_are_a_question_with_its_figures() -> None:
    known = tree(fr=(10, 20, 70))
    found = SuspectGaming(
        reason="promoters_jumped_here_alone",
        since=AS_OF,
        n=44,
        promoters_before=0.47,
        promoters_since=0.86,
        beside_before=0.5,
        beside_since=0.51,
    )
    known["fr"] = known["fr"].model_copy(update={"suspect_gaming": found})
    lines = table(branches(known, "", "90d", depth=1), colours=False).splitlines()

    assert "?" not in lines[1]
    assert lines[2].endswith(
        "? promoters from 47% to 86% since 2026-03-02, elsewhere from 50% to 51%: were they asked for?"
    )


def test_answers_on_another_scale_are_a_question() -> None:
    autumn = scored("/survey/autumn", 0, 0, 60)
    suspect = autumn.model_copy(update={"suspect_scale": SuspectScale(lowest=1, highest=5, n=1_060)})
    known = {**tree(fr=(10, 20, 70)), "/survey/autumn": suspect}
    lines = table(branches(known, "", "90d", depth=1, surveys=True), colours=False).splitlines()

    assert "?" not in lines[1]
    assert lines[2].endswith("? all 1,060 answers from 1 to 5: does the survey ask on that scale?")


def test_colours_change_nothing_but_the_colour() -> None:
    plain = "\n".join(shown(colours=True))
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"):
        assert code in plain
        plain = plain.replace(code, "")

    assert [line.rstrip() for line in plain.splitlines()] == shown()


def test_a_segments_name_can_do_nothing_to_the_terminal() -> None:
    known = tree(**{"a\x1b[31mb": (1, 0, 0)})

    assert "\x1b" not in table(branches(known, "", "90d", depth=1), colours=False)
