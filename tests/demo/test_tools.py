"""The samples as Typeform and Formbricks deliver them: each becomes the response that its record would have been."""

import json
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from schemas.response import Response
from worker.demo import samples
from worker.demo.tools import FORM, FORM_SECRET, Tools, corrected
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.outcome import Accepted
from worker.kafka.publishing import lines
from worker.receive.deliveries import Deliveries
from worker.receive.signatures import Request, Unauthentic

VALUES = samples.shipped(datetime(2026, 5, 1, 12, tzinfo=UTC))


def received(tools: Tools, value: bytes) -> tuple[str, Response] | None:
    """Return the tool that delivers a sample, and the response that the receiver makes of it; None if no tool does."""
    delivery = tools.delivery(value)
    if delivery is None:
        return None
    name = delivery.path.rpartition("/")[2]
    request = Request(delivery.body, {name.lower(): text for name, text in delivery.headers.items()})
    reader, now = Deliveries(tools.settings(0)), int(time.time() * 1_000)
    changed = request._replace(body=delivery.body + b" ")
    assert reader.read(name, changed, now) is Unauthentic.SIGNATURE_WRONG
    outcomes = reader.read(name, request, now)
    assert not isinstance(outcomes, Unauthentic)
    [accepted] = outcomes
    assert isinstance(accepted, Accepted)
    return name, bare.read(accepted.value)


def test_a_delivery_becomes_the_response_of_the_sample_with_another_id() -> None:
    tools = Tools(corrected(VALUES))
    seen = Counter[str]()
    for value in VALUES:
        found = received(tools, value)
        if found is None:
            seen["kafka"] += 1
            continue
        tool, response = found
        seen[tool] += 1
        sample, own = bare.read(value), {"response_id", "revision", "origin"}
        assert sample.model_dump(exclude=own) == response.model_dump(exclude=own)
        assert (f"{tool}:{sample.response_id}", tool) == (response.response_id, response.origin.system)
        assert sample.origin.permalink == response.origin.permalink

    assert seen.total() == len(lines(samples.FILE))
    assert min(seen["typeform"], seen["formbricks"]) > 100


def test_what_no_tool_delivers_stays_a_record() -> None:
    tools = Tools(corrected(VALUES))
    kept = [value for value in VALUES if tools.delivery(value) is None]
    complete = [json.loads(value) for value in kept if b'"segment"' in value and b'"r-bad"' not in value]

    assert {b"not json", b"[]", b"{}"} <= set(kept)
    assert any("specversion" in answer for answer in complete)
    # Answers that are corrected later, and their corrections.
    assert {answer.get("data", answer)["response_id"] for answer in complete} >= corrected(VALUES)
    assert len(corrected(VALUES)) == 9


def test_a_copy_comes_from_the_same_tool() -> None:
    tools = Tools()
    [first, *_] = VALUES
    assert received(tools, first) == received(tools, first)


@pytest.mark.parametrize("score", ["2", "10"])
def test_an_answer_by_hand_needs_only_a_score_and_a_time(score: str) -> None:
    request = Request(
        f"score={score}&at=1772440000".encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        path_secret=FORM_SECRET,
    )
    outcomes = Deliveries(Tools().settings(0)).read(FORM, request, 0)
    assert not isinstance(outcomes, Unauthentic)
    [accepted] = outcomes
    assert isinstance(accepted, Accepted)
    assert (int(score), "by-hand-1772440000") == (bare.read(accepted.value).score, accepted.customer_id)
