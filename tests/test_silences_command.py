"""`python -m worker silences` without a Kafka: wrong usage, what is written, and what is printed."""

import json
from typing import Any

import pytest
from flow.records import NOW
from notify.silencer import silence

from schemas.examples import SILENCE_COMMAND_RESULT
from schemas.silence_command import SilenceCommand
from schemas.silence_command_result import SilenceCommandResult
from worker.cli import main
from worker.commands import silences
from worker.flow.messages import silence_command
from worker.notify.silenced import KnownSilences, Waiting

ADD = ["silences", "add", "--until", "2030-12-01T08:00", "--reason", "a strike", "--by", "anna"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["silences"], "the following arguments are required: what"),
        (ADD, "the following arguments are required: --match"),
        ([*ADD, "--match", "fr"], "fr is not WHAT=VALUE"),
        ([*ADD, "--match", "weather=rain"], "weather=rain is not WHAT=VALUE, where WHAT is segment"),
        ([*ADD, "--match", "segment="], "segment= is not WHAT=VALUE"),
        ([*ADD, "--match", "segment=fr", "--until", "soon"], "soon is not a time"),
        ([*ADD, "--match", "segment=fr", "--until", "2030-12-01"], "2030-12-01 is not a time"),
        ([*ADD, "--match", "segment=fr", "--reason", ""], "must have 1 to 500 characters"),
        (["silences", "end"], "the following arguments are required: ID"),
        (["silences", "end", "s", "--timeout", "0"], "0 is not a number of seconds"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


class World:
    """What the commands write, and what they find."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: SilenceCommandResult | None = self.result()
        self.commands: list[tuple[bytes, dict[str, Any]]] = []
        self.known: KnownSilences | None = KnownSilences()
        monkeypatch.setattr(silences, "ask", self._ask)
        monkeypatch.setattr(silences, "known_silences", self._known)
        self.held: dict[str, Waiting] = {}
        monkeypatch.setattr(silences, "held_back", self._held)
        monkeypatch.setattr("time.time", lambda: NOW / 1_000)

    def result(self, **changes: Any) -> SilenceCommandResult:
        return SilenceCommandResult.model_validate_json(json.dumps(SILENCE_COMMAND_RESULT | changes))

    async def _ask(self, _: object, topics: object, key: bytes, command: dict[str, Any], *__: object) -> Any:
        assert topics == ("nps.silence-commands", "nps.silence-command-results")
        self.commands.append((key, command))
        return self.answer

    async def _held(self, _: object) -> dict[str, Waiting]:
        return self.held

    async def _known(self, _: object) -> KnownSilences | None:
        return self.known


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def written(world: World) -> SilenceCommand:
    ((key, command),) = world.commands
    assert key == command["silence_id"].encode()
    return silence_command.read(json.dumps(command).encode())


def test_a_silence_is_added_with_its_matchers(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    matchers = ["segment=/fr/lyon", "severity=warning", "severity=critical", "tier=vip"]
    assert main([*ADD, "--id", "s-1", *(word for one in matchers for word in ("--match", one))]) == 0
    command = written(world)
    assert command.match is not None
    assert command.until is not None
    assert (command.match.segment, command.match.severities) == ("fr/lyon", ["warning", "critical"])
    assert (command.actor, command.reason, command.via) == ("anna", "a strike", "command line")
    assert command.until.isoformat() == "2030-12-01T08:00:00+00:00"
    assert capsys.readouterr().out == "silence s-1 holds notices back until 2030-12-01T08:00Z\n"


def test_a_time_without_an_offset_is_in_the_time_zone_of_the_mails(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPS_EMAIL__TIME_ZONE", "Europe/Paris")
    assert main([*ADD, "--match", "segment=fr"]) == 0
    command = written(world)
    assert command.until is not None
    assert command.until.isoformat() == "2030-12-01T08:00:00+01:00"
    assert capsys.readouterr().out.endswith(" holds notices back until 2030-12-01T08:00+01:00\n")
    assert world.known is not None
    world.known.take(b"s-1", silence("s-1").model_dump_json().encode())
    assert main(["silences", "list"]) == 0
    assert capsys.readouterr().out.startswith("s-1  until 2023-11-15T23:13+01:00  added by ")
    assert len(command.silence_id) == 36


@pytest.mark.parametrize(
    ("matchers", "said"),
    [
        (["severity=loud"], "--match severity: must be 'warning', 'error' or 'critical'"),
        (["kind=sad"], "--match kind: must be "),
        (["segment=/"], "--match match: needs at least one matcher"),
        (["segment=fr", "segment=de"], "--match segment: a silence has one segment"),
    ],
)
def test_matchers_that_the_worker_would_refuse_are_not_written(
    world: World, capsys: pytest.CaptureFixture[str], matchers: list[str], said: str
) -> None:
    assert main([*ADD, *(word for one in matchers for word in ("--match", one))]) == 2
    assert said in capsys.readouterr().err
    assert world.commands == []


def test_an_unknown_receiver_is_said_since_the_silence_would_hold_nothing_back(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ADD, "--match", "receiver=nobody"]) == 0
    said = "warning: the settings have no receiver 'nobody'; the silence holds nothing of it back\n"
    assert capsys.readouterr().err == said
    assert written(world).match is not None


def test_a_silence_is_ended(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["silences", "end", "s-1", "--by", "bob"]) == 0
    assert (written(world).action, written(world).actor) == ("end", "bob")
    assert capsys.readouterr().out == "silence s-1 is over\n"


@pytest.mark.parametrize(
    ("beginning", "ended"),
    [
        ("abc1", "abc1-x"),  # the only one that begins like this
        ("abc", "abc"),  # the whole id of one
        ("old", "old-1"),  # it is over, and no other one begins like this
        ("ab", None),
        ("over", "over-2"),  # of two, the one that still holds notices back
        ("zzz", "zzz"),  # the worker answers that it does not know it
    ],
)
def test_the_beginning_of_an_id_names_a_silence(
    world: World, capsys: pytest.CaptureFixture[str], beginning: str, ended: str | None
) -> None:
    assert world.known is not None
    for state in (
        silence("abc"), silence("abc1-x"), silence("abd"), silence("old-1", until=NOW), silence("over-1", until=NOW),
        silence("over-2"),
    ):  # fmt: skip
        world.known.take(state.silence_id.encode(), state.model_dump_json().encode())

    assert main(["silences", "end", beginning]) == (1 if ended is None else 0)
    if ended is None:
        assert capsys.readouterr().err == "3 silences have an id that begins with ab: abc, abc1-x, abd\n"
        assert world.commands == []
    else:
        assert written(world).silence_id == ended
        assert capsys.readouterr().out == f"silence {ended} is over\n"


def test_what_the_worker_answers_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.answer = world.result(outcome="refused", reason="silence_unknown", detail="there is none", version=None)
    assert main(["silences", "end", "s-1"]) == 1
    assert capsys.readouterr().err == "refused (silence_unknown): there is none\n"
    world.answer = world.result(outcome="unchanged")
    assert main(["silences", "end", "s-1"]) == 0
    assert capsys.readouterr().out == "nothing to do, since it is so already: silence s-1 is over\n"
    assert main(["silences", "end", "s-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "unchanged"
    world.answer = None
    assert main(["silences", "end", "s-1"]) == 1
    assert "has not answered within 30 s: is a worker running" in capsys.readouterr().err


def test_silences_are_listed_as_they_are_now(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["silences", "list"]) == 0
    assert capsys.readouterr().err == "nothing is held back by a silence now\n"
    assert world.known is not None
    for state in (
        silence("now", segment="fr", tiers=["vip"]),
        silence("over", until=NOW),
        silence("ended", ended_at=NOW - 1, changed_by="bob"),
    ):
        world.known.take(state.silence_id.encode(), state.model_dump_json().encode())
    assert main(["silences", "list"]) == 0
    line = "now  until 2023-11-15T22:13Z  added by anna  segment=fr tier=vip  a strike\n"
    assert capsys.readouterr().out == line
    assert main(["silences", "list", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [one.split("  ")[1] for one in lines] == [
        "ended by bob at 2023-11-14T22:13Z",
        "over since 2023-11-14T22:13Z",
        "until 2023-11-15T22:13Z",
    ]
    assert main(["silences", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["silence_id"] == "now"
    world.known = None
    assert main(["silences", "list"]) == 1


def test_how_many_notices_a_silence_holds_back_is_said_on_request(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.known is not None
    for silence_id in ("full", "idle"):
        world.known.take(silence_id.encode(), silence(silence_id).model_dump_json().encode())
    world.held = {"full": Waiting(3, NOW)}
    assert main(["silences", "list", "--held"]) == 0
    full, idle = capsys.readouterr().out.splitlines()
    assert full.endswith("  holds 3 back, the last of 2023-11-14T22:13Z")
    assert idle.endswith("  holds 0 back")
    assert main(["silences", "list", "--held", "--json"]) == 0
    found = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [(one["held"], one["last_held_at"]) for one in found] == [(3, "2023-11-14T22:13:20+00:00"), (0, None)]


def test_what_other_programs_have_written_is_one_line_that_no_terminal_obeys(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.known is not None
    reason = "a strike\nfake line \x1b[31mred\x9b2J \u202eesrever"
    state = silence("s-\u202e1", reason=reason, created_by="an\u2067na")
    world.known.take(state.silence_id.encode(), state.model_dump_json().encode())
    assert main(["silences", "list", "--all"]) == 0

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "a strike fake line [31mred2J esrever" in out
    assert "s-1" in out
    assert "added by anna" in out
    assert not {"\x1b", "\x9b", "\u202e", "\u2067"} & set(out)


def test_blanks_around_an_id_and_a_reason_are_dropped(world: World) -> None:
    given = ["silences", "add", "--until", "2030-12-01T08:00", "--match", "segment=fr"]
    assert main([*given, "--reason", " a strike ", "--id", "  a b ", "--by", " anna "]) == 0

    command = written(world)
    assert (command.silence_id, command.reason, command.actor) == ("a b", "a strike", "anna")
    with pytest.raises(SystemExit):
        main([*given, "--reason", "  "])
