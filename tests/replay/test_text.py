"""The result of a replay as text and as JSON."""

import json

from replay.scene import DAY, MONDAY

from worker.flow.timestamps import from_ms
from worker.replay.changes import Changes, Receivers
from worker.replay.comparing import Case, Change, Count, Difference, Place
from worker.replay.outcomes import Received
from worker.replay.text import Result, as_json, lines

LYON, SUPPORT, NOBODY = Place("email", "lyon"), Place("email", "support"), Place("nobody", "no_route")
WAS = Received("a-1", "email", "support", "detractor", "fr/lyon", "error", "opened", MONDAY)
WOULD = WAS._replace(receiver="lyon", at=MONDAY + DAY, waits=True)


def result() -> Result:
    changes = Changes(["route.routes", "alerts.max_age_days"], ["smtp.host"])
    found = Result(MONDAY - DAY, MONDAY + DAY, changes, Receivers({Place("email", "care"): "lyon"}, [SUPPORT]))
    found.history_since, found.is_cut = MONDAY - 9 * DAY, True
    found.steps, found.waiting = (1_204, 1_300), (0, 1)
    found.refused = ({"not_json": 3}, {"not_json": 3, "time_future": 1})
    found.counts = {
        SUPPORT: Count(1_000, 999, {**dict.fromkeys(Change, 0), Change.FEWER: 1}),
        NOBODY: Count(2, 0, {**dict.fromkeys(Change, 0), Change.FEWER: 2}),
        LYON: Count(0, 1, {**dict.fromkeys(Change, 0), Change.MORE: 1}),
    }
    found.differing = 3
    differences = [
        Difference(SUPPORT, Change.FEWER, WAS, None, "too_old"),
        Difference(LYON, Change.MORE, None, WOULD, ""),
        Difference(NOBODY, Change.FEWER, WAS._replace(severity=""), None, ""),
    ]
    found.cases = [Case(MONDAY, "a-1", "detractor", "fr/lyon", differences)]
    return found


def test_the_figures_come_first_then_what_has_to_be_known_then_the_cases() -> None:
    assert list(lines(result())) == [
        "2026-05-31 12:00:00 UTC to 2026-06-02 12:00:00 UTC, by the responses, decided again",
        "steps of alerts and incidents: 1,204 now, 1,300 new",
        "",
        "receiver  channel     now  new  more  fewer  earlier  later  severity",
        "lyon      email         0    1     1      0        0      0         0",
        "support   email     1,000  999     0      1        0      0         0",
        "nobody    no_route      2    0     0      2        0      0         0",
        "",
        "lyon is called care now (email): the addresses are the same.",
        "support has other addresses in the new configuration (email): 999 notices.",
        "Tried: route.routes, alerts.max_age_days.",
        "Differs, but is not tried: smtp.host.",
        "The topic begins at 2026-05-23 12:00:00 UTC; what was before is not known.",
        "Refused records (not_json): 3 now, 3 new.",
        "Refused records (time_future): 0 now, 1 new.",
        "Notices that wait at the end: 0 now, 1 new; later steps may still change them.",
        "Every server accepts every notice at once: outages, refusals and wrong addresses of the past are not known.",
        "What people did about alerts is taken as it was.",
        "",
        "notices about 3 alerts and incidents would differ:",
        "",
        "a-1  detractor, fr/lyon",
        "  support by email: opened 2026-06-01 12:00:00 UTC error -> nothing (too_old)",
        "  lyon by email: nothing -> opened 2026-06-02 12:00:00 UTC error (waits)",
        "  nobody, no_route: opened 2026-06-01 12:00:00 UTC -> nothing",
    ]


def test_on_a_terminal_sentences_are_continued_and_rows_are_cut() -> None:
    found = result()
    found.changes = Changes([f"webhook.endpoints.e{number}" for number in range(50)], [])
    text = list(lines(found, 60))

    assert max(map(len, text)) == 60
    joined = " ".join(line.strip() for line in text)
    assert f"Tried: {', '.join(found.changes.tried)}." in joined
    assert any(line.endswith("…") for line in text)


def test_equal_configurations_and_an_empty_topic_are_said() -> None:
    found = list(lines(Result(MONDAY, MONDAY + DAY, Changes([], []), Receivers({}, []))))

    assert found[0].endswith("by the alerts and incidents that were published")
    assert "The two configurations are the same." in found
    assert "The topic has no records." in found
    assert found[-1] == "no notice would differ"


def test_a_long_name_is_cut_and_control_characters_are_left_out() -> None:
    found = Result(MONDAY, MONDAY + DAY, Changes([], ["a"]), Receivers({}, []), history_since=MONDAY)
    found.counts = {Place("email", "x" * 90): Count(1, 1), Place("email", "\x1b[2J"): Count(1, 1)}
    text = list(lines(found))

    assert any(line.startswith("x" * 29 + "…  email") for line in text)
    assert any(line.startswith("[2J") for line in text)
    assert not any("begins" in line for line in text)


def test_the_json_says_the_same_with_a_line_for_each_case() -> None:
    head, case = [json.loads(json.dumps(body)) for body in as_json(result())]

    assert head["from"] == from_ms(MONDAY - DAY).isoformat()
    assert (head["source"], head["history_is_cut"]) == ("responses", True)
    assert head["receivers"][0] == {
        "receiver": "lyon", "channel": "email", "now": 0, "new": 1,
        "more": 1, "fewer": 0, "earlier": 0, "later": 0, "severity": 0,
    }  # fmt: skip
    assert head["refused"]["time_future"] == {"now": 0, "new": 1}
    assert (head["steps"], head["waiting"]) == ({"now": 1204, "new": 1300}, {"now": 0, "new": 1})
    assert head["renamed"] == [{"channel": "email", "now": "care", "new": "lyon"}]
    assert head["other_addresses"] == [{"channel": "email", "receiver": "support"}]
    assert head["differing"] == 3
    assert case["differences"][:2] == [
        {
            "channel": "email", "receiver": "support", "change": "fewer", "new": None, "why": "too_old",
            "now": {"action": "opened", "severity": "error", "at": "2026-06-01T12:00:00+00:00", "waits": False},
        },
        {
            "channel": "email", "receiver": "lyon", "change": "more", "now": None, "why": None,
            "new": {"action": "opened", "severity": "error", "at": "2026-06-02T12:00:00+00:00", "waits": True},
        },
    ]  # fmt: skip
