"""The words around every page, in French and English: its head, how old the data is, tables and pages of lists."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class LayoutWords:
    """The words of one language."""

    brand: str
    skip: str
    navigation: str  # the name of the navigation, for screen readers
    sections: Mapping[str, str]  # by section
    #: The button that changes to the other language, in that language, and the code of that language.
    other_language: tuple[Language, str]
    as_of: str  # {when}, up to which everything is known
    catching_up: str
    catching_up_hint: str
    stale: str  # {age}
    minutes: tuple[str, str]  # one, and {n}
    hours: tuple[str, str]
    days: tuple[str, str]
    log_out: str
    no_login: str  # the note above every page of a role without a login
    newer: str  # what is said instead of renewing a page while somebody fills in a form
    show_newer: str  # the button that renews it
    breadcrumbs: str
    own_segments: str
    show: str  # the button of a form of filters
    numbers: str  # opens the table with the numbers of a chart
    download: str
    page: str  # {page} {pages} {rows}
    previous: str
    next: str
    hidden: str  # what stands in place of personal data
    scrolls: str  # the name of a wide table that can be scrolled; {name}


_ENGLISH = LayoutWords(
    brand="Customer voice",
    skip="Skip to the content",
    navigation="Pages",
    sections={"overview": "Overview", "tree": "Tree", "cases": "Cases", "why": "Why?"},
    other_language=("fr", "Français"),
    as_of="Data as of {when}",
    catching_up="Catching up",
    catching_up_hint=(
        "This page is still reading what has happened so far. Its numbers are not complete yet. They will be in a "
        "moment."
    ),
    stale=(
        "This page has not been able to look for news for {age}, so what it shows may be out of date. If that goes on, "
        "ask the people who run the alerts."
    ),
    minutes=("1 minute", "{n} minutes"),
    hours=("1 hour", "{n} hours"),
    days=("1 day", "{n} days"),
    log_out="Log out",
    no_login="There is no login: everybody who works on this machine can see and do everything here.",
    newer="There is something new on this page.",
    show_newer="Show it",
    breadcrumbs="Where you are",
    own_segments="Your segments",
    show="Show",
    numbers="The numbers of this chart",
    download="Download as CSV",
    page="Page {page} of {pages}, {rows} rows",
    previous="Previous page",
    next="Next page",
    hidden="hidden",
    scrolls="{name}, a table that can be scrolled sideways",
)

_FRENCH = LayoutWords(
    brand="La voix du client",
    skip="Aller au contenu",
    navigation="Pages",
    sections={"overview": "Synthèse", "tree": "Périmètres", "cases": "Dossiers", "why": french("Pourquoi ?")},
    other_language=("en", "English"),
    as_of=french("État des données : {when}"),
    catching_up="Mise à jour en cours",
    catching_up_hint=french(
        "Cette page lit encore ce qui s’est passé jusqu’ici. Ses chiffres ne sont pas encore complets ; ils le seront "
        "dans un instant."
    ),
    stale=french(
        "Cette page n’a pas pu se mettre à jour depuis {age} : ce qu’elle montre est peut-être dépassé. Si cela dure, "
        "adressez-vous aux responsables des alertes."
    ),
    minutes=("1 minute", "{n} minutes"),
    hours=("1 heure", "{n} heures"),
    days=("1 jour", "{n} jours"),
    log_out="Se déconnecter",
    no_login=french(
        "Il n’y a pas de connexion : quiconque travaille sur cette machine peut tout voir et tout faire ici."
    ),
    newer="Il y a du nouveau sur cette page.",
    show_newer="Afficher",
    breadcrumbs="Où vous êtes",
    own_segments="Vos périmètres",
    show="Afficher",
    numbers="Les chiffres de ce graphique",
    download="Télécharger en CSV",
    page="Page {page} sur {pages}, {rows} lignes",
    previous="Page précédente",
    next="Page suivante",
    hidden="masqué",
    scrolls=french("{name} : tableau qui défile horizontalement"),
)

LAYOUT_WORDS: Mapping[Language, LayoutWords] = {"fr": _FRENCH, "en": _ENGLISH}
