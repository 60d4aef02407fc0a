"""`python -m worker alerts` and `loop` without a Kafka: wrong usage, and what is printed of what was found."""

import json
from time import time_ns
from typing import Any

import pytest
from flow.cases.following import opened
from flow.records import NOW

from schemas.alert_command_result import AlertCommandResult
from schemas.examples import ALERT_COMMAND_RESULT, RECOVERY
from schemas.recovery import Recovery
from worker.cli import main
from worker.commands import alerts, loop
from worker.flow.cases.known import KnownCase


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["alerts"], "the following arguments are required: what"),
        (["alerts", "list", "--older-than", "long"], "long is not an age"),
        (["alerts", "list", "--state", "closed"], "invalid choice: 'closed'"),
        (["alerts", "list", "--limit", "0"], "0 is not a number from 1"),
        (["alerts", "resolve", "a"], "the following arguments are required: --outcome"),
        (["alerts", "resolve", "a", "--outcome", "sold"], "invalid choice: 'sold'"),
        (["alerts", "assign", "a"], "the following arguments are required: WHO"),
        (["alerts", "assign", "a", "\x1b"], "must have 1 to 200 characters that can be printed"),
        (["alerts", "note", "a", ""], "must have 1 to 4000 characters"),
        (["alerts", "ack", ""], "argument ALERT: must have 1 to 200 characters"),
        (["alerts", "show", " "], "argument ALERT: must have 1 to 200 characters"),
        (["alerts", "reapply", ""], "argument ALERT: must have 1 to 200 characters"),
        (["check-config", "--send-test-event", ""], "argument --send-test-event: must have 1 to 200 characters"),
        (["alerts", "ack", "a", "--timeout", "0"], "0 is not a number of seconds"),
        (["alerts", "ack", "a", "--timeout", "soon"], "soon is not a number of seconds"),
        (["loop", "--since", "long"], "long is not an age"),
        (["loop", "--by", "weather"], "invalid choice: 'weather'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def of(**changes: Any) -> KnownCase:
    case = opened().case()
    assert case is not None
    for name, value in changes.items():
        setattr(case, name, value)
    return KnownCase("customer-17", case)


class World:
    """What the commands find, and what they write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cases: list[KnownCase] | None = [of(), of(alert_id="a-2", state="resolved"), of(alert_id="b-1", score=6)]
        self.answer: AlertCommandResult | None = AlertCommandResult.model_validate_json(
            json.dumps(ALERT_COMMAND_RESULT)
        )
        self.commands: list[dict[str, Any]] = []
        monkeypatch.setattr(alerts, "known_cases", self._known)
        self.outcomes: list[dict[str, Any]] = []
        monkeypatch.setattr(alerts, "give", self._give)
        monkeypatch.setattr(alerts, "give_all", self._give_all)
        monkeypatch.setenv("LOGNAME", "ann")

    async def _known(self, *_: object) -> list[KnownCase] | None:
        return self.cases

    async def _give(self, _: object, topics: object, command: dict[str, Any], seconds: float) -> Any:
        assert topics == ("nps.alert-commands", "nps.alert-command-results")
        self.commands.append({**command, "seconds": seconds})
        return self.answer

    async def _give_all(self, _: object, topics: object, commands: list[dict[str, Any]], seconds: float) -> Any:
        """Answer the first commands as `outcomes` says."""
        assert (topics, seconds) == (("nps.alert-commands", "nps.alert-command-results"), 30.0)
        self.commands += commands
        answers = [
            AlertCommandResult.model_validate_json(
                json.dumps(ALERT_COMMAND_RESULT | {"command_id": c["command_id"]} | o)
            )
            for c, o in zip(commands, self.outcomes, strict=False)
        ]
        return {answer.command_id: answer for answer in answers}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_command_names_what_the_case_is_about_and_who_acts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["resolve", "a-1", "--outcome", "called_back", "--cause", "price", "--note", "done", "--timeout", "5"]
    assert main(["alerts", *arguments]) == 0
    (command,) = world.commands

    assert len(command.pop("command_id")) == 36
    assert command.pop("at").endswith("Z")
    assert command == {
        "alert_id": "a-1",
        "customer_id": "customer-17",
        "action": "resolve",
        "actor": "ann",
        "via": "command line",
        "opening": 1,
        "assignee": None,
        "outcome": "called_back",
        "cause": "price",
        "note": "done",
        "seconds": 5.0,
    }
    assert capsys.readouterr().out == "alert a-1 is resolved (step 3)\n"


def test_each_command_has_an_id_of_its_own(world: World) -> None:
    assert [main(["alerts", "ack", "b"]), main(["alerts", "ack", "b"])] == [0, 0]
    first, second = world.commands

    assert first["command_id"] != second["command_id"]


@pytest.mark.parametrize(
    ("alert", "said"),
    [
        ("a", "2 alerts have an id that begins with a: a-1, a-2"),
        ("c", "no case is known of an alert whose id begins with c"),
    ],
)
def test_an_alert_that_is_not_named_clearly_gets_no_command(
    world: World, capsys: pytest.CaptureFixture[str], alert: str, said: str
) -> None:
    assert main(["alerts", "ack", alert]) == 1
    assert said in capsys.readouterr().err
    assert world.commands == []


@pytest.mark.parametrize("what", [["list"], ["show", "a"], ["ack", "a"]])
def test_without_a_table_it_says_what_to_do(world: World, capsys: pytest.CaptureFixture[str], what: list[str]) -> None:
    world.cases = None

    assert main(["alerts", *what]) == 1
    assert "nps-worker-process-cases-changelog does not exist yet: start the worker once" in capsys.readouterr().err


APPLIED = {"outcome": "applied"}
REFUSED = {"outcome": "refused", "reason": "case_reopened", "detail": "opening: it was reopened"}


def measured(**changes: Any) -> KnownCase:
    """Return a case that has a service level."""
    return of(**({"service_level": "fast"} | changes))


@pytest.mark.parametrize(
    ("outcomes", "code", "out", "err"),
    [
        ([APPLIED, APPLIED], 0, "new time limits: 2 cases", ""),
        ([APPLIED, REFUSED], 1, "new time limits: 1 case", "1 refused: opening: it was reopened"),
        ([APPLIED], 1, "new time limits: 1 case", "1 commands are not answered within 30 s"),
    ],
)
def test_new_time_limits_are_asked_for_all_cases_on_which_somebody_works(
    world: World, capsys: pytest.CaptureFixture[str], outcomes: list[dict[str, Any]], code: int, out: str, err: str
) -> None:
    world.cases = [measured(), measured(alert_id="a-2", state="resolved"), measured(alert_id="b-1"), of(alert_id="c-1")]
    world.outcomes = outcomes

    assert main(["alerts", "reapply"]) == code
    assert [(one["alert_id"], one["action"], one["opening"]) for one in world.commands] == [
        ("a-1", "reapply", 1),
        ("b-1", "reapply", 1),
    ]
    assert {one["service_level"] for one in world.commands} == {None}
    said = capsys.readouterr()
    assert out in said.out
    assert err in said.err
    assert "1 cases have no service level: --service-level gives them one" in said.err


def test_the_answers_about_new_time_limits_can_be_printed_as_json(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.cases = [measured(), measured(alert_id="b-1")]
    world.outcomes = [APPLIED, REFUSED]

    assert main(["alerts", "reapply", "--json"]) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["command_id"], one["outcome"]) for one in said] == [
        (command["command_id"], outcome)
        for command, outcome in zip(world.commands, ["applied", "refused"], strict=True)
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "asked"),
    [
        (["b"], 0, ["b-1"]),
        (["c"], 1, []),
        (["a-2"], 1, []),
        (["--severity", "warning"], 0, []),
        (["--segment", "fr/shop-3"], 0, ["a-1", "b-1", "b-2"]),
        (["--segment", "de"], 0, []),
        (["b-"], 1, []),
        (["--service-level", "gone"], 2, []),
    ],
)
def test_new_time_limits_are_asked_for_what_the_options_take(
    world: World, arguments: list[str], code: int, asked: list[str]
) -> None:
    world.cases = [measured(), of(alert_id="a-2", state="resolved"), measured(alert_id="b-1"), measured(alert_id="b-2")]
    world.cases += [of(alert_id="c-1", segment="de/without-a-service-level")] if arguments == ["c"] else []
    world.outcomes = [APPLIED, APPLIED, APPLIED]
    if arguments == ["b"]:
        world.cases = world.cases[:3]

    assert main(["alerts", "reapply", *arguments]) == code
    assert [one["alert_id"] for one in world.commands] == asked


def test_a_service_level_can_be_given_to_cases_that_have_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_SERVICE_LEVELS__SLOW__RESOLVE_WITHIN_HOURS", "8")
    world.outcomes = [APPLIED, APPLIED]

    assert main(["alerts", "reapply", "--service-level", "slow"]) == 0
    assert [(one["alert_id"], one["service_level"]) for one in world.commands] == [("a-1", "slow"), ("b-1", "slow")]


def test_an_answer_that_does_not_come_is_a_failure(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.answer = None

    assert main(["alerts", "ack", "b", "--timeout", "0.5"]) == 1
    assert "has not answered within 0.5 s: is a worker running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code", "out", "err"),
    [
        ({"outcome": "unchanged"}, 0, "nothing to do, since it is so already: alert b-1 is resolved (step 3)\n", ""),
        (
            {"outcome": "refused", "reason": "case_resolved", "detail": "reopen it first"},
            1,
            "",
            "refused (case_resolved): reopen it first\n",
        ),
    ],
)
def test_the_answer_is_said(
    world: World, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], code: int, out: str, err: str
) -> None:
    world.answer = AlertCommandResult.model_validate_json(json.dumps(ALERT_COMMAND_RESULT | changes))

    assert main(["alerts", "ack", "b"]) == code
    assert tuple(capsys.readouterr()) == (out, err)
    assert main(["alerts", "ack", "b", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["outcome"] == changes["outcome"]


def test_what_is_left_to_do_is_listed_unless_other_states_are_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*arguments: str) -> list[str]:
        assert main(["alerts", "list", "--json", *arguments]) == 0
        return [json.loads(line)["alert_id"] for line in capsys.readouterr().out.splitlines()]

    assert listed() == ["a-1", "b-1"]
    assert listed("--state", "resolved") == ["a-2"]
    assert listed("--state", "all") == ["a-1", "a-2", "b-1"]
    assert listed("--older-than", "1h") == ["a-1", "b-1"]
    assert listed("--younger-than", "1h") == []
    assert listed("--limit", "1") == ["a-1"]


def test_a_list_is_a_table_and_says_what_it_leaves_out(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "list", "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["alert", "a-1"]
    assert err == "and 1 more: --limit 2 lists all\n"
    assert main(["alerts", "list", "--segment", "de"]) == 0
    assert tuple(capsys.readouterr()) == ("", "no case matches these options\n")
    world.cases = []
    assert main(["alerts", "list"]) == 0
    assert capsys.readouterr().err == "there are no cases\n"


def test_a_case_is_shown_as_text_or_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "show", "b"]) == 0
    assert "customer:     customer-17" in capsys.readouterr().out
    assert main(["alerts", "show", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []


def test_the_loop_is_shown_as_a_table_or_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Recovery] | None = [Recovery.model_validate_json(json.dumps(RECOVERY))]

    async def recoveries(_: object, topic: str, since: int) -> list[Recovery] | None:
        assert topic == "nps.recoveries"
        assert since > NOW
        return found

    cases: list[KnownCase] | None = None

    async def known_cases(_: object, changelog: str, policy: object, now: int) -> list[KnownCase] | None:
        assert changelog == "nps-worker-process-cases-changelog"
        return cases

    monkeypatch.setattr(loop, "recoveries", recoveries)
    monkeypatch.setattr(loop, "known_cases", known_cases)
    assert main(["loop"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [["all", "1"], ["fr", "1"]]
    assert main(["loop", "fr", "--by", "cause", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert main(["loop", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert (shown["median_to_resolve"], shown["groups"]["delivery"]["recovered"]) == (5232.0, 1)
    assert main(["loop", "fr/lyon/delivry"]) == 1
    missing = "no case of fr/lyon/delivry that was opened in this time has ended yet or is overdue"
    assert capsys.readouterr() == ("", f"{missing}; did you mean fr/lyon/delivery or fr/lyon?\n")
    assert main(["loop", "zzz", "--json"]) == 1
    assert capsys.readouterr().err.endswith("; python -m worker loop shows the segments that have some\n")
    late = {"opening": 1, "segment": "fr/nice", "resolve_due": NOW, "opened_at": time_ns() // 1_000_000}
    cases = [of(alert_id="b-1", acknowledge_due=NOW, **late), of(alert_id="b-2", acknowledge_due=None, **late)]
    assert main(["loop", "--by", "segment", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    limits = "acknowledge_limits", "acknowledged_in_time", "resolve_limits", "resolved_in_time"
    assert [shown["groups"]["fr"][name] - before["groups"]["fr"][name] for name in limits] == [1, 0, 1, 0]
    assert main(["loop", "fr/nice"]) == 0
    capsys.readouterr()
    found, cases = [], None
    assert main(["loop"]) == 0
    assert "no case that was opened in this time has ended yet" in capsys.readouterr().err
    found = None
    assert main(["loop"]) == 1
    assert "nps.recoveries does not exist yet" in capsys.readouterr().err
