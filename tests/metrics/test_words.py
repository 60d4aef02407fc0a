"""The values of labels are the words that the worker uses, and anything else is `other`."""

import ast
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.delivery import DeliveryStatus
from worker.errors import DeliveryError
from worker.flow.responses.rules import RULES
from worker.metrics import words
from worker.notify import posting
from worker.notify.channels.email import smtp
from worker.notify.deliveries import final_reason
from worker.roles import courier

TROUBLES = sorted(
    {trouble.reason for _, trouble in smtp._TROUBLES}
    | {trouble.reason for _, trouble in posting._TROUBLES}
    | {smtp._STARTTLS_MISSING.reason, smtp._AUTH_MISSING.reason}
)


@pytest.mark.parametrize("reason", TROUBLES)
def test_every_trouble_of_a_server_is_known(reason: str) -> None:
    assert words.delivery("deferred", reason) == ("deferred", reason)
    assert words.delivery("failed", final_reason(DeliveryError(reason, retry=False))) == ("failed", reason)
    assert words.delivery("failed", final_reason(DeliveryError(reason, retry=True))) == ("failed", "gave_up")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("smtp_450", "smtp_4xx"),
        ("smtp_554", "smtp_5xx"),
        ("http_302", "http_3xx"),
        ("http_410", "http_4xx"),
        ("http_503", "http_5xx"),
        ("gave_up_smtp_450", "gave_up"),
        ("smtp_250", "other"),
        ("smtp_45", "other"),
        ("smtp_4500", "other"),
        ("fr/shop-3", "other"),
    ],
)
def test_a_reason_of_a_failure_is_put_into_a_class(reason: str, expected: str) -> None:
    assert words.delivery("failed", reason) == ("failed", expected)


@given(st.sampled_from(DeliveryStatus), st.text() | st.from_regex(r"(smtp|http|gave_up)_\w{0,4}"))
def test_whatever_the_reason_is_the_series_is_known_in_advance(status: DeliveryStatus, reason: str) -> None:
    assert words.delivery(status, reason) in words.DELIVERIES


@given(st.text(), st.text(), st.text())
def test_whatever_a_rule_says_the_series_is_known_in_advance(rule: str, verdict: str, reason: str) -> None:
    assert words.rule_decision(rule, verdict, reason) in {*words.RULE_DECISIONS, ("other", "other", "other")}


def test_the_reason_of_an_empty_digest_is_known() -> None:
    assert words.delivery("cancelled", courier.NOTHING_LEFT) == ("cancelled", courier.NOTHING_LEFT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_reason_in_the_code_of_a_rule_is_known(rule: object) -> None:
    """A reason is a constant that the rule passes to `nothing`, or returns for that. Verdicts are returned as well."""
    module = inspect.getmodule(rule)
    assert module is not None
    known = {word for decided in words.RULE_DECISIONS if decided[0] == module.__dict__["RULE"] for word in decided[1:]}
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        passed: list[ast.AST | None] = [node.value] if isinstance(node, ast.Return) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "nothing":
            passed = [*node.args[1:]]
        found |= {word for one in passed if one is not None for each in ast.walk(one) for word in _words(each)}

    # The first is the beginning of verdicts, and the second the text of a link.
    assert found - {"alert_", "answer"} <= known
    assert len(found) > 3


def _words(node: ast.AST) -> list[str]:
    """Return the text of a constant, if it may be a reason."""
    text = node.value if isinstance(node, ast.Constant) else None
    return [text] if isinstance(text, str) and text.replace("_", "x").isalpha() else []
