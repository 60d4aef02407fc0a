"""The company of web/why_boards.py with unhappy customers: what they say, and what was done about it."""

import json
import unicodedata
from typing import Any, NamedTuple

from flow.records import Record
from web.boards import NOW
from web.why_boards import why_board

from schemas.alert import Severity
from schemas.case import CaseOutcome, CaseState
from schemas.examples import ALERT, CASE, RECOVERY
from worker.board.board import Board
from worker.flow.cases.case import Case, Cases, Note, encode_cases
from worker.flow.timestamps import DAY, HOUR, rfc3339

_MINUTE = 60_000


class Unhappy(NamedTuple):
    """A customer, the answer, and who looks after it."""

    name: str
    segment: str
    score: int
    comment: str
    #: How many minutes ago the answer came, and in how many the case has to be acknowledged.
    age: int
    due: int
    owner: str = ""


UNHAPPY = (
    Unhappy(
        "Camille Martin",
        "Retail/Marseille",
        1,
        "I waited forty minutes at the counter, and then the jacket that I had reserved was gone. Nobody was sorry.",
        42,
        18,
    ),
    Unhappy("Jonas Weber", "Support/Phone", 2, "Three calls, three different answers. Which one is right?", 95, -35),
    Unhappy("Aïcha Benali", "Online/Web shop", 3, "Le remboursement n'est toujours pas arrivé.", 180, -90, "Léa"),
    Unhappy("Piet de Vries", "Retail/Marseille", 0, "The same as last month. I shop elsewhere now.", 260, 130),
    Unhappy("Noor Haddad", "Support/Chat", 4, "The chat ended in the middle of my question.", 380, 300, "Ines"),
    Unhappy("Lena Novak", "Online/App", 5, "The app forgets my basket.", 700, 900),
    Unhappy("Marco Rossi", "Support/E-mail", 3, "", 1_100, 1_500, "Tom"),
    Unhappy("Sophie Bernard", "Retail/Lyon", 2, "The parcel was wet and the book ruined.", 1_500, 1_700),
)


def company_board() -> Board:
    """Return the board."""
    found = why_board()
    for number in range(9):
        found.cases.take(f"c-{number}".encode(), None)
    for number, one in enumerate(UNHAPPY):
        _open(found, number, one)
    for number in range(60):
        _resolve(found, number)
    return found


def _time(at: int) -> str:
    return rfc3339(at).decode()


def _open(board: Board, number: int, one: Unhappy) -> None:
    at, customer = NOW - one.age * _MINUTE, f"c-{48_100 + number}"
    severity = Severity.CRITICAL if one.score < 3 else Severity.ERROR
    case = Case(
        f"a-{number}", CaseState.ACKNOWLEDGED if one.owner else CaseState.OPEN, at, at, f"r-{90_400 + number}", 0,
        "after-purchase", one.segment, severity, one.score, at, at, at, service_level="standard",
        acknowledge_due=at + (one.age + one.due) * _MINUTE, resolve_due=at + 3 * DAY, receivers=["care"],
    )  # fmt: skip
    if one.owner:
        case.acknowledged_at, case.acknowledged_by, case.assignee = at + 12 * _MINUTE, one.owner, one.owner
        case.notes = [Note(at + 20 * _MINUTE, one.owner, "Called, no answer. I try again this afternoon.")]
    board.cases.take(customer.encode(), encode_cases(Cases([case])))
    common = {
        "alert_id": case.alert_id,
        "customer_id": customer,
        "response_id": case.response_id,
        "segment": one.segment,
        "touchpoint": one.segment.rpartition("/")[2],
        "score": one.score,
        "severity": severity,
        "occurred_at": _time(at),
        "survey_id": case.survey_id,
    }
    email = f"{unicodedata.normalize('NFKD', one.name).encode('ascii', 'ignore').decode().lower().replace(' ', '.')}"
    person = {**ALERT["customer"], "name": one.name, "email": f"{email}@example.com", "owner": "Marie Dubois"}
    links = [{"href": "https://crm.example.com/customers/48100", "text": "Customer in the CRM"}]
    alert = {**ALERT, **common, "customer": person, "comment": one.comment or None, "last_answers": []}
    alert |= {"responded_at": _time(at), "links": links, "language": "en"}
    _take(board, alert, customer, at, b"nps.alert.v1")
    if one.owner:
        at = at + 12 * _MINUTE
        done = {"action": "acknowledged", "state": "acknowledged", "actor": one.owner, "via": "page", "outcome": None}
        step = {**CASE, **common, **done, "cause": None, "occurred_at": _time(at), "acted_at": _time(at)}
        _take(board, step, customer, at, b"nps.case.v1")


def _take(board: Board, event: dict[str, Any], customer: str, at: int, kind: bytes) -> None:
    offset = 1_000 + len(board.alerts)
    value = json.dumps(event).encode()
    board.alerts.take(Record(value, customer.encode(), offset, at, headers=[("ce_type", kind)], topic="nps.alerts"))


def _resolve(board: Board, number: int) -> None:
    """Let a case of before have ended."""
    one, opened = UNHAPPY[number % len(UNHAPPY)], NOW - (number + 2) * DAY
    took = (1 + number % 9) * HOUR
    again = {**RECOVERY["follow_up"], "segment": one.segment, "score": (9, 8, 4)[number % 3]}
    again["recovered"] = again["score"] >= 7
    event = {
        **RECOVERY,
        "recovery_id": f"recovery-{number}",
        "alert_id": f"old-{number}",
        "customer_id": f"c-{40_000 + number}",
        "response_id": f"r-{80_000 + number}",
        "segment": one.segment,
        "opened_at": _time(opened),
        "acknowledged_at": _time(opened + took // 3),
        "ended_at": _time(opened + took),
        "seconds_to_acknowledge": took / 3_000,
        "seconds_to_resolve": took / 1_000,
        "outcome": (CaseOutcome.CALLED_BACK, CaseOutcome.SOLVED, CaseOutcome.COULD_NOT_REACH)[number % 3],
        "cause": ("delivery", "waiting time", "product")[number % 3],
        "receivers": [("care", "lyon")[number % 2]],
        "follow_up": again if number % 2 else None,
    }
    value = json.dumps(event).encode()
    board.recoveries.take(Record(value, b"", number, opened + took, topic="nps.recoveries"))
