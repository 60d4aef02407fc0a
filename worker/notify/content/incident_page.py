"""The page of an incident's mail: what happened to the segment, since when, and by how much. Pure.

The names of segments come from the publishers of responses, so they are as untrusted as a customer's texts.
"""

from collections.abc import Sequence

from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.scores import WindowScore
from worker.lineage import source_of, survey_of
from worker.notify.content.incident_words import INCIDENT_WORDS, IncidentText, IncidentWords
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import COLOURS, OVER, Page, Row, Section, field, subject
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language

#: The largest number of segments that are named in a sentence.
_NAMED = 9


def incident_page(incident: Incident, readers: Readers) -> Page:
    """Return the page in the readers' or the default language, as an incident is not about one customer's answer."""
    language = readers.language_of(None)
    shared, words = WORDS[language], INCIDENT_WORDS[language]
    over = incident.action == IncidentAction.RESOLVED
    end = words.ends.get(incident.reason, words.resolved)
    wording = _wording(incident, words)
    headline = wording.headline.format(**_from_to(incident, words, decimals=0))
    # The figures are those of the first segment.
    of = f"{shared.colon}{_subject_of(incident, shared, words)}" if incident.also else ""
    about = shortly(incident, language)
    return Page(
        template="incident",
        language=language,
        subject=subject(
            f"[{end if over else _tag(incident, shared, words)}] {headline}{shared.colon if about else ''}{about}"
        ),
        headline=headline,
        why=wording.sentence.format(
            first=_subject_of(incident, shared, words),
            place=_places(incident, shared, words),
            fallen=_listed(incident.fallen_below, shared, words),
            other=_other(incident, shared, words),
            **_from_to(incident, words, decimals=1),
        ),
        colour=OVER if over else COLOURS[incident.severity],
        sections=[
            _facts(incident, shared, words, readers),
            *_mix(incident, shared, words),
            *_answers(words.before + of, incident.before, words),
            *_answers(_after(incident, words) + of, incident.after, words),
            *_answers(words.further + of, incident.further, words),
        ],
        more={
            "label": end if over else f"{shared.severity}{shared.colon}{shared.severities[incident.severity]}",
            "explained": "" if over else _explained(incident, shared, words),
            "hint": words.hint if _is_indicative(incident) else "",
        },
    )


def _tag(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return how severe an open incident is, and whether this is its first step."""
    severity = shared.tags[incident.severity]
    return severity if incident.action == IncidentAction.OPENED else words.updated.format(severity=severity)


def _wording(incident: Incident, words: IncidentWords) -> IncidentText:
    """Return the words of a step: those of what it is about, of what more is known, or of its reason."""
    reason = incident.reason
    unknown = words.over if incident.action == IncidentAction.RESOLVED else words.something
    found = words.news.get(reason, unknown)
    if incident.source is not None:
        return words.sources.get(reason, found)
    if survey_of(incident.segment) is not None:
        found = words.surveys.get(reason, found)
    match reason:
        case IncidentReason.NPS_FELL | IncidentReason.MIX_CHANGED if not _from_to(incident, words, decimals=0):
            found = words.fell
        case IncidentReason.MIX_CHANGED if incident.fallen_below:
            found = words.mixed
        case IncidentReason.WORSE if incident.fell_further is False:
            found = words.surer
        case IncidentReason.MERGED if incident.merged_into is not None:
            found = words.merged
    return found if incident.segment else words.root.get(reason, found)


def _from_to(incident: Incident, words: IncidentWords, *, decimals: int) -> dict[str, str]:
    """Return the formatted NPS before and after, for placeholders; an empty dictionary if one of them is not known."""
    before, after = incident.before, incident.after
    if before is None or before.nps is None or after is None or after.nps is None:
        return {}
    signed = words.numerals.signed
    return {"before": signed(before.nps, decimals), "after": signed(after.nps, decimals)}


def shortly(incident: Incident, language: Language) -> str:
    """Return the source or the first segment that an incident is about, with the number of the other segments.

    It is empty if the incident is about the number of all segments.
    """
    if incident.kind == IncidentKind.TOO_MANY_SEGMENTS:
        return ""
    shared, words = WORDS[language], INCIDENT_WORDS[language]
    place = _subject_of(incident, shared, words)
    return _joined([place, _more(len(incident.also), words)], ", ", words.and_) if incident.also else place


def _places(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return everything that an incident is about: a source, or segments."""
    if not incident.also:
        return _subject_of(incident, shared, words)
    return _listed([incident.segment, *incident.also], shared, words)


def _subject_of(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return what an incident is about: the name of a source, or the path of its first segment or survey."""
    if incident.source is not None:
        return field(incident.source) or shared.not_given
    if incident.kind != IncidentKind.SEGMENT_DROP and not incident.segment:
        return words.everywhere
    return _place(incident.segment, shared, words)


def _place(path: str, shared: Words, words: IncidentWords) -> str:
    """Return a segment's path, or the name of a survey or a source.

    The root, and a path without visible characters, are described in words.
    """
    if not path:
        return words.everything
    for name, text in ((survey_of(path), words.survey), (source_of(path), words.of_source)):
        if name is not None:
            return text.format(name=field(name) or shared.not_given)
    return field(path) or shared.not_given


def _listed(paths: Sequence[str], shared: Words, words: IncidentWords) -> str:
    """Return segments as a list in a sentence, at most _NAMED of them by name."""
    return _joined(_named(paths, shared, words), ", ", words.and_)


def _named(paths: Sequence[str], shared: Words, words: IncidentWords) -> list[str]:
    names = [_place(path, shared, words) for path in paths[:_NAMED]]
    return names if len(paths) <= _NAMED else [*names, _more(len(paths) - _NAMED, words)]


def _more(count: int, words: IncidentWords) -> str:
    """Return how many segments are not named."""
    return words.one_more if count == 1 else words.more.format(count=count)


def _joined(names: Sequence[str], comma: str, and_: str) -> str:
    return and_.join([part for part in (comma.join(names[:-1]), *names[-1:]) if part])


def _other(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return what the incident is about that this one is part of; empty if there is none."""
    other = incident.merged_into
    return "" if other is None else _place(other.segment, shared, words)


def _explained(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return a paragraph that says more: what is to be done, or which other segments the incident explains."""
    if incident.kind == IncidentKind.TOO_MANY_SEGMENTS:
        return words.advice
    if incident.kind == IncidentKind.NO_RESPONSES and (incident.source is not None or not incident.segment):
        return words.check_tool
    return " ".join(
        text
        for text in (
            words.also_fell.format(also=_listed(incident.also, shared, words))
            if incident.also and incident.action == IncidentAction.OPENED
            else "",
            "" if incident.hidden_in is None else words.hidden.format(place=_place(incident.hidden_in, shared, words)),
            _ancestors(incident, shared, words),
        )
        if text
    )


def _ancestors(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return which other segments the incident explains."""
    if not incident.explains:
        return ""
    text = words.explains_one if len(incident.explains) == 1 else words.explains_several
    return text.format(ancestors=_joined(_named(incident.explains, shared, words), words.of_comma, words.of_and))


def _facts(incident: Incident, shared: Words, words: IncidentWords, readers: Readers) -> Section:
    rows = [*_about(incident, shared, words), Row(_since(incident, words), readers.moment(shared)(incident.since))]
    if incident.further_since is not None:
        rows.append(Row(words.further_began, readers.moment(shared)(incident.further_since)))
    if incident.merged_into is not None:
        named = words.incident.format(
            place=_other(incident, shared, words), alert_id=field(incident.merged_into.alert_id)
        )
        rows.append(Row(words.goes_on, named))
    for label, number in ((words.segments, incident.segments), (words.most, incident.most)):
        if number is not None:
            rows.append(Row(label, words.numerals.count(number)))
    if incident.example is not None:
        rows.append(Row(words.example, field(incident.example) or shared.not_given))
    if incident.expected is not None:
        rows.append(Row(words.expected, words.numerals.amount(incident.expected)))
    if incident.change is not None:
        is_over = incident.reason == IncidentReason.RECOVERED
        rows.append(_points(words.compared if is_over else words.change, incident.change, words))
    return Section(words.facts, rows)


def _about(incident: Incident, shared: Words, words: IncidentWords) -> list[Row]:
    """Return what an incident is about, and what those incidents were about that have become part of it."""
    rows = []
    survey = survey_of(incident.segment)
    if incident.source is not None:
        rows.append(Row(words.source, _subject_of(incident, shared, words)))
    elif survey is not None:
        rows.append(Row(shared.survey, field(survey) or shared.not_given))
    elif incident.kind != IncidentKind.TOO_MANY_SEGMENTS:
        rows.append(Row(shared.place, _subject_of(incident, shared, words)))
    for label, paths in ((words.also, incident.also), (words.parts, incident.merged_segments)):
        if paths:
            rows.append(Row(label, _listed(paths, shared, words)))
    return rows


def _since(incident: Incident, words: IncidentWords) -> str:
    """Return what the beginning of an incident is called."""
    if incident.kind == IncidentKind.NO_RESPONSES:
        return words.last_answer
    return words.began if incident.kind == IncidentKind.SEGMENT_DROP else words.since


def _after(incident: Incident, words: IncidentWords) -> str:
    """Return which answers the NPS after the change is of."""
    return words.recovered if incident.reason == IncidentReason.RECOVERED else words.after


def _mix(incident: Incident, shared: Words, words: IncidentWords) -> list[Section]:
    """Return what a changed mix of the answers has to do with the drop, if it clearly has."""
    within, mix, moved = incident.within, incident.mix, incident.moved
    if within is None or mix is None or moved is None:
        return []
    shares = {
        name: words.numerals.count(round(100 * share))
        for name, share in (("before", moved.before), ("after", moved.after))
    }
    return [
        Section(
            words.difference.format(points=words.numerals.signed(within.points + mix.points)),
            [
                _points(words.within, within, words),
                _points(words.mix, mix, words),
                Row(words.share.format(place=_place(moved.segment, shared, words)), words.moved.format(**shares)),
            ],
        )
    ]


def _points(label: str, change: Change, words: IncidentWords) -> Row:
    """Return a row with a number of points and its interval."""
    points = words.points.format(points=words.numerals.signed(change.points))
    return Row(label, _with_interval(points, change.low, change.high, words))


def _answers(title: str, score: WindowScore | None, words: IncidentWords) -> list[Section]:
    if score is None:
        return []
    counts = [
        (words.answers, score.n),
        (words.promoters, score.promoters),
        (words.passives, score.passives),
        (words.detractors, score.detractors),
    ]
    rows = [Row(label, words.numerals.count(number)) for label, number in counts]
    return [Section(title, [*_nps(score, words), *rows])]


def _nps(score: WindowScore, words: IncidentWords) -> list[Row]:
    if score.nps is None:
        return []
    text = words.numerals.signed(score.nps)
    if score.low is not None and score.high is not None:
        text = _with_interval(text, score.low, score.high, words)
    return [Row(words.nps, words.indicative.format(nps=text) if score.indicative else text)]


def _with_interval(value: str, low: float, high: float, words: IncidentWords) -> str:
    signed = words.numerals.signed
    return words.interval.format(value=value, low=signed(low), high=signed(high))


def _is_indicative(incident: Incident) -> bool:
    return any(
        score.nps is not None and score.indicative
        for score in (incident.before, incident.after, incident.further)
        if score
    )
