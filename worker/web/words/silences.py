"""The words of the page of silences, in French and English: which messages are held back, until when and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import Severity
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class SilenceWords:
    """The words of one language."""

    title: str
    hint: str
    active: str
    none_active: str
    past: str
    none_past: str
    until: str
    over_since: str  # {when}
    ended: str  # {when} {who}
    added: str  # {when} {who}
    what: str
    why: str
    held: tuple[str, str]  # one, and {n}
    end: str
    kinds: Mapping[str, str]
    severities: Mapping[str, str]
    usual_severities: str
    segment: str
    everything: str
    kind: str
    severity: str
    receivers: str
    surveys: str
    tiers: str
    languages: str
    list_hint: str
    segment_hint: str
    severity_hint: str
    until_hint: str  # {zone}
    reason: str
    reason_hint: str
    more: str
    add: str
    add_title: str
    lengths: Mapping[str, str]  # the buttons that add a silence for some time
    unknown_segment: str  # {segment}
    done: Mapping[str, str]
    no_match: str
    no_until: str
    no_reason: str
    wrong: str  # {detail}
    not_yours: str
    only_admins: str


_ENGLISH = SilenceWords(
    title="Silences",
    hint="A silence holds messages back for a while. When it is over, one digest says what was held back.",
    active="Now",
    none_active="Nothing is held back by a silence now.",
    past="Over",
    none_past="No silence was over lately.",
    until="Until",
    over_since="over since {when}",
    ended="ended by {who}, {when}",
    added="added by {who}, {when}",
    what="What is held back",
    why="Why",
    held=("1 message is held back", "{n} messages are held back"),
    end="End it now",
    kinds={
        "detractor": "alerts about unhappy customers",
        "segment_drop": "incidents: the NPS fell",
        "no_responses": "incidents: no answers come",
        "too_many_segments": "incidents: too many segments",
    },
    severities={Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "critical"},
    usual_severities="warnings and errors, not critical ones",
    segment="Segment",
    everything="everywhere",
    kind="About",
    severity="Severity",
    receivers="Receivers",
    surveys="Surveys",
    tiers="Tiers of customers",
    languages="Languages",
    list_hint="Several are separated by commas. Empty: all.",
    segment_hint="Names from the top down, separated by slashes, with everything below. Empty: everywhere.",
    severity_hint="Without a choice, critical messages are not held back.",
    until_hint="At most a year from now, in the time zone {zone}.",
    reason="Reason",
    reason_hint="Those whose messages are held back read it in the digest.",
    more="Only for some receivers, surveys or customers",
    add="Add the silence",
    lengths={"hour": "Add it for 1 hour", "day": "Add it for 24 hours"},
    unknown_segment="No answers of the segment “{segment}” are known. Correct its name, or press the button again if "
    "it is right.",
    done={
        "added": "The silence is added. What it holds back is listed below.",
        "ended": "The silence is ended. Messages are sent again.",
    },
    add_title="Add a silence",
    no_match="Say what is to be held back, or it would be everything: a segment, a kind, a severity or a receiver.",
    no_until="Say until when, as a date and a time.",
    no_reason="Say why.",
    wrong="This is not possible: {detail}",
    not_yours="You may add silences only in the segments that you may see.",
    only_admins="Only administrators can add and end silences.",
)

_FRENCH = SilenceWords(
    title="Silences",
    hint=french(
        "Un silence retient des messages pendant un temps. Quand il est terminé, un récapitulatif dit ce qui a été "
        "retenu."
    ),
    active="En cours",
    none_active="Aucun silence ne retient de message en ce moment.",
    past="Terminés",
    none_past="Aucun silence ne s’est terminé récemment.",
    until="Jusqu’au",
    over_since="terminé depuis le {when}",
    ended="arrêté par {who}, le {when}",
    added="ajouté par {who}, le {when}",
    what="Ce qui est retenu",
    why="Pourquoi",
    held=("1 message est retenu", "{n} messages sont retenus"),
    end="Arrêter maintenant",
    kinds={
        "detractor": "alertes sur des clients mécontents",
        "segment_drop": french("incidents : le NPS a baissé"),
        "no_responses": french("incidents : plus de réponses"),
        "too_many_segments": french("incidents : trop de périmètres"),
    },
    severities={Severity.WARNING: "modérée", Severity.ERROR: "élevée", Severity.CRITICAL: "critique"},
    usual_severities="modérée et élevée, mais pas critique",
    segment="Périmètre",
    everything="partout",
    kind="Sujet",
    severity="Gravité",
    receivers="Destinataires",
    surveys="Enquêtes",
    tiers="Catégories de clients",
    languages="Langues",
    list_hint=french("Séparez plusieurs noms par des virgules. Vide : tous."),
    segment_hint=french(
        "Les noms de haut en bas, séparés par des barres obliques, avec tout ce qui est au-dessous. Vide : partout."
    ),
    severity_hint="Sans choix, les messages critiques ne sont pas retenus.",
    until_hint=french("Dans un an au plus, fuseau horaire {zone}."),
    reason="Motif",
    reason_hint="Les personnes dont les messages sont retenus le lisent dans le récapitulatif.",
    more="Seulement pour certains destinataires, enquêtes ou clients",
    add="Ajouter le silence",
    lengths={"hour": "Ajouter pour 1 heure", "day": "Ajouter pour 24 heures"},
    unknown_segment=french(
        "Aucune réponse du périmètre « {segment} » n’est connue. Corrigez le nom, ou appuyez de nouveau sur le bouton "
        "s’il est exact."
    ),
    done={
        "added": "Le silence est ajouté. Ce qu’il retient figure ci-dessous.",
        "ended": "Le silence est arrêté. Les messages partent de nouveau.",
    },
    add_title="Ajouter un silence",
    no_match=french(
        "Dites ce qui doit être retenu, sinon ce serait tout : un périmètre, un sujet, une gravité ou un destinataire."
    ),
    no_until="Dites jusqu’à quand, avec une date et une heure.",
    no_reason="Dites pourquoi.",
    wrong=french("Ce n’est pas possible : {detail}"),
    not_yours="Vous ne pouvez ajouter des silences que dans les périmètres qui vous sont ouverts.",
    only_admins="Seuls les administrateurs peuvent ajouter et arrêter des silences.",
)

SILENCE_WORDS: Mapping[Language, SilenceWords] = {"fr": _FRENCH, "en": _ENGLISH}
