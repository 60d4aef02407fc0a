"""The words of an alert's mail, in French and English. An incident's mail shares some of them.

`french` inserts the no-break spaces that French has before : ; ! ? % and inside « ».
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.alert import AlertAction, AlertReason, Severity
from schemas.alert_command import CommandAction
from worker.notify.content.typography import french, moment_en, moment_fr
from worker.routing.receiver import Language


@dataclass(frozen=True)
class Words:
    """The words of one language. Placeholders are in braces, and are filled in where the words are used."""

    colon: str
    not_given: str
    shortened: str
    score_label: str
    score: str  # {score}
    subject: Mapping[str, str]  # by action; {severity} {score} {who} {step}
    updated: str  # the name of a step with another reason
    steps: Mapping[str, str]  # by reason
    withdrawn: str  # the subject of a withdrawal without a corrected score; {who}
    anonymous: str  # who has given an anonymous answer, in a subject
    headline: Mapping[str, str]  # by action
    headline_of_step: Mapping[str, str]  # by reason, of updates
    why: Mapping[str, str]  # by reason
    severities: Mapping[Severity, str]
    tags: Mapping[Severity, str]  # the severity at the beginning of a subject
    severity: str
    callback: str
    callback_yes: str
    callback_no: str
    follow_up_requested: str
    unreachable: str
    comment: str
    no_comment: str
    customer: str
    name: str
    customer_id: str
    phone: str
    email: str
    tier: str
    owner: str
    answer: str
    place: str
    touchpoint: str
    survey: str
    answered: str
    earlier: str
    earlier_line: str  # {score} {when}
    links: str
    link_names: Mapping[str, str]  # by the link's text, for texts that the worker itself sets
    act: str  # the title of the links by which a person acts on an alert
    acts: Mapping[CommandAction, str]  # the names of these links, which the pages of the role web repeat
    act_hint: str
    route: str  # {route}
    unread: str  # without an address for replies
    answerable: str  # with one; {address}
    alert_id: str
    case_number: str  # the id of an alert, as the page calls it
    moment: Callable[[datetime], str]


def language_of(tag: str | None, default: Language) -> Language:
    """Return the language of a BCP 47 tag, such as 'fr-CA', by its first part; the default if it is not known."""
    match re.split("[-_]", (tag or "").strip().lower(), maxsplit=1)[0]:
        case "fr":
            return "fr"
        case "en":
            return "en"
        case _:
            return default


_FRENCH = Words(
    colon=french(" : "),
    not_given="non communiqué",
    shortened="(commentaire abrégé)",
    score_label="Note",
    score="{score} sur 10",
    subject={
        AlertAction.OPENED: french("[{severity}] Client mécontent, note {score}/10 : {who}"),
        AlertAction.UPDATED: french("[{step}] Client mécontent, note {score}/10 : {who}"),
        AlertAction.WITHDRAWN: french("[Levée] Alerte levée, note corrigée à {score}/10 : {who}"),
    },
    updated="Mise à jour",
    steps={
        "comment_added": "Nouveau commentaire",
        "comment_changed": "Commentaire modifié",
        "consent_changed": "Accord modifié",
    },
    withdrawn=french("[Levée] Alerte levée : {who}"),
    anonymous="anonyme",
    headline={
        AlertAction.OPENED: "Un client mécontent vous est signalé",
        AlertAction.UPDATED: "Alerte mise à jour",
        AlertAction.WITHDRAWN: "Alerte levée",
    },
    headline_of_step={
        "comment_added": "Le client a ajouté un commentaire",
        "comment_changed": "Le client a modifié son commentaire",
        "consent_changed": "Le client a modifié son accord",
    },
    why={
        AlertReason.DETRACTOR: french("Ce client a donné une note de détracteur (de 0 à 6)."),
        AlertReason.CORRECTED: french(
            "La réponse du client a été corrigée ou complétée : ce message remplace le précédent."
        ),
        "comment_added": "Le commentaire est arrivé après la note. Ce message remplace le précédent.",
        "comment_changed": "Le commentaire a changé. Ce message remplace le précédent.",
        "consent_changed": french(
            "L’accord du client a changé. Avant d’appeler, lisez ce message : il remplace le précédent."
        ),
        AlertReason.NO_LONGER_DETRACTOR: french(
            "La réponse a été corrigée : ce n’est plus celle d’un détracteur. Il n’y a plus lieu de rappeler ce client."
        ),
        AlertReason.SUSPECT_SCANNER: (
            "Les réponses viennent d’un logiciel qui analyse les e-mails, et non du client. Il n’y a pas lieu de "
            "rappeler ce client."
        ),
        AlertReason.MOVED: (
            "La réponse est celle d’un autre client. Il n’y a pas lieu de rappeler ce client à ce sujet."
        ),
    },
    # The word of events and settings is in brackets.
    severities={
        Severity.WARNING: "modérée (warning)",
        Severity.ERROR: "élevée (error)",
        Severity.CRITICAL: "critique (critical)",
    },
    tags={Severity.WARNING: "Modérée", Severity.ERROR: "Élevée", Severity.CRITICAL: "Critique"},
    severity="Gravité",
    callback="Rappel accepté",
    callback_yes="oui, au sujet de cette réponse",
    callback_no="non, ne pas appeler au sujet de cette réponse",
    follow_up_requested="Le client demande à être contacté.",
    unreachable=french(
        "Ce client ne peut pas être joint : ni numéro de téléphone ni adresse e-mail n’ont été communiqués."
    ),
    comment="Ce que dit le client",
    no_comment="Le client n’a pas laissé de commentaire.",
    customer="Le client",
    name="Nom",
    customer_id="Référence client",
    phone="Téléphone",
    email="E-mail",
    tier="Catégorie",
    owner="Suivi par",
    answer="La réponse",
    place="Périmètre",
    touchpoint="Point de contact",
    survey="Enquête",
    answered="Date",
    earlier="Ses notes précédentes",
    earlier_line="{score} sur 10, le {when}",
    links="Pour en savoir plus",
    link_names={"answer": "La réponse dans l’outil d’enquête"},
    act="Prévenir les autres",
    acts={CommandAction.ACKNOWLEDGE: "Je m’en occupe", CommandAction.RESOLVE: "Clore"},
    act_hint=french(
        "Toute personne qui a ces liens peut s’en servir : ne transférez ce message qu’à des personnes autorisées."
    ),
    route=french("Vous recevez ce message au titre de la règle d’envoi « {route} »."),
    unread="Ce message a été envoyé automatiquement. Les réponses à ce message ne sont pas lues.",
    answerable="Ce message a été envoyé automatiquement. Les réponses à ce message sont adressées à {address}.",
    alert_id="Alerte",
    case_number="Numéro de dossier",
    moment=moment_fr,
)

_ENGLISH = Words(
    colon=": ",
    not_given="not given",
    shortened="(comment shortened)",
    score_label="Score",
    score="{score} out of 10",
    subject={
        AlertAction.OPENED: "[{severity}] Unhappy customer, score {score}/10: {who}",
        AlertAction.UPDATED: "[{step}] Unhappy customer, score {score}/10: {who}",
        AlertAction.WITHDRAWN: "[Withdrawn] Alert withdrawn, score corrected to {score}/10: {who}",
    },
    updated="Updated",
    steps={
        "comment_added": "New comment",
        "comment_changed": "Comment changed",
        "consent_changed": "Consent changed",
    },
    withdrawn="[Withdrawn] Alert withdrawn: {who}",
    anonymous="anonymous",
    headline={
        AlertAction.OPENED: "A customer is unhappy",
        AlertAction.UPDATED: "Alert updated",
        AlertAction.WITHDRAWN: "Alert withdrawn",
    },
    headline_of_step={
        "comment_added": "The customer has added a comment",
        "comment_changed": "The customer has changed the comment",
        "consent_changed": "The customer has changed the consent",
    },
    why={
        AlertReason.DETRACTOR: "This customer gave a detractor’s score (0 to 6).",
        AlertReason.CORRECTED: "The customer’s answer was corrected or completed: this message replaces the last one.",
        "comment_added": "The comment came after the score. This message replaces the last one.",
        "comment_changed": "The comment has changed. This message replaces the last one.",
        "consent_changed": (
            "The customer’s consent has changed. Before you call, read this message: it replaces the last one."
        ),
        AlertReason.NO_LONGER_DETRACTOR: (
            "The answer was corrected and is no longer a detractor’s. There is no need to call this customer back."
        ),
        AlertReason.SUSPECT_SCANNER: (
            "The answers were given by a mail scanner and not by the customer. There is no need to call this customer "
            "back."
        ),
        AlertReason.MOVED: "Another customer gave the answer. There is no need to call this customer back about it.",
    },
    severities={severity: severity.value for severity in Severity},
    tags={severity: severity.capitalize() for severity in Severity},
    severity="Severity",
    callback="Call-back agreed",
    callback_yes="yes, about this answer",
    callback_no="no, do not call about this answer",
    follow_up_requested="The customer asks to be contacted.",
    unreachable="This customer cannot be reached: neither a phone number nor an e-mail address was given.",
    comment="What the customer says",
    no_comment="The customer left no comment.",
    customer="The customer",
    name="Name",
    customer_id="Customer ID",
    phone="Phone",
    email="E-mail",
    tier="Tier",
    owner="Account owner",
    answer="The answer",
    place="Segment",
    touchpoint="Touchpoint",
    survey="Survey",
    answered="Date",
    earlier="Earlier scores",
    earlier_line="{score} out of 10, on {when}",
    links="Read more",
    link_names={"answer": "The answer in the survey tool"},
    act="Tell the others",
    acts={CommandAction.ACKNOWLEDGE: "I have it", CommandAction.RESOLVE: "Resolve"},
    act_hint="Whoever has these links can use them: forward this message only to people who may do so.",
    route="You receive this message because of the route “{route}”.",
    unread="This message was sent automatically. Replies to it are not read.",
    answerable="This message was sent automatically. Replies to it go to {address}.",
    alert_id="Alert",
    case_number="Case number",
    moment=moment_en,
)

WORDS: Mapping[Language, Words] = {"fr": _FRENCH, "en": _ENGLISH}
