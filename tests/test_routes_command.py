"""`routes test` with alerts, incidents and responses, from files and from the standard input."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas import examples
from worker.cli import main

SETTINGS = """
[receivers.support]
email = ["support@example.org"]

[receivers.lyon]
email = ["lyon@example.org"]
calendar = "office"

[receivers.desk]
email = ["desk@example.org"]
owners = ["Lyon-Desk"]

[calendars.office]
time_zone = "Europe/Paris"
hours = ["mon-fri 09:00-17:00"]
holidays = "FR"

[route]
receivers = ["support"]

[[route.routes]]
name = "lyon"
segment = "fr/lyon"
receivers = ["lyon"]
then_continue = true

[[route.routes]]
name = "owners"
follow_up_requested = true
to_owner = true

[[route.routes]]
name = "silent"
kinds = ["no_responses"]
receivers = []
"""
#: The eve of a holiday, a Thursday in the evening.
EVE = "2026-04-30T20:00:00+02:00"


@pytest.fixture(autouse=True)
def settings(nothing_set: Path) -> None:
    Path("worker.toml").write_text(SETTINGS)


def run(capsys: pytest.CaptureFixture[str], event: Any, *arguments: str) -> tuple[int, str]:
    Path("event.json").write_text(event if isinstance(event, str) else json.dumps(event))
    code = main(["routes", "test", "event.json", *arguments])
    printed = capsys.readouterr()
    assert (code == 2) is bool(printed.err)
    return code, printed.out or printed.err


def reached(capsys: pytest.CaptureFixture[str], event: Any, *arguments: str) -> dict[str, str | None]:
    code, text = run(capsys, event, "--json", *arguments)
    found = json.loads(text)
    assert (code == 0) is bool(found["reached"])
    return {one["receiver"]: one["deferred_until"] for one in found["reached"]}


def test_an_alert_is_deferred_over_the_holiday_and_the_weekend(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, examples.ALERT | {"severity": "error"}, "--at", EVE)

    assert code == 0
    assert text.splitlines() == [
        "detractor, error, fr/lyon/delivery",
        "route default: leaves it to a route below",
        "  route lyon: takes it",
        "    + segment fr/lyon: it is fr/lyon/delivery",
        "  route owners: takes it",
        "    + follow_up_requested True: it is True",
        "  route silent: is not tried, since a route before has taken it",
        "    - kinds ['no_responses']: it is detractor",
        "receiver lyon, by the route lyon: lyon@example.org",
        "  Fri 2026-05-01 is skipped: Labor Day",
        "  deferred until Mon 2026-05-04 09:00 CEST: quiet hours",
        "receiver desk, by the route owners: desk@example.org",
        "  now",
    ]
    assert examples.ALERT["comment"] not in text


def test_an_envelope_a_critical_alert_and_an_unknown_owner(capsys: pytest.CaptureFixture[str]) -> None:
    alert = examples.ALERT | {"customer": {"owner": "nobody"}}
    event = {"specversion": "1.0", "type": "t", "data": alert}

    assert reached(capsys, event, "--at", EVE) == {"lyon": None, "support": None}


def test_a_response_is_judged_as_the_alert_that_it_opens(capsys: pytest.CaptureFixture[str]) -> None:
    response = examples.RESPONSE | {"score": 5, "responded_at": EVE, "customer": {"tier": "basic"}}

    assert reached(capsys, response, "--at", EVE) == {"lyon": "2026-05-04T07:00:00+00:00", "support": None}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"score": 9}, "not_detractor"),
        ({"test": True}, "test"),
        ({"responded_at": "2026-01-01T00:00:00Z"}, "too_old"),
    ],
)
def test_a_response_that_opens_no_alert_reaches_nobody_and_the_reason_is_said(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], why: str
) -> None:
    response = examples.RESPONSE | {"responded_at": EVE} | changes
    code, text = run(capsys, response, "--at", EVE)

    assert (code, text) == (1, f"nobody gets it: the response opens no alert: {why}\n")
    assert reached(capsys, response, "--at", EVE) == {}


def test_the_routes_are_tried_for_each_segment_of_an_incident_and_it_is_said_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    incident = examples.INCIDENT | {"segment": "uk", "also": ["fr/paris/"], "merged_segments": ["fr/lyon/desk", ""]}
    code, text = run(capsys, incident, "--at", EVE)
    _, as_json = run(capsys, incident, "--at", EVE, "--json")

    assert code == 0
    assert [line for line in text.splitlines() if line.endswith(":")] == [
        "the incident is also about fr/paris:",
        "an incident about fr/lyon/desk has become part of this one:",
        "an incident about the root segment has become part of this one:",
    ]
    found = json.loads(as_json)["further_segments"]
    assert [one["event"]["segment"] for one in found] == ["fr/paris", "fr/lyon/desk", ""]
    assert [one["receiver"] for one in found[1]["reached"]] == ["lyon"]


def test_an_incident_that_a_route_drops_reaches_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    incident = examples.INCIDENT | {"kind": "no_responses", "segment": "uk"}
    code, text = run(capsys, incident)

    assert code == 1
    assert text.splitlines()[-1] == "nobody gets it: the route that takes it has an empty list of receivers"
    assert reached(capsys, examples.INCIDENT | {"segment": "uk"}) == {"support": None}


def test_the_event_may_come_from_the_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(examples.INCIDENT).encode())))

    assert main(["routes", "test", "-"]) == 0
    assert "receiver lyon, by the route lyon" in capsys.readouterr().out


def test_flat_routes_are_shown_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text('[[email.routes]]\nname = "lyon"\nsegment = "fr/lyon"\nto = ["a@example.org"]')

    assert reached(capsys, examples.ALERT) == {"lyon": None}
    assert reached(capsys, examples.ALERT | {"segment": "uk"}) == {"default": None}


@pytest.mark.parametrize(
    "event",
    ["", "{", "[]", "{}", '{"score": 11}', '{"alert_id": "a"}', "\ud800".encode("utf-8", "surrogatepass").hex()],
)
def test_what_is_no_event_is_said_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str], event: str) -> None:
    code, text = run(capsys, event)

    assert code == 2
    assert text.startswith("the event is neither an alert nor an incident, and no valid response: ")


def test_a_time_without_an_offset_is_in_the_time_zone_of_the_mails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = examples.ALERT | {"severity": "error"}
    utc = [reached(capsys, event, "--at", time) for time in ("2026-05-04T07:30", "2026-05-04T07:30Z")]
    monkeypatch.setenv("NPS_EMAIL__TIME_ZONE", "Europe/Paris")
    paris = [reached(capsys, event, "--at", time) for time in ("2026-05-04T07:30", "2026-05-04T07:30+02:00")]

    assert utc[0] == utc[1] != paris[0] == paris[1]


@pytest.mark.parametrize("time", ["yesterday", "2026-05-01", "1960-05-01T10:00:00Z"])
def test_what_is_no_time_is_said(capsys: pytest.CaptureFixture[str], time: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, examples.ALERT, "--at", time)

    assert ended.value.code == 2
    assert f"{time} is not a time, such as " in capsys.readouterr().err


def test_check_config_shows_the_tree_and_names_what_is_in_vain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith(("receiver", "route"))] == [
        "receiver support: 1 mail address",
        "receiver lyon: 1 mail address, calendar office",
        "receiver desk: 1 mail address",
        "route    default: everything: support",
        "route    lyon: segment fr/lyon: lyon",
        "route    owners: follow_up_requested True: the account owner or else support",
        "route    silent: kinds ['no_responses']: nobody",
    ]
    assert "settings are fine" in shown[-1]

    Path("worker.toml").write_text(f'{SETTINGS}\n[receivers.late]\nemail = ["late@example.org"]')
    assert main(["check-config"]) == 2
    printed = capsys.readouterr()
    assert printed.err == "receivers.late: no route reaches this receiver\n"
    assert "settings are fine" not in printed.out


CAPS = """
[receivers.calm]
email = ["calm@example.org"]
mails_per_hour = 10
[receivers.once]
email = ["once@example.org"]
mails_per_hour = 1
critical_per_hour = 0
group_by = ["segment", "kind"]
group_interval_seconds = 90.5
[receivers.grouped]
email = ["grouped@example.org"]
group_wait_seconds = 60
[[route.routes]]
name = "capped"
segment = "capped"
receivers = ["calm", "once", "grouped"]
"""


def test_check_config_shows_the_caps_of_each_receiver(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text(f"{SETTINGS}\n{CAPS}")
    assert main(["check-config"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("receiver") and ";" in line] == [
        (
            "receiver calm: 1 mail address; at most 10 mails an hour, "
            "at most 5 an hour about one critical notice each, digests after 300 s"
        ),
        (
            "receiver once: 1 mail address; at most 1 mail an hour, at most 0 an hour about one critical notice each, "
            "grouped by segment and kind after 0 s, digests after 90.5 s"
        ),
        (
            "receiver grouped: 1 mail address; no cap, at most 5 an hour about one critical notice each, "
            "grouped by receiver after 60 s, digests after 300 s"
        ),
    ]


def test_check_config_shows_the_caps_of_flat_routes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text('[email]\nto = ["support@example.org"]\nmails_per_hour = 10\n')
    assert main(["check-config"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("route")] == [
        (
            "route    default: every segment, warning and up, 1 receiver; at most 10 mails an hour, "
            "at most 5 an hour about one critical notice each, digests after 300 s"
        ),
    ]


LEVELS = """
[service_levels.fast]
acknowledge_within_minutes = 30
remind_before_minutes = 10
resolve_within_hours = 9
[[service_levels.fast.escalation]]
receivers = ["support", "desk"]
"""


def test_the_time_limits_of_an_alert_are_shown_with_who_is_asked_and_the_days_that_are_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = SETTINGS.replace('receivers = ["support"]\n', 'receivers = ["support"]\nservice_level = "fast"\n', 1)
    Path("worker.toml").write_text(settings + LEVELS)
    code, text = run(capsys, examples.ALERT, "--at", EVE)

    assert code == 0
    assert text.splitlines()[-8:] == [
        "service level fast, in the hours of the calendar office",
        "  Fri 2026-05-01 is skipped: Labor Day",
        "  acknowledge by Mon 2026-05-04 09:30 CEST",
        "  resolve by Tue 2026-05-05 10:00 CEST",
        "  Mon 2026-05-04 09:20 CEST: reminder, if nobody has acknowledged it",
        "  Mon 2026-05-04 09:30 CEST: step 1 of the escalation, to support, desk",
        "  Tue 2026-05-05 09:50 CEST: reminder, if it is not resolved",
        "  Tue 2026-05-05 10:00 CEST: last reminder, if it is not resolved",
    ]
    _, as_json = run(capsys, examples.ALERT, "--at", EVE, "--json")
    service = json.loads(as_json)["service_level"]
    assert (service["name"], service["calendar"]) == ("fast", "office")
    assert service["acknowledge_due_at"] == "2026-05-04T07:30:00+00:00"
    assert service["timers"][1] == {
        "at": "2026-05-04T07:30:00+00:00",
        "kind": "escalate",
        "step": 1,
        "receivers": ["support", "desk"],
    }
    assert service["skipped_days"] == [{"day": "2026-05-01", "why": "Labor Day"}]


def test_without_a_calendar_the_times_are_shown_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    settings = SETTINGS.replace('receivers = ["support"]\n', 'receivers = ["support"]\nservice_level = "fast"\n', 1)
    Path("worker.toml").write_text(settings + LEVELS)
    _, text = run(capsys, examples.ALERT | {"segment": "uk"}, "--at", EVE)

    assert "service level fast, at all hours" in text
    assert "  acknowledge by Thu 2026-04-30 18:30 UTC" in text


def test_check_config_shows_service_levels_and_which_route_has_which(capsys: pytest.CaptureFixture[str]) -> None:
    slow = "[service_levels.slow]\nresolve_within_hours = 8.5\n"
    root = SETTINGS.replace("[route]", '[route]\nservice_level = "fast"')
    owners = root.replace("to_owner = true", 'to_owner = true\nservice_level = "slow"')
    Path("worker.toml").write_text(owners + LEVELS + slow)

    assert main(["check-config"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith(("level", "route    default", "route    owners"))] == [
        "level    fast: acknowledge within 30 min, resolve within 9 h, 1 step of escalation",
        "level    slow: resolve within 8.5 h",
        "route    default: everything: support, service level fast",
        "route    owners: follow_up_requested True: the account owner or else support, service level slow",
    ]


def test_an_incident_has_no_time_limits(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text(SETTINGS.replace("[route]", '[route]\nservice_level = "fast"') + LEVELS)
    _, text = run(capsys, examples.INCIDENT | {"segment": "uk"}, "--json")

    assert json.loads(text)["service_level"] is None
