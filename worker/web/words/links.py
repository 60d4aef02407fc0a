"""The words of the pages of links, in French and English.

They are written for the people who call customers: no word of Kafka, and each page says what to do next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.case import CaseOutcome, CaseState
from worker.links.commanding import LONGEST_NAME, LONGEST_NOTE, Problem
from worker.links.standing import Standing
from worker.notify.content.typography import french
from worker.routing.receiver import Language


class Text(NamedTuple):
    """A title and the paragraphs below it.

    Placeholders are in braces: {who} and {when} are those of the change of the case that the page is about.
    """

    title: str
    paragraphs: tuple[str, ...]


def text(title: str, *paragraphs: str) -> Text:
    """Return a text."""
    return Text(title, paragraphs)


@dataclass(frozen=True)
class PageWords:
    """The words of one language."""

    ask_acknowledge: Text
    ask_resolve: Text
    name: str
    name_hint: str
    outcome: str
    outcomes: Mapping[CaseOutcome, str]
    cause: str
    no_cause: str
    cause_required: str
    note: str
    note_hint: str
    problems: Mapping[Problem, str]
    #: What the page says if the link cannot be used, by its standing.
    outdated: Mapping[Standing, Text]
    #: {outcome}, a paragraph of the page about a case that is resolved.
    resolved_as: str
    done_acknowledge: Text
    done_resolve: Text
    waiting: Text
    unsure: Text
    expired: Text
    invalid: Text
    starting: Text
    busy: Text
    not_found: Text
    refused: Text
    somebody: str
    state: str
    states: Mapping[CaseState, str]
    since: str
    acknowledged_by: str
    resolved_by: str
    assignee: str
    scored_again: str
    number: str  # of the case, as the page calls it
    to_case: str  # a link to the page of the case


_ENGLISH = PageWords(
    ask_acknowledge=text(
        "Will you look after this customer?",
        "If you press the button, the others see that you look after the case.",
    ),
    ask_resolve=text(
        "Is this case done?",
        "If you press the button, nobody has to do anything about the case any more.",
    ),
    name="Your name",
    name_hint="Not required. The others see it.",
    outcome="What came of it?",
    outcomes={
        CaseOutcome.CALLED_BACK: "I have called the customer back",
        CaseOutcome.SOLVED: "The problem is solved",
        CaseOutcome.COULD_NOT_REACH: "The customer could not be reached",
        CaseOutcome.NOT_JUSTIFIED: "The complaint is not justified",
    },
    cause="What had gone wrong?",
    no_cause="not said",
    cause_required="please choose",
    note="Note",
    note_hint="Not required. Write no more about the customer than others need to know.",
    problems={
        Problem.NAME_TOO_LONG: f"The name may have at most {LONGEST_NAME} characters.",
        Problem.NOTE_TOO_LONG: f"The note may have at most {LONGEST_NOTE:,} characters.",
        Problem.OUTCOME_MISSING: "Please choose what came of it.",
        Problem.CAUSE_MISSING: "Please choose what had gone wrong.",
    },
    outdated={
        Standing.ACKNOWLEDGED: text(
            "Somebody looks after this case",
            "{who} has looked after this case since {when}. This link does nothing now.",
            "If you want to take the case over, speak to {who} first. When it is done, use the link “Resolve” in "
            "the message.",
        ),
        Standing.RESOLVED: text(
            "This case is resolved",
            "{who} resolved this case on {when}. This link does nothing now.",
            "If there is still something to do, ask the people who run the alerts to reopen the case.",
        ),
        Standing.WITHDRAWN: text(
            "This alert was withdrawn",
            "The alert was withdrawn on {when}, since the answer was corrected or does not count any more. This "
            "link does nothing now.",
            "There is no need to call this customer back.",
        ),
        Standing.REOPENED: text(
            "This case was reopened",
            "The case was reopened on {when}, after the message with this link was sent. So this link does nothing "
            "now.",
            "Use the link in the newest message about this alert. If there is none, ask the people who run the alerts.",
        ),
        Standing.AHEAD: text(
            "This alert is very new",
            "The page does not know it yet. Nothing was changed. Please reload the page in a moment.",
            "If that goes on for long, ask the people who run the alerts.",
        ),
        Standing.UNKNOWN: text(
            "This case is not known any more",
            "Either the case ended long ago and was forgotten, or the customer’s data were erased. This link does "
            "nothing now.",
            "There is nothing to do about it.",
        ),
    },
    resolved_as="Outcome: {outcome}.",
    done_acknowledge=text(
        "Thank you, you have it",
        "The case is acknowledged by {who}.",
        "When it is done, use the link “Resolve” in the message.",
    ),
    done_resolve=text("Thank you, the case is resolved", "The case is resolved by {who}. You can close this page."),
    waiting=text(
        "Your answer is on its way",
        "It was written down, but has not been confirmed yet. It will be carried out, or refused, later.",
        "To see what became of it, open the link again in some minutes. Sending it twice does no harm.",
    ),
    unsure=text(
        "It is not sure whether your answer has arrived",
        "A connection failed. Please open the link again, and repeat it. Sending it twice does no harm.",
    ),
    expired=text(
        "This link is too old",
        "A link can be used for {days} days. This link does nothing now.",
        "Use the link in a newer message about this alert, or ask the people who run the alerts.",
    ),
    invalid=text(
        "This link is not valid",
        "Perhaps it was not copied completely, or it was changed, or it was made with a key that is not used any "
        "more. It does nothing.",
        "Open it again from the message. If that does not help, ask the people who run the alerts.",
    ),
    starting=text("This page is starting", "Please reload the page in a moment. Nothing was changed."),
    busy=text("Too many people are sending answers", "Nothing was changed. Please try again in a moment."),
    not_found=text("There is no such page", "Open the link in the message."),
    refused=text("This was not accepted", "Nothing was changed. Open the link in the message, and use its form."),
    somebody="Somebody",
    state="State",
    states={
        CaseState.OPEN: "open",
        CaseState.ACKNOWLEDGED: "acknowledged",
        CaseState.RESOLVED: "resolved",
        CaseState.WITHDRAWN: "withdrawn",
    },
    since="Open since",
    acknowledged_by="Acknowledged by",
    resolved_by="Resolved by",
    assignee="Assigned to",
    scored_again="Next score of the customer",
    number="Case number",
    to_case="Open this case",
)

_FRENCH = PageWords(
    ask_acknowledge=text(
        french("Vous occupez-vous de ce client ?"),
        "Si vous appuyez sur le bouton, les autres voient que vous vous occupez du dossier.",
    ),
    ask_resolve=text(
        french("Ce dossier est-il traité ?"),
        "Si vous appuyez sur le bouton, personne n’a plus rien à faire pour ce dossier.",
    ),
    name="Votre nom",
    name_hint="Facultatif. Les autres le voient.",
    outcome=french("Quel est le résultat ?"),
    outcomes={
        CaseOutcome.CALLED_BACK: "J’ai rappelé le client",
        CaseOutcome.SOLVED: "Le problème est résolu",
        CaseOutcome.COULD_NOT_REACH: "Le client n’a pas pu être joint",
        CaseOutcome.NOT_JUSTIFIED: "La réclamation n’est pas justifiée",
    },
    cause=french("Qu’est-ce qui n’allait pas ?"),
    no_cause="non précisé",
    cause_required="à choisir",
    note="Note",
    note_hint="Facultatif. N’écrivez sur le client que ce que les autres doivent savoir.",
    problems={
        Problem.NAME_TOO_LONG: f"Le nom peut avoir au plus {LONGEST_NAME} caractères.",
        Problem.NOTE_TOO_LONG: f"La note peut avoir au plus {LONGEST_NOTE} caractères.",
        Problem.OUTCOME_MISSING: "Veuillez choisir le résultat.",
        Problem.CAUSE_MISSING: "Veuillez choisir ce qui n’allait pas.",
    },
    outdated={
        Standing.ACKNOWLEDGED: text(
            "Quelqu’un s’occupe de ce dossier",
            french("{who} s’occupe de ce dossier ; c’est enregistré le {when}. Ce lien n’a plus d’effet."),
            french(
                "Si vous voulez reprendre le dossier, parlez-en d’abord à {who}. Quand il est traité, utilisez le "
                "lien « Clore » du message."
            ),
        ),
        Standing.RESOLVED: text(
            "Ce dossier est clos",
            "{who} a clos ce dossier le {when}. Ce lien n’a plus d’effet.",
            "S’il reste quelque chose à faire, demandez aux responsables des alertes de rouvrir le dossier.",
        ),
        Standing.WITHDRAWN: text(
            "Cette alerte est levée",
            french(
                "L’alerte a été levée le {when} : la réponse a été corrigée, ou ne compte plus. Ce lien n’a plus "
                "d’effet."
            ),
            "Il n’y a plus lieu de rappeler ce client.",
        ),
        Standing.REOPENED: text(
            "Ce dossier a été rouvert",
            "Le dossier a été rouvert le {when}, après l’envoi du message avec ce lien. Ce lien n’a donc plus d’effet.",
            "Utilisez le lien du dernier message au sujet de cette alerte. S’il n’y en a pas, adressez-vous aux "
            "responsables des alertes.",
        ),
        Standing.AHEAD: text(
            "Cette alerte est toute récente",
            "La page ne la connaît pas encore. Rien n’a été modifié. Rechargez la page dans un instant.",
            "Si cela dure, adressez-vous aux responsables des alertes.",
        ),
        Standing.UNKNOWN: text(
            "Ce dossier n’est plus connu",
            "Soit le dossier est clos depuis longtemps et a été oublié, soit les données du client ont été "
            "effacées. Ce lien n’a plus d’effet.",
            "Il n’y a rien à faire à ce sujet.",
        ),
    },
    resolved_as=french("Résultat : {outcome}."),
    done_acknowledge=text(
        "Merci, vous vous en occupez",
        french("Dossier pris en charge par : {who}."),
        french("Quand il est traité, utilisez le lien « Clore » du message."),
    ),
    done_resolve=text("Merci, le dossier est clos", french("Dossier clos par : {who}. Vous pouvez fermer cette page.")),
    waiting=text(
        "Votre réponse est en route",
        "Elle est enregistrée, mais n’est pas encore confirmée. Elle sera appliquée, ou refusée, plus tard.",
        "Pour voir le résultat, ouvrez de nouveau le lien dans quelques minutes. L’envoyer deux fois ne change rien.",
    ),
    unsure=text(
        "Il n’est pas sûr que votre réponse soit arrivée",
        "Une connexion a échoué. Ouvrez de nouveau le lien et recommencez. L’envoyer deux fois ne change rien.",
    ),
    expired=text(
        "Ce lien est trop ancien",
        "Un lien peut être utilisé pendant {days} jours. Ce lien n’a plus d’effet.",
        "Utilisez le lien d’un message plus récent au sujet de cette alerte, ou adressez-vous aux responsables des "
        "alertes.",
    ),
    invalid=text(
        "Ce lien n’est pas valable",
        "Peut-être n’a-t-il pas été copié en entier, ou a-t-il été modifié, ou sa clé n’est-elle plus utilisée. Il "
        "n’a pas d’effet.",
        "Ouvrez-le de nouveau depuis le message. Si cela ne suffit pas, adressez-vous aux responsables des alertes.",
    ),
    starting=text("Cette page démarre", "Rechargez la page dans un instant. Rien n’a été modifié."),
    busy=text("Trop de réponses sont envoyées en même temps", "Rien n’a été modifié. Réessayez dans un instant."),
    not_found=text("Cette page n’existe pas", "Ouvrez le lien du message."),
    refused=text(
        "Cet envoi n’a pas été accepté",
        "Rien n’a été modifié. Ouvrez le lien du message et utilisez son formulaire.",
    ),
    somebody="Quelqu’un",
    state="État",
    states={
        CaseState.OPEN: "ouvert",
        CaseState.ACKNOWLEDGED: "pris en charge",
        CaseState.RESOLVED: "clos",
        CaseState.WITHDRAWN: "levé",
    },
    since="Ouvert depuis le",
    acknowledged_by="Pris en charge par",
    resolved_by="Clos par",
    assignee="Confié à",
    scored_again="Note suivante du client",
    number="Numéro de dossier",
    to_case="Ouvrir ce dossier",
)

PAGE_WORDS: Mapping[Language, PageWords] = {"fr": _FRENCH, "en": _ENGLISH}
