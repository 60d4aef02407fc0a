"""`receive test` with deliveries from files, and `receive sources`."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from receive.deliveries import GOOGLE_FORM, UPSTREAM

from worker.cli import main

SETTINGS = """
[receive]
pseudonym_key = "0123456789abcdef0123456789abcdef"

[[receive.sources]]
name = "survey"
tool = "typeform"
secrets = ["demo-typeform-secret"]

[[receive.sources]]
name = "crm"
tool = "hubspot"
secrets = ["demo-client-secret"]

[[receive.sources]]
name = "forms"
tool = "google-forms"
secrets = ["path-of-google"]
score_question = "0a1b"

[[receive.sources]]
name = "app"
tool = "survicate"
secrets = ["token"]
score_question = "12"
comment_question = "13"

[[receive.sources]]
name = "form_xm"
tool = "qualtrics"
secrets = ["0123456789abcdef0123456789abcdef"]
score_question = "QID1"

[[receive.sources]]
name = "own"
tool = "template"
secrets = ["demo"]
"""
AT = ("--at", "2026-03-02T11:00Z")
CANONICAL = {
    "response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": "3", "responded_at": "2026-03-02T19:00:00Z",
}  # fmt: skip


@pytest.fixture(autouse=True)
def settings(nothing_set: Path) -> None:
    Path("worker.toml").write_text(SETTINGS)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["receive", *arguments])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def outcomes(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code, text = run(capsys, "test", *arguments, "--json")
    return code, [json.loads(line) for line in text.splitlines()]


def body(value: Any) -> str:
    Path("body").write_text(value if isinstance(value, str) else json.dumps(value))
    return "body"


def test_each_delivery_of_a_file_is_shown_with_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "test", "survey", str(UPSTREAM / "typeform.json"), "--delivery")

    assert code == 1
    assert [line for line in text.splitlines() if not line.startswith((" ", "{", "}"))] == [
        "delivery 1",
        "signature  fine (hmac-sha256-base64)",
        "response   typeform:tok1, revision 0, key c-301",
        "delivery 2",
        "signature  fine (hmac-sha256-base64)",
        "response   typeform:tok1, revision 1, key c-301",
        "delivery 3",
        "signature  not authentic: signature_malformed: the signature is not in the encoding that the tool uses",
    ]
    assert '  "comment": "Colis abîmé.",' in text
    assert "demo-typeform-secret" not in text


def test_parts_of_an_answer_are_put_together(capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads((UPSTREAM / "survicate.json").read_text())
    for delivery in whole["deliveries"]:
        delivery["headers"]["Authorization"] = "Bearer token"
    code, found = outcomes(capsys, "app", body(whole), "--delivery")

    assert code == 0
    assert [(one["outcome"], one.get("reason")) for one in found] == [
        ("response", None), ("response", None), ("ignored", "already_received"),
    ]  # fmt: skip
    assert found[1]["value"]["comment"] == "Prices."


def test_a_body_alone_is_shown_without_its_signature(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "test", "own", body(CANONICAL))

    assert code == 0
    assert text.splitlines()[:2] == [
        "signature  not checked, since no header says who has sent it (--header)",
        "response   r-1, revision 0, key c-1",
    ]
    assert outcomes(capsys, "own", body({**CANONICAL, "customer_id": None, "anonymous": True}))[1][1]["key"] is None


def test_what_is_missing_for_the_signature_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def first(*arguments: str) -> str:
        return run(capsys, "test", *arguments)[1].splitlines()[0]

    assert first("crm", body([])) == "signature  not checked, since no header says who has sent it (--header and --url)"
    header = ("--header", "X-Any: a")
    assert first("forms", body({}), *header) == (
        "signature  not checked, since the address, which ends in the secret, is not given (--url)"
    )
    address = ("--url", "https://nps.example.com/receive/forms/")
    assert first("forms", body({}), *address) == "signature  not authentic: secret_missing: the secret is missing"
    assert first("forms", body({}), *address[:1], f"{address[1]}path-of-google") == "signature  fine (secret-path)"


def test_a_wrong_field_that_is_left_out_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {**CANONICAL, "comment": {"text": "Bof."}, "customer": {"phone": [1]}}
    code, text = run(capsys, "test", "own", body(wrong))

    assert (code, text.splitlines()[-1]) == (0, "left out   comment, customer.phone: no response can have these values")
    assert outcomes(capsys, "own", body(wrong))[1][1]["left_out"] == ["comment", "customer.phone"]


def test_the_time_of_arrival_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    own = """
[[receive.sources]]
name = "timeless"
tool = "template"
secrets = ["demo"]
survey_id = "s"
responded_at = "arrival"
[receive.sources.mapping]
response_id = "id"
score = "v"
customer_id = "c"
"""
    Path("worker.toml").write_text(SETTINGS + own)
    _, found = outcomes(capsys, "timeless", body({"id": "1", "v": 3, "c": "c-1"}), *AT)
    assert found[1]["value"]["responded_at"] == "2026-03-02T11:00:00Z"
    header = ("--header", "Authorization: demo")
    _, found = outcomes(capsys, "timeless", body({"id": "1", "v": 3, "c": "c-1"}), *AT, *header)
    assert found[0]["value"]["responded_at"] == "2026-03-02T11:00:00Z"


def test_a_signature_inside_the_body_is_always_checked(capsys: pytest.CaptureFixture[str]) -> None:
    [delivery] = json.loads((UPSTREAM / "qualtrics.json").read_text())["deliveries"]
    raw = delivery["raw_body"]

    code, text = run(capsys, "test", "form_xm", body(raw))
    assert (code, text.splitlines()[0]) == (0, "signature  fine (qualtrics)")
    for wrong, reason in (
        (raw.replace("HMAC=8", "HMAC=9"), "signature_wrong"),
        (raw.replace("HMAC", "M"), "signature_missing"),
    ):
        code, [found] = outcomes(capsys, "form_xm", body(wrong))
        assert (code, found["outcome"], found["reason"]) == (1, "unauthentic", reason)


def test_headers_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("own", body(CANONICAL), "--header")

    assert outcomes(capsys, *arguments, "Authorization: Bearer demo")[0] == 0
    code, [found] = outcomes(capsys, *arguments, "Authorization: Bearer other")
    assert (code, found["outcome"], found["reason"]) == (1, "unauthentic", "secret_wrong")


def test_a_form_is_told_by_its_content_type(capsys: pytest.CaptureFixture[str]) -> None:
    text = "&".join(f"{name}={value}" for name, value in CANONICAL.items())
    form = ("--header", "Content-Type: application/x-www-form-urlencoded")

    assert outcomes(capsys, "own", body(text), *form)[0] == 0
    [_, found] = outcomes(capsys, "own", body(text))[1]
    assert found["reason"] == "not_json"
    assert "needs the header Content-Type: application/x-www-form-urlencoded" in found["detail"]


def test_the_standard_input_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps({**CANONICAL, "score": 6.5}).encode())))
    code, [_, found] = outcomes(capsys, "own", "-")

    assert (code, found["outcome"], found["reason"]) == (1, "refused", "not_nps_scale")


def test_what_has_to_be_fetched_is_said_and_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    whole = UPSTREAM / "hubspot.json"
    code, text = run(capsys, "test", "crm", str(whole), "--delivery", *AT)
    assert code == 0
    assert "fetch      submission: GET /crm/v3/objects/feedback_submissions/515?properties=hs_survey_type," in text

    Path("answer").write_text(json.dumps(json.loads(whole.read_text())["fetch_example"]))
    fetched = ("--fetched", "submission=answer")
    code, found = outcomes(capsys, "crm", str(whole), "--delivery", *AT, *fetched)
    assert (code, found[-1]["outcome"], found[-1]["value"]["score"]) == (0, "response", 3)
    # Without the time, the signature is too old.
    assert outcomes(capsys, "crm", str(whole), "--delivery", *fetched)[1][0]["reason"] == "timestamp_too_old"


def test_the_answer_to_a_request_that_nobody_made_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    Path("answer").write_text("{}")
    code, text = run(
        capsys, "test", "crm", str(UPSTREAM / "hubspot.json"), "--delivery", *AT, "--fetched", "submissions=answer"
    )

    assert code == 2
    assert "--fetched: no request is called submissions; the requests are: submission\n" in text


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x1b[1A\r"])
def test_a_comment_cannot_add_a_line(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    forged = {**CANONICAL, "comment": f"a{end}signature  fine (secret-header)"}
    _, text = run(capsys, "test", "own", body(forged))

    assert not [line for line in text.splitlines() if line.startswith("signature  fine")]
    _, text = run(capsys, "test", "own", body(forged), "--json")
    assert len(text.splitlines()) == 2
    assert json.loads(text.splitlines()[1])["value"]["comment"] == forged["comment"]


def test_the_secret_of_a_path_comes_in_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads((UPSTREAM / "google-forms.json").read_text())
    Path("form").write_text(json.dumps(GOOGLE_FORM))
    Path("answers").write_text(json.dumps({**whole["fetch_example"], "nextPageToken": "more"}))
    files = ("--fetched", "responses=answers", "--fetched", "form=form")
    arguments = ("forms", body(whole["deliveries"]), "--delivery", *files, "--url")
    code, found = outcomes(capsys, *arguments, "https://nps.example.com/receive/forms/path-of-google")

    assert (code, [one["outcome"] for one in found]) == (0, ["fetch", "fetch", "response"])
    assert (
        outcomes(capsys, *arguments, "https://nps.example.com/other/path-of-google")[1][0]["reason"] == "secret_missing"
    )
    assert outcomes(capsys, *arguments, "https://[")[1][0]["reason"] == "secret_missing"


def test_what_is_ignored_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "test", "own", body({**CANONICAL, "score": None}))

    assert code == 0
    assert text.splitlines()[-1] == "ignored    not_yet_answered: there is no score"


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"comment": "x" * 2_000_000}, "too_large"), ({"responded_at": "2026-03-04T12:00:00Z"}, "time_future")],
)
def test_what_the_worker_would_refuse_is_refused(
    changes: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = outcomes(capsys, "own", body({**CANONICAL, **changes}), *AT)

    assert (code, found[-1]["outcome"], found[-1]["reason"]) == (1, "refused", why)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "body"), "no source is called nobody; the sources are: survey, crm, forms, app, form_xm, own"),
        (("own", "body", "--delivery"), "body: each delivery must be an object with raw_body"),
        (("own", "worker.toml", "--delivery"), "worker.toml: is not JSON, which --delivery needs"),
        (("own", "none"), "none is not a file"),
        (("own", "body", "--header", "x"), "must be 'NAME: VALUE'"),
        (("own", "body", "--fetched", "x"), "must be NAME=FILE"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    body(CANONICAL)
    try:
        code = main(["receive", "test", *arguments])
    except SystemExit as ended:
        code = int(str(ended.code))

    assert code == 2
    assert said in capsys.readouterr().err


def test_the_sources_are_listed_without_their_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "sources")

    assert code == 0
    assert "survey: Typeform\n  path       /receive/survey\n  address    https://HOST/receive/survey\n" in text
    assert "  address    https://HOST/receive/forms/SECRET\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "  An easier way is a task Web Service in a workflow" in text
    assert "\n  1. With the Qualtrics API, " in text
    assert not any(secret in text for secret in ("demo", "path-of-google", "token\n", "0123456789abcdef"))


def test_without_sources_the_document_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text("")

    assert "docs/sources.md" in run(capsys, "sources")[1]


def test_check_config_says_what_keeps_the_role_receive_from_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    """The settings lack what the answers are fetched with, of which `run` names the first one."""
    assert main(["check-config"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert main(["run", "--role", "receive"]) == 2
    first = capsys.readouterr().err.splitlines()

    assert first == said[:1] == ["receive.sources, crm: hubspot sends ids only, so it needs api_token"]
    assert said[1:3] == [
        "receive.sources, forms: google-forms sends ids only, so it needs api_token",
        "receive.sources, form_xm: qualtrics sends ids only, so it needs api_url and api_token",
    ]


def test_check_config_lists_the_sources_and_the_secrets_that_are_weak(capsys: pytest.CaptureFixture[str]) -> None:
    fetching = SETTINGS
    for tool in ("hubspot", "google-forms", "qualtrics"):
        fetched = f'tool = "{tool}"\napi_url = "https://api.example.com"\napi_token = "a"'
        fetching = fetching.replace(f'tool = "{tool}"', fetched)
    Path("worker.toml").write_text(fetching)
    assert main(["check-config"]) == 2
    printed = capsys.readouterr()
    assert "source   survey: Typeform, /receive/survey, hmac-sha256-base64, 1 secret\n" in printed.out
    assert printed.err.splitlines() == [
        "receive.sources: forms: a secret has fewer than 16 characters, and is easily guessed",
        "receive.sources: app: a secret has fewer than 16 characters, and is easily guessed",
        "receive.sources: own: a secret has fewer than 16 characters, and is easily guessed",
    ]
    long = "a-long-secret-of-32-characters-x"
    strong = fetching.replace('"demo"', f'"{long}"').replace("path-of-google", "another-" + long)
    Path("worker.toml").write_text(strong.replace('"token"', f'"{long}"'))
    assert main(["check-config"]) == 2
    assert capsys.readouterr().err == "receive.sources: own: has a secret of app: give each its own\n"
    Path("worker.toml").write_text(strong.replace('"token"', '"the-third-secret"'))
    assert main(["check-config"]) == 0
