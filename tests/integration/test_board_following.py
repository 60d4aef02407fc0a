"""The board of the page on Kafka: it is filled from the worker's topics, and every process shows the same."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from integration.conftest import Bench, StartBench
from integration.test_board import LOCAL, audited, pages, read_until
from integration.test_cases import answer, bodies

from worker.board.answers import AnswerQuery
from worker.board.board import Board
from worker.board.cases import CaseQuery
from worker.board.dead_letters import LetterQuery
from worker.board.deliveries import LineQuery
from worker.clock import SystemClock
from worker.flow.timestamps import DAY, rfc3339
from worker.web.following.services import following_all
from worker.web.following.sources import bounds_of

CLOCK = SystemClock()


@asynccontextmanager
async def filled(running: Bench) -> AsyncIterator[Board]:
    """Fill a board from a worker's topics until the end of the block; yield it once it has caught up."""
    board = Board.bounded(bounds_of(running.settings), running.settings.cases)
    services = following_all(running.settings, board, CLOCK)
    assert not board.freshness(CLOCK.now()).caught_up
    try:
        for service in services:
            await service.start()
        await until(lambda: board.freshness(CLOCK.now()).caught_up)
        yield board
    finally:
        for service in services:
            await service.stop()


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110 - the stores raise no events
            await asyncio.sleep(0.02)


def shown(board: Board, now: int) -> dict[str, object]:
    """Return what pages show of the board."""
    return {
        "paths": board.scores.paths(),
        "scores": [board.scores.get(path) for path in (*board.scores.paths(), *board.scores.surveys())],
        "days": [board.history.days(path) for path in board.scores.paths()],
        "cases": board.cases.listed(CaseQuery(), now),
        "answers": [*board.answers.latest(AnswerQuery()).entries],
        "letters": [*board.dead_letters.latest(LetterQuery()).entries],
        "deliveries": [*board.deliveries.latest(LineQuery()).entries],
    }


async def test_any_web_process_shows_the_same_and_follows_what_happens(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(answer(), b"c-1")
        await running.publish(b"noise", b"c-2")
        await running.settle()
        async with filled(running) as board, filled(running) as other:
            now = CLOCK.now()
            await until(lambda: shown(board, now) == shown(other, now))
            ((known,), _, _) = board.cases.listed(CaseQuery(), now)
            (decided,) = board.answers.of_customer("c-1")
            alert_id = known.case.alert_id
            assert (known.customer_id, decided.told, board.segment_of(alert_id)) == ("c-1", True, known.case.segment)
            assert board.scores.counts("", "all") == (0, 0, 1)
            assert board.dead_letters.reasons() == {"not_json": 1}
            assert len(board.alerts.of_alert(alert_id).alerts) == 1

            before = board.version("answers")
            await running.publish(answer(response_id="r-9", responded_at=rfc3339(now).decode()), b"c-1")
            await until(lambda: len(board.answers.of_customer("c-1")) == 2)
            assert board.version("answers") > before
            await running.settle()
            await until(lambda: board.scores.counts("", "all") == (0, 0, 2))
            await until(lambda: (now // DAY, 0, 0, 1) in board.history.days(known.case.segment))
            assert len(board.history.hours("")) == 1

            known_at = min(at or 0 for at in board.known_at.values())
            await until(lambda: min(at or 0 for at in board.known_at.values()) > known_at)
        async with filled(running) as again:
            assert shown(again, now)["answers"] == shown(board, now)["answers"]
            assert shown(again, now)["scores"] == shown(board, now)["scores"]


async def test_a_refused_answer_that_is_corrected_on_the_page_counts(bench: StartBench) -> None:
    async with bench(web=LOCAL) as running, pages(running.settings) as [browser]:
        await running.publish(answer(score=11), b"c-1")
        await running.settle()
        await read_until(browser, "/dead-letters", "The score does not lie between 0 and 10.")
        found = re.search(r'href="(/dead-letters/[^"]+)"', browser.text)
        assert found is not None
        assert "&#34;score&#34;: 11" in await browser.open(found[1])
        refused = await browser.post(found[1], {"value": answer(score=12).decode()})
        assert refused.status == 422
        sent = await browser.post(found[1], {"value": answer(score=1).decode()})
        assert sent.headers["Location"].startswith(f"{found[1]}?done=sent&place=")
        await running.settle()
        became = re.search(r'href="(/answers[?]decision=[^"]+)"', await browser.open(sent.headers["Location"]))
        assert became is not None
        await read_until(browser, became[1], "An alert was opened")
        decisions, [entry] = bodies(await running.read("decisions")), await audited(running)

    assert [(one["outcome"], one["score"]) for one in decisions] == [("accepted", 1)]
    assert (entry["action"], entry["outcome"], entry["actor"]) == ("sent_again", "applied", "local")
