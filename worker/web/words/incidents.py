"""The words of the pages of incidents, in French and English. What happened is said as the mails say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.incident import IncidentAction
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class IncidentPageWords:
    """The words of one language."""

    title: str
    hint: str
    open: str
    none_open: str
    past: str
    none_past: str
    since: str
    until: str
    what: str
    severity: str
    look: str
    back: str
    over: str
    is_open: str
    steps: str
    actions: Mapping[str, str]
    messages: str
    no_messages: str
    segment: str
    compare: str
    kept: str


_ENGLISH = IncidentPageWords(
    title="Incidents",
    hint="When the NPS of a segment has fallen, or answers have stopped coming, and chance hardly explains it.",
    open="Open",
    none_open="No incident is open.",
    past="Over",
    none_past="No incident was over lately, as far back as this page knows.",
    since="Since",
    until="Over since",
    what="What happened",
    severity="Severity",
    look="Look at it",
    back="All incidents",
    over="over",
    is_open="open",
    steps="How it went on",
    actions={
        IncidentAction.OPENED: "found",
        IncidentAction.UPDATED: "changed",
        IncidentAction.RESOLVED: "over",
    },
    messages="Messages about it",
    no_messages="No message about it is known.",
    segment="Look at {name}",
    compare="Compare {name} with the rest",
    kept="This page knows the latest incidents only.",
)

_FRENCH = IncidentPageWords(
    title="Incidents",
    hint=french(
        "Quand le NPS d’un périmètre a baissé, ou que les réponses n’arrivent plus, et que le hasard ne l’explique "
        "guère."
    ),
    open="En cours",
    none_open="Aucun incident n’est ouvert.",
    past="Terminés",
    none_past="Aucun incident ne s’est terminé récemment, aussi loin que cette page remonte.",
    since="Depuis le",
    until="Terminé depuis le",
    what="Ce qui s’est passé",
    severity="Gravité",
    look="Voir",
    back="Tous les incidents",
    over="terminé",
    is_open="en cours",
    steps="La suite",
    actions={
        IncidentAction.OPENED: "découvert",
        IncidentAction.UPDATED: "modifié",
        IncidentAction.RESOLVED: "terminé",
    },
    messages="Les messages à ce sujet",
    no_messages="Aucun message à ce sujet n’est connu.",
    segment=french("Voir {name}"),
    compare="Comparer {name} avec le reste",
    kept="Cette page ne connaît que les derniers incidents.",
)

INCIDENT_PAGE_WORDS: Mapping[Language, IncidentPageWords] = {"fr": _FRENCH, "en": _ENGLISH}
