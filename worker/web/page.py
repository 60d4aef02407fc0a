"""The pages: their content, and the HTML that is made of it. A page has no script, and nothing from another server.

It shows what a person needs to recognise the case, and nothing that the customer is called or has said: the message
with the link has that, and whoever finds a link is not to learn it.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.alert_command import CommandAction
from schemas.case import CaseOutcome
from worker.flow.cases.case import Case
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import from_ms
from worker.links.commanding import LONGEST_NAME, LONGEST_NOTE, Form, Problem
from worker.links.signing import Link
from worker.links.standing import Standing
from worker.notify.content.case_words import CASE_WORDS
from worker.notify.content.language import WORDS
from worker.notify.content.page import field as shown
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language
from worker.web.notation import Notation
from worker.web.words.links import PAGE_WORDS, PageWords, Text

_FOLDER = Path(__file__).parent / "templates"
#: The style of all pages. The content security policy allows it by its hash.
STYLE = (_FOLDER / "page.css").read_text()
STYLE_HASH = f"sha256-{b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"

_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


class Row(NamedTuple):
    """A line about the case."""

    label: str
    value: str


class Choice(NamedTuple):
    """An entry to choose from."""

    value: str
    label: str


@dataclass(frozen=True)
class Fields:
    """The form of a page."""

    submit: str
    #: What was filled in before.
    form: Form
    problems: Sequence[str] = ()
    #: The outcomes to choose from; empty if the form does not ask for one.
    outcomes: Sequence[Choice] = ()
    causes: Sequence[Choice] = ()
    cause_required: bool = False


@dataclass(frozen=True)
class Page:
    """What a page shows."""

    language: Language
    title: str
    paragraphs: Sequence[str]
    rows: Sequence[Row] = ()
    fields: Fields | None = None
    #: The number of the case's alert, for people who ask about it.
    alert_id: str = field(default="")
    #: The address of the case on the page with scores and cases; empty if the page is not served.
    case_address: str = ""

    def html(self) -> str:
        """Return the page as HTML."""
        return _TEMPLATES.get_template("page.html.j2").render(
            page=self,
            words=PAGE_WORDS[self.language],
            colon=WORDS[self.language].colon,
            style=STYLE,
            longest_name=LONGEST_NAME,
            longest_note=LONGEST_NOTE,
        )


class Pages:
    """Makes pages for readers, who have a language and a time zone."""

    def __init__(self, readers: Readers, policy: CasePolicy, page_url: str | None = None) -> None:
        """`page_url`: where the page with scores and cases begins, without a slash at its end; None without it."""
        self._readers = readers
        self._policy = policy
        self._page_url = page_url
        self._language = readers.language_of(None)
        self._words: PageWords = PAGE_WORDS[self._language]

    def expired(self, days: int) -> Page:
        """Return the page of a link that is too old. `days`: how long a link can be used."""
        return self._plain(self._words.expired, days=days)

    def invalid(self) -> Page:
        """Return the page of a link that nobody has signed."""
        return self._plain(self._words.invalid)

    def starting(self) -> Page:
        """Return the page of a role that does not know the cases yet."""
        return self._plain(self._words.starting)

    def busy(self) -> Page:
        """Return the page of a role that has too much to do."""
        return self._plain(self._words.busy)

    def waiting(self) -> Page:
        """Return the page after a command that was not answered in time."""
        return self._plain(self._words.waiting)

    def unsure(self) -> Page:
        """Return the page after a failure."""
        return self._plain(self._words.unsure)

    def refused(self) -> Page:
        """Return the page after a form that was not accepted."""
        return self._plain(self._words.refused)

    def not_found(self) -> Page:
        """Return the page of an address that leads nowhere."""
        return self._plain(self._words.not_found)

    def asking(self, link: Link, case: Case, form: Form, problems: Sequence[Problem] = ()) -> Page:
        """Return the page with the form of a link. `form`: what was filled in before; `problems`: what is wrong."""
        words, resolves = self._words, link.action is CommandAction.RESOLVE
        fields = Fields(
            WORDS[self._language].acts[link.action],
            form,
            [words.problems[problem] for problem in problems],
        )
        if resolves:
            fields = replace(
                fields,
                outcomes=[Choice(outcome, words.outcomes[outcome]) for outcome in CaseOutcome],
                causes=[Choice(cause, cause) for cause in self._policy.causes],
                cause_required=self._policy.cause_required,
            )
        page = self._plain(words.ask_resolve if resolves else words.ask_acknowledge)
        return self._about(replace(page, fields=fields), case, self._rows(case))

    def done(self, link: Link, case: Case, who: str) -> Page:
        """Return the page after a command was carried out. `case`: as it was before; `who`: who has acted."""
        words = self._words
        text = words.done_resolve if link.action is CommandAction.RESOLVE else words.done_acknowledge
        return self._about(self._plain(text, who=shown(who)), case, self._identity(case))

    def outdated(self, standing: Standing, case: Case | None) -> Page:
        """Return the page of a link that cannot be used. `case`: its case, None if it is not known."""
        words = self._words
        text = words.outdated[standing]
        if case is None:
            return self._plain(text)
        page = self._plain(text, who=self._who(standing, case), when=self._when(self._changed(standing, case)))
        paragraphs = [*page.paragraphs]
        if standing is Standing.RESOLVED and case.outcome is not None:
            paragraphs.insert(1, words.resolved_as.format(outcome=words.outcomes[case.outcome]))
        return self._about(replace(page, paragraphs=paragraphs), case, self._rows(case))

    def _plain(self, text: Text, **values: object) -> Page:
        """Return a page without a case."""
        return Page(self._language, text.title, [paragraph.format(**values) for paragraph in text.paragraphs])

    def _about(self, page: Page, case: Case, rows: Sequence[Row]) -> Page:
        """Return a page with what it shows of a case: lines, its number, and its address."""
        address = "" if self._page_url is None else f"{self._page_url}/case/{quote(case.alert_id, safe='')}"
        return replace(page, rows=rows, alert_id=shown(case.alert_id), case_address=address)

    def _who(self, standing: Standing, case: Case) -> str:
        name = case.resolved_by if standing is Standing.RESOLVED else case.acknowledged_by
        return shown(name) or self._words.somebody

    @staticmethod
    def _changed(standing: Standing, case: Case) -> int:
        """Return when the case came to its standing, in ms."""
        known = {Standing.ACKNOWLEDGED: case.acknowledged_at, Standing.REOPENED: case.opened_at}
        return known.get(standing, case.ended_at) or case.changed_at

    def _when(self, at: int) -> str:
        return self._readers.moment(WORDS[self._language])(from_ms(at))

    def _identity(self, case: Case) -> list[Row]:
        """Return the lines by which a person recognises a case. They do not change."""
        shared, notation = WORDS[self._language], Notation(self._language, self._readers)
        known = [
            (shared.score_label, shared.score.format(score=case.score)),
            (shared.severity, shared.severities[case.severity]),
            (shared.place, notation.whole_name(case.segment) if case.segment else ""),
            (shared.survey, case.survey_id),
            (shared.answered, self._when(case.given)),
        ]
        return _rows_of(known)

    def _rows(self, case: Case) -> list[Row]:
        """Return the lines about a case: those by which a person recognises it, and what is done about it."""
        words, shared = self._words, WORDS[self._language]
        again = "" if case.follow_up is None else shared.score.format(score=case.follow_up.score)
        known = [
            (words.since, self._when(case.opened_at)),
            (CASE_WORDS[self._language].due, "" if case.next_due is None else self._when(case.next_due)),
            (words.state, words.states[case.state]),
            (words.acknowledged_by, case.acknowledged_by),
            (words.assignee, case.assignee),
            (words.resolved_by, case.resolved_by),
            (words.scored_again, again),
        ]
        return self._identity(case) + _rows_of(known)


def _rows_of(known: Sequence[tuple[str, str]]) -> list[Row]:
    return [Row(label, text) for label, value in known if (text := shown(value))]
