"""What a mail costs before it is sent, from the notice to the bytes: python -m bench.composing [MAILS] [--every MS].

With `--every`, the process sleeps for a while before each mail, as the role `notify` does at ordinary rates. The caches
of the processor then hold the data of other programs, and the same code takes longer. To compare two versions on a
machine that does other work as well, run it several times in turns in a work tree of each.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from schemas.alert import Alert, AlertAction, AlertReason, EarlierAnswer, Link, Severity
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.response import Consent, Customer
from schemas.scores import WindowScore
from worker.app import calm_collector
from worker.flow.ids import make_id
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.notice import Notice
from worker.notify.receivers import Address
from worker.routing.receiver import EMAIL, Language, Receiver

_MAILS = 400
_RUNS = 5
_BEGAN = datetime(2026, 8, 1, 12, 5, 30, tzinfo=UTC)
_TO = ["support@example.com", "manager@example.com"]
_ADDRESS = Address(Receiver("default", {EMAIL: _TO}), "default", _TO)
_LETTERHEADS = {language: Letterhead("nps@example.com", language, "Satisfaction, clients") for language in ("fr", "en")}
_SHORT: dict[Language, str] = {
    "fr": "Trois semaines de retard.\nPersonne ne répond au téléphone.",
    "en": "Three weeks late.\nNobody answers the phone.",
}
_SENTENCE: dict[Language, str] = {
    "fr": "J’ai appelé à plusieurs reprises, et à chaque fois on m’a répondu que mon colis était déjà en route. ",
    "en": "I have called several times, and each time somebody answered that my parcel was already on its way. ",
}
#: Ten paragraphs of 400 characters.
_LONG = {language: "\n\n".join([sentence * 4] * 10) for language, sentence in _SENTENCE.items()}


def main() -> None:
    """Compose the same mails several times; print the CPU time of each kind's best run, for each mail."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.composing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mails", type=int, nargs="?", default=_MAILS, help=f"of each kind (default: {_MAILS})")
    parser.add_argument("--every", metavar="MS", type=int, default=0, help="sleep this long before each mail, in ms")
    asked = parser.parse_args()
    count, pause = asked.mails, asked.every / 1_000
    kinds: dict[str, tuple[Language, list[Notice]]] = {}
    for language in _SHORT:
        kinds[f"alert, {language}, short comment"] = language, [_alert(n, language, _SHORT) for n in range(count)]
        kinds[f"alert, {language}, comment of 4,000"] = language, [_alert(n, language, _LONG) for n in range(count)]
        kinds[f"incident, {language}"] = language, [_incident(n) for n in range(count)]
    _compose(language, [notices[0] for language, notices in kinds.values()])  # loads the templates
    calm_collector()
    print(f"{'':<28}{'µs of CPU':>10}{'bytes':>8}")
    for kind, (language, notices) in kinds.items():
        took, size = zip(*(_compose(language, notices, pause) for _ in range(_RUNS)), strict=True)
        print(f"{kind:<28}{min(took) / max(1, count) * 1e6:>10.0f}{size[0] / max(1, count):>8.0f}")


def _compose(language: Language, notices: Sequence[Notice], pause: float = 0.0) -> tuple[float, int]:
    """Return the seconds of CPU that the mails took, and how many bytes they have.

    `pause`: how long to sleep before each mail, in seconds.
    """
    size, took, letterhead = 0, 0.0, _LETTERHEADS[language]
    for number, notice in enumerate(notices):
        if pause:
            time.sleep(pause)
        began = time.process_time()
        size += len(compose(notice, _ADDRESS, delivery_id=make_id("mail", number), letterhead=letterhead).data)
        took += time.process_time() - began
    return took, size


def _alert(number: int, language: Language, comments: dict[Language, str]) -> Alert:
    when = _BEGAN + timedelta(seconds=number)
    return Alert(
        alert_id=make_id("alert", number),
        kind="detractor",
        action=AlertAction.OPENED,
        reason=AlertReason.DETRACTOR,
        severity=Severity.CRITICAL,
        summary="Score 2 at fr/lyon/delivery",
        occurred_at=when,
        response_id=f"r-{number}",
        revision=0,
        survey_id="after-delivery",
        score=2,
        responded_at=when - timedelta(seconds=2),
        comment=f"{comments[language]}\n{number}",
        language=language,
        segment="fr/lyon/delivery",
        touchpoint="delivery",
        customer_id=f"c-{number}",
        customer=Customer(
            name="Inès Fontaine",
            phone=f"+33 6 12 34 {number % 100:02} 78",
            email=f"ines.{number}@example.org",
            tier="gold",
            owner="Jean",
        ),
        consent=Consent(callback=True),
        last_answers=[
            EarlierAnswer(score=9 - ago, responded_at=when - timedelta(days=90 * ago), segment="fr/lyon/delivery")
            for ago in (1, 2)
        ],
        links=[Link(href=f"https://survey.example/answers/{number}?lang={language}", text="answer")],
    )


def _incident(number: int) -> Incident:
    before = WindowScore(
        n=1268, promoters=700, passives=356, detractors=212, nps=38.5, low=34.2, high=42.6, indicative=False
    )
    after = WindowScore(n=33, promoters=7, passives=12, detractors=14, nps=-21.2, low=-44.5, high=5.6, indicative=False)
    return Incident(
        alert_id=make_id("incident", number),
        kind=IncidentKind.SEGMENT_DROP,
        action=IncidentAction.OPENED,
        reason=IncidentReason.NPS_FELL,
        severity=Severity.CRITICAL,
        summary="NPS fell from +38 to -21 at fr/lyon/delivery",
        occurred_at=_BEGAN + timedelta(seconds=number),
        segment="fr/lyon/delivery",
        touchpoint="delivery",
        since=_BEGAN - timedelta(days=8),
        before=before,
        after=after,
        change=Change(points=-59.7, low=-84.1, high=-30.8),
        explains=["fr/lyon", "fr"],
    )


if __name__ == "__main__":
    main()
