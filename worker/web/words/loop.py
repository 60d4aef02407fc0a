"""The words of the figures of the closed loop, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.board.figures import NO_CAUSE, NO_RECEIVER
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class LoopWords:
    """The words of one language."""

    title: str
    hint: str
    group_by: str
    groups: Mapping[str, str]
    since: str
    ranges: Mapping[str, str]
    segment: str
    everywhere: str
    whole: str
    resolved: str
    acknowledged_after: str
    resolved_after: str
    nine_of_ten: str  # {time}
    in_time: str
    recovered: str
    after_resolved: str  # {share}
    others: str  # {share}
    of_limits: str  # {share}
    seconds: tuple[str, str]  # one, and {n}
    of: str  # {part} {whole} {percent}
    reopened: str
    none: str
    names: Mapping[str, str]  # of the groups without a cause or a receiver
    kept_since: str  # {when}
    half: str  # what a median is


LOOP_WORDS: Mapping[Language, LoopWords] = {
    "en": LoopWords(
        title="Figures of the cases",
        hint="How long the work takes, and how many unhappy customers answer better later.",
        group_by="By",
        groups={"segment": "segment", "receiver": "receiver", "cause": "cause"},
        since="Opened in the last",
        ranges={"30": "30 days", "90": "90 days", "365": "12 months"},
        segment="Segment",
        everywhere="Everywhere",
        whole="All cases",
        resolved="Resolved",
        acknowledged_after="Acknowledged after",
        resolved_after="Resolved after",
        nine_of_ten="nine of ten within {time}",
        in_time="Resolved in time",
        recovered="Answered better later",
        after_resolved="after their case was resolved: {share}",
        others="other customers: {share}",
        of_limits="in time: {share}",
        seconds=("1 second", "{n} seconds"),
        of="{part} of {whole} ({percent})",
        reopened="Reopened",
        none="No case has ended in this time, and none is overdue.",
        names={NO_CAUSE: "no cause named", NO_RECEIVER: "no receiver"},
        kept_since="This page knows what has happened since {when}.",
        half="Half of the cases take less time, and half take more. Cases that are overdue now count as not in time. "
        "A better answer is one of 7 or more. Customers who gave it after their case was resolved are counted apart "
        "from the others.",
    ),
    "fr": LoopWords(
        title="Chiffres des dossiers",
        hint="Combien de temps prend le travail, et combien de clients mécontents répondent mieux ensuite.",
        group_by="Par",
        groups={"segment": "périmètre", "receiver": "destinataire", "cause": "cause"},
        since="Ouverts depuis",
        ranges={"30": "30 jours", "90": "90 jours", "365": "12 mois"},
        segment="Périmètre",
        everywhere="Partout",
        whole="Tous les dossiers",
        resolved="Clos",
        acknowledged_after="Pris en charge après",
        resolved_after="Clos après",
        nine_of_ten="neuf sur dix en {time}",
        in_time="Clos à temps",
        recovered="Meilleure réponse ensuite",
        after_resolved=french("une fois le dossier clos : {share}"),
        others=french("les autres clients : {share}"),
        of_limits=french("à temps : {share}"),
        seconds=("1 seconde", "{n} secondes"),
        of=french("{part} sur {whole} ({percent})"),
        reopened="Rouverts",
        none="Aucun dossier ne s’est terminé dans cette période, et aucun n’est en retard.",
        names={NO_CAUSE: "sans cause", NO_RECEIVER: "sans destinataire"},
        kept_since="Cette page sait ce qui s’est passé depuis le {when}.",
        half=french(
            "La moitié des dossiers prend moins de temps, l’autre moitié davantage. Les dossiers en retard en ce "
            "moment comptent comme hors délai. Une meilleure réponse est une réponse de 7 ou plus ; les clients qui "
            "l’ont donnée une fois leur dossier clos sont comptés à part."
        ),
    ),
}
