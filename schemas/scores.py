"""The scores: a segment's NPS over each window, each with its size and its uncertainty."""

from pydantic import Field

from schemas.base import AwareDatetime, Event


class WindowScore(Event):
    """The scores of one window. NPS, low and high are in points, from -100 to 100, and null if nobody answered."""

    n: int = Field(description="The number of answers.")
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    low: float | None = Field(
        description="The lower end of the 95 % interval. It assumes that answers differ by chance alone: if whole days "
        "differ as well, the level around which they differ may lie outside more often."
    )
    high: float | None = Field(description="The upper end of this interval.")
    indicative: bool = Field(description="Whether there are fewer than 30 answers, so that the NPS is only a hint.")


class SmoothedScore(Event):
    """An NPS in which the weight of an answer is halved for each half-life of its age."""

    nps: float
    low: float = Field(description="The lower end of the 95 % interval, with the assumption of that of a window.")
    high: float = Field(description="The upper end of this interval.")
    n_eff: float = Field(description="The number of equally weighted answers that would give the same certainty.")
    half_life_days: int = Field(description="The time in which the segment gets 81 answers: from 7 to 90 days.")


class TrendScore(Event):
    """The slope of a line through the last complete weeks: 13 to 52 of them, the more the fewer answers there are."""

    direction: str = Field(
        description="'rising', 'falling' or 'steady' if the weeks show it, otherwise 'unclear'; words may be added. A "
        "word stays until there is clear evidence against it, so that it does not change from week to week."
    )
    change: float = Field(description="The change of the NPS, in points per 30 days.")
    low: float = Field(
        description="The lower end of the 95 % interval of this change, which includes the scatter of weeks."
    )
    high: float = Field(description="The upper end of this interval.")


class SuspectGaming(Event):
    """A question to ask, not an accusation: the share of promoters jumped in this segment alone. Shares are 0 to 1."""

    reason: str = Field(description="'promoters_jumped_here_alone'; words may be added.")
    since: AwareDatetime = Field(
        description="The answers of the two weeks from here on are compared with those of the 76 days before."
    )
    n: int = Field(description="The number of answers of this segment since then.")
    promoters_before: float = Field(description="The share of promoters among this segment's answers before.")
    promoters_since: float = Field(description="The share of promoters among this segment's answers since then.")
    beside_before: float = Field(description="The share of promoters among the parent's other answers before.")
    beside_since: float = Field(description="The share of promoters among the parent's other answers since then.")


class SuspectScale(Event):
    """A question to ask: a survey whose scores all lie between two bounds probably asks on a scale of its own."""

    lowest: int = Field(description="The lowest score of the scale that the answers suggest.")
    highest: int = Field(description="The highest score of this scale.")
    n: int = Field(description="The number of answers to the survey, at least 50. All of them are on this scale.")


class Scores(Event):
    """The scores of a segment. The record's key is the segment's path, which is empty for the root segment."""

    segment: str
    as_of: AwareDatetime = Field(
        description="The end of the time windows: the time of the newest answer, or of a later tick that changed any "
        "of this."
    )
    histogram: list[int] = Field(description="The number of answers of all time for each score from 0 to 10.")
    windows: dict[str, WindowScore]
    smoothed: SmoothedScore | None = Field(default=None, description="Null if nobody answered within ten half-lives.")
    trend: TrendScore | None = Field(
        default=None,
        description="Null if fewer than five complete weeks have answers, or if these are fewer than 30.",
    )
    survey_id: str | None = Field(
        default=None,
        description="The survey's id, if these are the scores of a survey. `segment` is then `/survey/` and this id.",
    )
    suspect_gaming: SuspectGaming | None = Field(
        default=None, description="A sign that answers were asked for in person; null without such a sign."
    )
    latest_per_customer: dict[str, WindowScore] | None = Field(
        default=None,
        description="Windows in which each customer counts once, by the latest answer: 'all', '30d', '90d', '365d'. A "
        "window is missing if it begins before the worker counted in this way. Null if all of them are missing.",
    )
    suspect_scale: SuspectScale | None = Field(
        default=None,
        description="For a survey: a sign that its answers were given on a scale from 1 to 5, so that happy customers "
        "count as detractors; null without such a sign.",
    )
