"""The page of an incident's mail: what happened to the segment, since when, and by how much. Pure.

The names of segments come from the publishers of responses, so they are as untrusted as a customer's texts.
"""

from schemas.incident import Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.scores import WindowScore
from worker.notify.content.incident_words import INCIDENT_WORDS, IncidentText, IncidentWords
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import COLOURS, OVER, Page, Row, Section, field, subject
from worker.notify.content.readers import Readers

#: The largest number of ancestors that are named: as many as a path of eight names has, including the root.
_ANCESTORS = 8
#: The largest number of further segments that are named.
_ALSO = 8


def incident_page(incident: Incident, readers: Readers) -> Page:
    """Return the page in the readers' or the default language, as an incident is not about one customer's answer."""
    language = readers.language_of(None)
    shared, words = WORDS[language], INCIDENT_WORDS[language]
    severity = shared.severities[incident.severity]
    over = incident.action == IncidentAction.RESOLVED
    wording, place = _wording(incident, words), _subject_of(incident, shared, words)
    headline = wording.headline.format(**_from_to(incident, words, decimals=0))
    is_number = incident.kind == IncidentKind.TOO_MANY_SEGMENTS  # of all segments, whose path says nothing
    return Page(
        template="incident",
        language=language,
        subject=subject(
            f"[{_tag(incident, shared, words)}] {headline}" + ("" if is_number else f"{shared.colon}{place}")
        ),
        headline=headline,
        why=wording.sentence.format(
            place=place, also=_also(incident, shared, words), **_from_to(incident, words, decimals=1)
        ),
        colour=OVER if over else COLOURS[incident.severity],
        sections=[
            _facts(incident, shared, words, readers),
            *_answers(words.before, incident.before, words),
            *_answers(words.after, incident.after, words),
        ],
        more={
            "label": words.resolved if over else f"{shared.severity}{shared.colon}{severity}",
            "explained": "" if over else _explained(incident, shared, words),
            "hint": words.hint if _is_indicative(incident) else "",
        },
    )


def _tag(incident: Incident, shared: Words, words: IncidentWords) -> str:
    match incident.action:
        case IncidentAction.OPENED:
            return shared.tags[incident.severity]
        case IncidentAction.RESOLVED:
            return words.resolved
        case _:  # a step that this version has no words for
            return words.updated


def _wording(incident: Incident, words: IncidentWords) -> IncidentText:
    has_numbers = bool(_from_to(incident, words, decimals=0))
    if incident.reason in (IncidentReason.NPS_FELL, IncidentReason.MIX_CHANGED) and not has_numbers:
        return words.fell
    if incident.source is not None and incident.reason in words.sources:
        return words.sources[incident.reason]
    unknown = words.over if incident.action == IncidentAction.RESOLVED else words.something
    return words.news.get(incident.reason, unknown)


def _from_to(incident: Incident, words: IncidentWords, *, decimals: int) -> dict[str, str]:
    """Return the formatted NPS before and after, for placeholders; an empty dictionary if one of them is not known."""
    before, after = incident.before, incident.after
    if before is None or before.nps is None or after is None or after.nps is None:
        return {}
    signed = words.numerals.signed
    return {"before": signed(before.nps, decimals), "after": signed(after.nps, decimals)}


def _subject_of(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return what an incident is about: the name of a source, or the path of a segment or survey."""
    if incident.source is not None:
        return field(incident.source) or shared.not_given
    return _place(incident.segment, shared, words)


def _place(path: str, shared: Words, words: IncidentWords) -> str:
    """Return a segment's path. The root, and a path without visible characters, are described in words."""
    return (field(path) or shared.not_given) if path else words.everything


def _also(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return the further segments that an incident is about, with a word before them; empty if there are none."""
    names = [_place(path, shared, words) for path in incident.also[:_ALSO]]
    return words.also.format(segments=", ".join(names)) if names else ""


def _explained(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return a paragraph that says more: what is to be done, or which other segments the incident explains."""
    if incident.kind == IncidentKind.TOO_MANY_SEGMENTS:
        return words.advice
    if incident.kind == IncidentKind.NO_RESPONSES and (incident.source is not None or not incident.segment):
        return words.check_tool
    return " ".join(
        text
        for text in (
            _moved(incident, shared, words),
            "" if incident.hidden_in is None else words.hidden.format(place=_place(incident.hidden_in, shared, words)),
            _ancestors(incident, shared, words),
        )
        if text
    )


def _moved(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return whose share of the answers changed, if this made the NPS fall."""
    moved = incident.moved
    if moved is None or incident.reason != IncidentReason.MIX_CHANGED:
        return ""
    shares = {
        "before": words.numerals.count(round(100 * moved.before)),
        "after": words.numerals.count(round(100 * moved.after)),
    }
    return words.moved.format(place=_place(moved.segment, shared, words), **shares)


def _ancestors(incident: Incident, shared: Words, words: IncidentWords) -> str:
    """Return which other segments the incident explains."""
    if not incident.explains:
        return ""
    *others, last = [_place(path, shared, words) for path in incident.explains[:_ANCESTORS]]
    if not others:
        return words.explains_one.format(ancestors=last)
    return words.explains_several.format(ancestors=f"{words.comma.join(others)}{words.and_}{last}")


def _facts(incident: Incident, shared: Words, words: IncidentWords, readers: Readers) -> Section:
    is_silence = incident.kind == IncidentKind.NO_RESPONSES
    rows = [Row(words.last_answer if is_silence else words.since, readers.moment(shared)(incident.since))]
    if incident.source is not None:
        rows.insert(0, Row(words.source, _subject_of(incident, shared, words)))
    elif incident.kind != IncidentKind.TOO_MANY_SEGMENTS:
        rows.insert(0, Row(shared.place, _place(incident.segment, shared, words)))
    for label, number in ((words.segments, incident.segments), (words.most, incident.most)):
        if number is not None:
            rows.append(Row(label, words.numerals.count(number)))
    if incident.example is not None:
        rows.append(Row(words.example, field(incident.example) or shared.not_given))
    if incident.expected is not None:
        rows.append(Row(words.expected, words.numerals.amount(incident.expected)))
    if (change := incident.change) is not None:
        points = words.points.format(points=words.numerals.signed(change.points))
        rows.append(Row(words.change, _with_interval(points, change.low, change.high, words)))
    # The two parts are worth a line if the mix of the answers has to do with the change.
    if incident.moved is not None and incident.within is not None and incident.mix is not None:
        for label, part in ((words.within, incident.within), (words.mix, incident.mix)):
            points = words.points.format(points=words.numerals.signed(part.points))
            rows.append(Row(label, _with_interval(points, part.low, part.high, words)))
    return Section(words.facts, rows)


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
    return any(score.nps is not None and score.indicative for score in (incident.before, incident.after) if score)
