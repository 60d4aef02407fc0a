"""The words of a text about a step of a case, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.case import CaseAction, CaseOutcome, CaseReason
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class CaseText:
    """What is said for one reason. Placeholders are in braces."""

    tag: str  # at the beginning of a subject
    headline: str
    sentence: str
    hint: str


@dataclass(frozen=True)
class CaseWords:
    """The words of one language."""

    news: Mapping[str, CaseText]  # by reason, or by action if the reason says nothing more
    other: CaseText  # for a step that this version does not know
    subject: str  # {tag} {score} {place}
    everything: str  # the root segment
    section: str
    due: str
    opened: str
    acknowledged: str
    assignee: str
    level: str
    step: str
    response: str
    actor: str
    outcome: str
    outcomes: Mapping[str, str]
    cause: str


_FRENCH = CaseWords(
    news={
        CaseReason.DUE_SOON: CaseText(
            tag="Rappel",
            headline="Un délai expire bientôt",
            sentence="Ce dossier attend une action de votre part avant l’échéance indiquée ci-dessous.",
            hint=(
                "L’alerte elle-même vous a été envoyée auparavant. Une fois le dossier clos, il n’y a plus de rappel."
            ),
        ),
        CaseReason.NOT_ACKNOWLEDGED: CaseText(
            tag="Escalade",
            headline="Personne n’a pris en charge une alerte dans les délais",
            sentence="Un client mécontent attend, et personne n’a pris son dossier en charge avant l’échéance.",
            hint=(
                "Vous recevez ce message parce que votre nom figure dans la chaîne d’escalade. Prendre le dossier en "
                "charge met fin à l’escalade."
            ),
        ),
        CaseReason.NOT_RESOLVED: CaseText(
            tag="En retard",
            headline="Un dossier n’est pas clos dans les délais",
            sentence="Ce dossier n’est pas clos, et son échéance est passée.",
            hint="L’alerte elle-même vous a été envoyée auparavant. C’est le dernier rappel au sujet de ce dossier.",
        ),
        CaseAction.ACKNOWLEDGED: CaseText(
            tag="Pris en charge",
            headline="Une alerte est prise en charge",
            sentence="Quelqu’un s’occupe de ce client mécontent.",
            hint="Vous recevez ce message parce que vous avez reçu l’alerte. Vous n’avez rien à faire.",
        ),
        CaseAction.RESOLVED: CaseText(
            tag="Clos",
            headline="Le dossier d’une alerte est clos",
            sentence="Il n’y a plus rien à faire au sujet de cette alerte.",
            hint="Vous recevez ce message parce que vous avez reçu l’alerte. Vous n’avez rien à faire.",
        ),
        CaseAction.REOPENED: CaseText(
            tag="Rouvert",
            headline="Le dossier d’une alerte est rouvert",
            sentence="Quelqu’un a rouvert ce dossier, qui attend de nouveau une action.",
            hint="Vous recevez ce message parce que vous avez reçu l’alerte. Les délais recommencent à courir.",
        ),
        CaseReason.DETRACTOR_AGAIN: CaseText(
            tag="Rouvert",
            headline="Le client est toujours mécontent, et le dossier est rouvert",
            sentence="Le client a modifié sa réponse, et ce dossier attend de nouveau une action.",
            hint=(
                "Vous recevez ce message parce que vous avez reçu l’alerte, ou parce que les routes vous désignent "
                "désormais. Les délais recommencent à courir."
            ),
        ),
    },
    other=CaseText(
        tag="Dossier",
        headline="Un dossier attend une action",
        sentence="Le dossier d’une alerte attend une action de votre part.",
        hint="",
    ),
    subject=french("[{tag}] Client mécontent, note {score}/10 : {place}"),
    everything="tout le périmètre",
    section="Le dossier",
    due="Échéance",
    opened="Ouvert",
    acknowledged="Pris en charge",
    assignee="Suivi par",
    level="Niveau de service",
    step="Étape de l’escalade",
    response="Réponse",
    actor="Par",
    outcome="Résultat",
    outcomes={
        CaseOutcome.CALLED_BACK: "client rappelé",
        CaseOutcome.SOLVED: "problème résolu",
        CaseOutcome.COULD_NOT_REACH: "client injoignable",
        CaseOutcome.NOT_JUSTIFIED: "réclamation non justifiée",
    },
    cause="Cause",
)

_ENGLISH = CaseWords(
    news={
        CaseReason.DUE_SOON: CaseText(
            tag="Reminder",
            headline="A time limit ends soon",
            sentence="Somebody has to act on this case before the time below.",
            hint=(
                "You have received the alert itself before. Once the case is resolved, there are no further reminders."
            ),
        ),
        CaseReason.NOT_ACKNOWLEDGED: CaseText(
            tag="Escalated",
            headline="Nobody has acknowledged an alert in time",
            sentence="A customer is unhappy, and nobody has acknowledged the case before its time limit.",
            hint=(
                "You receive this message because you are in the escalation of this service level. If somebody "
                "acknowledges the case, the escalation ends."
            ),
        ),
        CaseReason.NOT_RESOLVED: CaseText(
            tag="Late",
            headline="A case is not resolved in time",
            sentence="This case is not resolved, and its time limit has passed.",
            hint="You have received the alert itself before. This is the last reminder about this case.",
        ),
        CaseAction.ACKNOWLEDGED: CaseText(
            tag="Acknowledged",
            headline="Somebody has acknowledged an alert",
            sentence="Somebody looks after this unhappy customer.",
            hint="You receive this message because you have received the alert. You need not do anything.",
        ),
        CaseAction.RESOLVED: CaseText(
            tag="Resolved",
            headline="The case of an alert is resolved",
            sentence="Nothing is left to do about this alert.",
            hint="You receive this message because you have received the alert. You need not do anything.",
        ),
        CaseAction.REOPENED: CaseText(
            tag="Reopened",
            headline="The case of an alert is open again",
            sentence="Somebody has reopened this case: there is something to do again.",
            hint="You receive this message because you have received the alert. The time limits begin again.",
        ),
        CaseReason.DETRACTOR_AGAIN: CaseText(
            tag="Reopened",
            headline="A customer is still unhappy, and the case is open again",
            sentence="The customer has changed the answer, and there is something to do again.",
            hint=(
                "You receive this message because you have received the alert, or because the routes name you now. The "
                "time limits begin again."
            ),
        ),
    },
    other=CaseText(
        tag="Case",
        headline="A case needs attention",
        sentence="Somebody has to act on the case of an alert.",
        hint="",
    ),
    subject="[{tag}] Unhappy customer, score {score}/10: {place}",
    everything="all segments",
    section="The case",
    due="Time limit",
    opened="Opened",
    acknowledged="Acknowledged",
    assignee="Assigned to",
    level="Service level",
    step="Step of the escalation",
    response="Response",
    actor="By",
    outcome="Outcome",
    outcomes={
        CaseOutcome.CALLED_BACK: "the customer was called back",
        CaseOutcome.SOLVED: "the problem is solved",
        CaseOutcome.COULD_NOT_REACH: "the customer could not be reached",
        CaseOutcome.NOT_JUSTIFIED: "the complaint is not justified",
    },
    cause="Cause",
)

CASE_WORDS: Mapping[Language, CaseWords] = {"fr": _FRENCH, "en": _ENGLISH}
