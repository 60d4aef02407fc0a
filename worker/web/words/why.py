"""The words that the pages about "Why?" share, in French and English: their names, and what became of a form."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.dead_letter import Reason
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class WhyWords:
    """The words of one language."""

    label: str  # the name of the links between these pages
    answers: str
    dead_letters: str
    deliveries: str
    digests: str
    silences: str
    incidents: str
    show: str
    find: str
    rows: tuple[str, str]  # one, and {n}
    newer: str
    older: str
    hidden: str
    #: What became of a form, by what the gate says (worker/web/gate.py), but for 'refused'.
    outcomes: Mapping[str, str]
    #: Why something was refused, by the stable word.
    reasons: Mapping[str, str]
    refused: str  # for a reason that this version does not know; {reason}


_ENGLISH = WhyWords(
    label="Pages about why something happened",
    answers="Answers",
    dead_letters="Refused records",
    deliveries="Messages",
    digests="Digests",
    silences="Silences",
    incidents="Incidents",
    show="Show",
    find="Find",
    rows=("1 row", "{n} rows"),
    newer="To the newest",
    older="Older",
    hidden="hidden",
    outcomes={
        "applied": "Done.",
        "unchanged": "It was like this already.",
        "unanswered": "It was handed over, but it is not done yet. Look again in a moment.",
        "unsure": "It is not certain whether this has arrived. Look again in a moment, and repeat it if need be.",
        "busy": "Too much is being done at the moment, so nothing was changed. Try again.",
    },
    reasons={
        Reason.SILENCE_UNKNOWN: "There is no such silence.",
        Reason.SILENCE_OVER: "This silence is over. Add another one.",
        Reason.TIME_PAST: "The end of the silence is not in the future.",
        Reason.OUT_OF_RANGE: "The end of the silence is more than 366 days away.",
        Reason.TOO_MANY_SILENCES: "There are too many silences already.",
    },
    refused="This was refused ({reason}).",
)

_FRENCH = WhyWords(
    label="Pages qui disent pourquoi",
    answers="Réponses",
    dead_letters="Réponses refusées",
    deliveries="Messages",
    digests="Récapitulatifs",
    silences="Silences",
    incidents="Incidents",
    show="Afficher",
    find="Chercher",
    rows=("1 ligne", "{n} lignes"),
    newer="Aux plus récents",
    older="Plus anciens",
    hidden="masqué",
    outcomes={
        "applied": "C’est fait.",
        "unchanged": "C’était déjà le cas.",
        "unanswered": "C’est transmis, mais ce n’est pas encore fait. Regardez à nouveau dans un instant.",
        "unsure": french(
            "On ne sait pas si c’est arrivé. Regardez à nouveau dans un instant, et recommencez si nécessaire."
        ),
        "busy": french("Trop de choses sont en cours : rien n’a été modifié. Réessayez."),
    },
    reasons={
        Reason.SILENCE_UNKNOWN: "Ce silence n’existe pas.",
        Reason.SILENCE_OVER: "Ce silence est terminé. Ajoutez-en un autre.",
        Reason.TIME_PAST: "La fin du silence n’est pas dans l’avenir.",
        Reason.OUT_OF_RANGE: "La fin du silence est dans plus de 366 jours.",
        Reason.TOO_MANY_SILENCES: "Il y a déjà trop de silences.",
    },
    refused="C’est refusé ({reason}).",
)

WHY_WORDS: Mapping[Language, WhyWords] = {"fr": _FRENCH, "en": _ENGLISH}
