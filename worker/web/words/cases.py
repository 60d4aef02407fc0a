"""The words of the pages about cases, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import Severity
from schemas.alert_command import CommandAction
from schemas.case import CaseAction, CaseOutcome, CaseReason, CaseState
from schemas.dead_letter import Reason
from worker.board.case_form import Problem
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class CaseWords:
    """The words of one language."""

    # The list.
    title: str
    hint: str
    views: str  # the name of the links between the list and the figures
    figures: str
    totals: tuple[str, str]  # one case, and {n}; {overdue}: how many cases there are
    none_overdue: tuple[str, str]  # one case, and {n}
    none: str
    none_found: str  # in its place after a search for a customer
    customer: str
    find: str
    no_search: str  # for a person who may not see customers
    found: str  # above what a search has found
    search_over: str  # in place of what a search has found, if the browser does not know any more what it was
    all_cases: str  # the link back to the list
    segment: str
    everywhere: str
    severity: str
    state: str
    owner: str
    receiver: str
    cause: str
    any: str
    anybody: str  # the same of people and of receivers
    nobody: str
    no_cause: str
    overdue: str
    only_overdue: str
    all_due: str
    to_do: str  # the states in which somebody has to act
    all_states: str
    alert_id: str
    due: str
    no_limit: str
    late: str
    case: str
    since: str
    choose: str  # {name}: chooses a case of the list, for screen readers
    act_on: str
    act_on_hint: str
    # One case.
    score: str  # {score}
    severities: Mapping[str, str]
    states: Mapping[str, str]
    outcomes: Mapping[str, str]
    outcome: str
    answer: str
    no_comment: str
    #: The answer is older than what the page keeps: what is known of it, and where the rest is. {score} {when}
    not_known: tuple[str, str]
    older_steps: str  # below the steps, if earlier ones are not kept
    answered: str
    survey: str
    contact: str
    name: str
    email: str
    phone: str
    tier: str
    account_owner: str
    wants_contact: str
    links: str
    service_level: str
    acknowledged_by: str
    resolved_by: str
    at: str  # {who} {when}
    others: str
    no_others: str
    next_answer: str  # {score} {when}
    steps: str
    alert_steps: Mapping[str, str]  # by action
    case_steps: Mapping[str, str]  # by action
    case_reasons: Mapping[str, str]  # by reason, if it says more than the action
    to_assignee: str  # {assignee}
    to_receivers: str  # {receivers}
    number: str  # the id of the alert
    # Acting.
    actions: str
    no_permission: str
    acts: Mapping[str, str]  # the buttons, by action
    assignee: str
    note: str
    note_hint: str
    choose_outcome: str
    done: Mapping[str, str]  # by action
    unchanged: str
    note_lost: str  # after what was not done, since the note is still in the form
    refused: str  # {reason}: a reason that this version has no words for
    reasons: Mapping[str, str]
    outcomes_of_commands: Mapping[str, str]  # unanswered, unsure, busy
    problems: Mapping[str, str]


_ENGLISH = CaseWords(
    title="Cases",
    hint="The most urgent case is the first.",
    views="Cases and their figures",
    figures="Figures",
    totals=("1 case, overdue", "{n} cases, {overdue} of them overdue"),
    none_overdue=("1 case, not overdue", "{n} cases, none of them overdue"),
    none="There is no such case.",
    none_found="No case of this customer is known. The number must be complete.",
    customer="Customer number",
    find="Find",
    no_search="Customers’ numbers are hidden from you, so you cannot search for one.",
    found="The cases of this customer",
    search_over="This address does not say who was searched for. Search for the customer again.",
    all_cases="All cases",
    segment="Segment",
    everywhere="Everywhere",
    severity="Severity",
    state="State",
    owner="Looked after by",
    receiver="Sent to",
    cause="Cause",
    any="any",
    anybody="any",
    nobody="nobody",
    no_cause="none",
    overdue="Time limit",
    only_overdue="overdue",
    all_due="any",
    to_do="to do",
    all_states="all",
    alert_id="Case number",
    due="Due",
    no_limit="no time limit",
    late="overdue",
    case="Case",
    since="Open since",
    choose="Choose the case {name}",
    act_on="Act on a case of this list",
    act_on_hint="Choose a case above first. Its own page shows what the customer has said.",
    score="{score} out of 10",
    severities={Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "critical"},
    states={
        CaseState.OPEN: "open",
        CaseState.ACKNOWLEDGED: "acknowledged",
        CaseState.RESOLVED: "resolved",
        CaseState.WITHDRAWN: "withdrawn",
    },
    outcomes={
        CaseOutcome.CALLED_BACK: "The customer was called back",
        CaseOutcome.SOLVED: "The problem is solved",
        CaseOutcome.COULD_NOT_REACH: "The customer could not be reached",
        CaseOutcome.NOT_JUSTIFIED: "The complaint is not justified",
    },
    outcome="Outcome",
    answer="What the customer has said",
    no_comment="The customer has left no comment.",
    not_known=(
        "{score}, {when}.",
        (
            "This page no longer has what the customer wrote and how to reach them: it keeps the newest steps only. "
            "Both are in the first message about this case. Those who run the alerts can find them by the case number."
        ),
    ),
    older_steps="This page keeps the newest steps only, so earlier ones may be missing.",
    answered="Answered",
    survey="Survey",
    contact="Contact",
    name="Name",
    email="E-mail",
    phone="Phone",
    tier="Tier",
    account_owner="Account owner",
    wants_contact="The customer has asked to be contacted.",
    links="More about this customer",
    service_level="Service level",
    acknowledged_by="Acknowledged",
    resolved_by="Resolved",
    at="{when}, by {who}",
    others="Other answers of this customer",
    no_others="No other answer is known.",
    next_answer="Since then the customer has answered again: {score} out of 10, {when}.",
    steps="What has happened",
    alert_steps={
        "opened": "The alert was opened",
        "updated": "The customer’s answer was changed",
        "withdrawn": "The alert was withdrawn: the answer was corrected, or does not count",
    },
    case_steps={
        CaseAction.ACKNOWLEDGED: "Acknowledged",
        CaseAction.ASSIGNED: "Assigned",
        CaseAction.NOTED: "Note",
        CaseAction.RESOLVED: "Resolved",
        CaseAction.REOPENED: "Reopened",
        CaseAction.REAPPLIED: "The time limits were set again",
        CaseAction.REMINDED: "Reminder",
        CaseAction.ESCALATED: "Escalated",
    },
    case_reasons={
        CaseReason.DETRACTOR_AGAIN: "the customer is unhappy again",
        CaseReason.DUE_SOON: "a time limit ends soon",
        CaseReason.NOT_ACKNOWLEDGED: "nobody has acknowledged it in time",
        CaseReason.NOT_RESOLVED: "it was not resolved in time",
    },
    to_assignee="to {assignee}",
    to_receivers="to {receivers}",
    number="Case number",
    actions="Act",
    no_permission="You may look at this case, but not act on it.",
    acts={
        CommandAction.ACKNOWLEDGE: "I have it",
        CommandAction.ASSIGN: "Assign",
        CommandAction.NOTE: "Add the note",
        CommandAction.RESOLVE: "Resolve",
        CommandAction.REOPEN: "Reopen",
    },
    assignee="Assign to",
    note="Note",
    note_hint="It is kept with the case. With each of these buttons, it is added.",
    choose_outcome="– choose –",
    done={
        CommandAction.ACKNOWLEDGE: "You have this case now.",
        CommandAction.ASSIGN: "The case is assigned.",
        CommandAction.NOTE: "The note is added.",
        CommandAction.RESOLVE: "The case is resolved.",
        CommandAction.REOPEN: "The case is open again.",
    },
    unchanged="It was so already, so nothing has changed.",
    note_lost="Your note is not added. It is still in the form below.",
    refused="This was refused ({reason}), and nothing has changed.",
    reasons={
        Reason.ALERT_UNKNOWN: "This case is not known any more: it ended long ago, or the customer was erased.",
        Reason.ACKNOWLEDGED_BY_ANOTHER: "Somebody else has acknowledged this case. Assign it to take it over.",
        Reason.CASE_RESOLVED: "The case was resolved meanwhile. Reopen it if there is something left to do.",
        Reason.CASE_WITHDRAWN: "The alert was withdrawn meanwhile: the customer is not unhappy. Reopen the case if "
        "there is something left to do.",
        Reason.CASE_REOPENED: "The case was reopened meanwhile. Read it again before you act.",
        Reason.CASE_OPEN: "The case is open, so it cannot be reopened.",
        Reason.CAUSE_MISSING: "A cause is needed.",
        Reason.CAUSE_UNKNOWN: "This cause is not one of the causes of the settings.",
    },
    outcomes_of_commands={
        "unanswered": "It is written down, but not confirmed yet. It will be carried out or refused later; look again "
        "in a few minutes.",
        "unsure": "It is not sure whether this has arrived. Look at the case again, and repeat it if nothing has "
        "changed.",
        "busy": "Too many people act at this moment. Nothing was changed; try again in a moment.",
    },
    problems={
        Problem.NOTHING_CHOSEN: "Choose a case, and what to do with it.",
        Problem.NOTE_MISSING: "Write a note first.",
        Problem.NOTE_TOO_LONG: "The note is too long.",
        Problem.ASSIGNEE_MISSING: "Say to whom the case is assigned.",
        Problem.ASSIGNEE_TOO_LONG: "The name is too long.",
        Problem.OUTCOME_MISSING: "Choose what came of it.",
        Problem.CAUSE_MISSING: "Choose what had gone wrong.",
    },
)

_FRENCH = CaseWords(
    title="Dossiers",
    hint="Le dossier le plus pressant est le premier.",
    views="Les dossiers et leurs chiffres",
    figures="Chiffres",
    totals=("1 dossier, en retard", "{n} dossiers, dont {overdue} en retard"),
    none_overdue=("1 dossier, pas en retard", "{n} dossiers, aucun en retard"),
    none="Il n’y a pas de tel dossier.",
    none_found="Aucun dossier de ce client n’est connu. Le numéro doit être complet.",
    customer="Numéro de client",
    find="Chercher",
    no_search=french("Les numéros des clients vous sont masqués : vous ne pouvez pas en chercher un."),
    found="Les dossiers de ce client",
    search_over="Cette adresse ne dit pas qui était recherché. Cherchez le client à nouveau.",
    all_cases="Tous les dossiers",
    segment="Périmètre",
    everywhere="Partout",
    severity="Gravité",
    state="État",
    owner="Pris en charge par",
    receiver="Envoyé à",
    cause="Cause",
    any="toutes",
    anybody="tous",
    nobody="personne",
    no_cause="aucune",
    overdue="Échéance",
    only_overdue="en retard",
    all_due="toutes",
    to_do="à traiter",
    all_states="tous",
    alert_id="Numéro de dossier",
    due="Échéance",
    no_limit="sans échéance",
    late="en retard",
    case="Dossier",
    since="Ouvert depuis",
    choose="Choisir le dossier {name}",
    act_on="Agir sur un dossier de cette liste",
    act_on_hint="Choisissez d’abord un dossier ci-dessus. Sa propre page montre ce que le client a dit.",
    score="{score} sur 10",
    severities={Severity.WARNING: "modérée", Severity.ERROR: "élevée", Severity.CRITICAL: "critique"},
    states={
        CaseState.OPEN: "ouvert",
        CaseState.ACKNOWLEDGED: "pris en charge",
        CaseState.RESOLVED: "clos",
        CaseState.WITHDRAWN: "levé",
    },
    outcomes={
        CaseOutcome.CALLED_BACK: "Le client a été rappelé",
        CaseOutcome.SOLVED: "Le problème est résolu",
        CaseOutcome.COULD_NOT_REACH: "Le client n’a pas pu être joint",
        CaseOutcome.NOT_JUSTIFIED: "La réclamation n’est pas justifiée",
    },
    outcome="Résultat",
    answer="Ce que le client a dit",
    no_comment="Le client n’a pas laissé de commentaire.",
    not_known=(
        "{score}, le {when}.",
        french(
            "Cette page n’a plus le texte du client ni ses coordonnées : elle ne garde que les étapes les plus "
            "récentes. Ils sont dans le premier message au sujet de ce dossier. Les responsables des alertes peuvent "
            "les retrouver avec le numéro de dossier."
        ),
    ),
    older_steps=french("Cette page ne garde que les étapes les plus récentes : de plus anciennes manquent peut-être."),
    answered="Réponse du",
    survey="Enquête",
    contact="Coordonnées",
    name="Nom",
    email="E-mail",
    phone="Téléphone",
    tier="Catégorie",
    account_owner="Responsable du compte",
    wants_contact="Le client a demandé à être contacté.",
    links="En savoir plus sur ce client",
    service_level="Niveau de service",
    acknowledged_by="Pris en charge",
    resolved_by="Clos",
    at="{when}, par {who}",
    others="Autres réponses de ce client",
    no_others="Aucune autre réponse n’est connue.",
    next_answer=french("Depuis, le client a répondu de nouveau : {score} sur 10, {when}."),
    steps="Ce qui s’est passé",
    alert_steps={
        "opened": "L’alerte a été ouverte",
        "updated": "La réponse du client a été modifiée",
        "withdrawn": french("L’alerte a été levée : la réponse a été corrigée, ou ne compte pas"),
    },
    case_steps={
        CaseAction.ACKNOWLEDGED: "Pris en charge",
        CaseAction.ASSIGNED: "Confié",
        CaseAction.NOTED: "Note",
        CaseAction.RESOLVED: "Clos",
        CaseAction.REOPENED: "Rouvert",
        CaseAction.REAPPLIED: "Les échéances ont été recalculées",
        CaseAction.REMINDED: "Rappel",
        CaseAction.ESCALATED: "Escalade",
    },
    case_reasons={
        CaseReason.DETRACTOR_AGAIN: "le client est de nouveau mécontent",
        CaseReason.DUE_SOON: "une échéance approche",
        CaseReason.NOT_ACKNOWLEDGED: "personne ne l’a pris en charge à temps",
        CaseReason.NOT_RESOLVED: "il n’a pas été clos à temps",
    },
    to_assignee="à {assignee}",
    to_receivers="à {receivers}",
    number="Numéro de dossier",
    actions="Agir",
    no_permission="Vous pouvez consulter ce dossier, mais pas agir.",
    acts={
        CommandAction.ACKNOWLEDGE: "Je m’en occupe",
        CommandAction.ASSIGN: "Confier",
        CommandAction.NOTE: "Ajouter la note",
        CommandAction.RESOLVE: "Clore",
        CommandAction.REOPEN: "Rouvrir",
    },
    assignee="Confier à",
    note="Note",
    note_hint="Elle est gardée avec le dossier. Chacun de ces boutons l’ajoute.",
    choose_outcome="– choisir –",
    done={
        CommandAction.ACKNOWLEDGE: "Vous vous occupez maintenant de ce dossier.",
        CommandAction.ASSIGN: "Le dossier est confié.",
        CommandAction.NOTE: "La note est ajoutée.",
        CommandAction.RESOLVE: "Le dossier est clos.",
        CommandAction.REOPEN: "Le dossier est de nouveau ouvert.",
    },
    unchanged="C’était déjà le cas, donc rien n’a changé.",
    note_lost="Votre note n’est pas ajoutée. Elle est encore dans le formulaire ci-dessous.",
    refused="Cela a été refusé ({reason}), et rien n’a changé.",
    reasons={
        Reason.ALERT_UNKNOWN: french(
            "Ce dossier n’est plus connu : il est clos depuis longtemps, ou le client a été effacé."
        ),
        Reason.ACKNOWLEDGED_BY_ANOTHER: "Quelqu’un d’autre s’occupe de ce dossier. Confiez-le-vous pour le reprendre.",
        Reason.CASE_RESOLVED: "Le dossier a été clos entre-temps. Rouvrez-le s’il reste quelque chose à faire.",
        Reason.CASE_WITHDRAWN: french(
            "L’alerte a été levée entre-temps : le client n’est pas mécontent. Rouvrez le dossier s’il reste quelque "
            "chose à faire."
        ),
        Reason.CASE_REOPENED: "Le dossier a été rouvert entre-temps. Relisez-le avant d’agir.",
        Reason.CASE_OPEN: "Le dossier est ouvert, il ne peut donc pas être rouvert.",
        Reason.CAUSE_MISSING: "Il faut une cause.",
        Reason.CAUSE_UNKNOWN: "Cette cause n’est pas une de celles des réglages.",
    },
    outcomes_of_commands={
        "unanswered": french(
            "C’est noté, mais pas encore confirmé. Ce sera appliqué ou refusé plus tard ; regardez de nouveau dans "
            "quelques minutes."
        ),
        "unsure": "Il n’est pas sûr que cela soit arrivé. Regardez de nouveau le dossier, et recommencez si rien n’a "
        "changé.",
        "busy": french("Trop de personnes agissent en ce moment. Rien n’a été modifié ; réessayez dans un instant."),
    },
    problems={
        Problem.NOTHING_CHOSEN: "Choisissez un dossier, et ce qu’il faut en faire.",
        Problem.NOTE_MISSING: "Écrivez d’abord une note.",
        Problem.NOTE_TOO_LONG: "La note est trop longue.",
        Problem.ASSIGNEE_MISSING: "Dites à qui le dossier est confié.",
        Problem.ASSIGNEE_TOO_LONG: "Le nom est trop long.",
        Problem.OUTCOME_MISSING: "Choisissez le résultat.",
        Problem.CAUSE_MISSING: "Choisissez ce qui n’a pas marché.",
    },
)

CASE_WORDS: Mapping[Language, CaseWords] = {"fr": _FRENCH, "en": _ENGLISH}
