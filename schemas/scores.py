"""The scores: a segment's NPS over each window, each with its size and its uncertainty."""

from pydantic import Field

from schemas.base import AwareDatetime, Event


class WindowScore(Event):
    """One window. NPS and bounds are in points, from -100 to 100, null when nobody answered."""

    n: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    low: float | None = Field(description="Lower end of the 95 % adjusted-Wald interval.")
    high: float | None = Field(description="Upper end.")
    indicative: bool = Field(description="Fewer than 30 answers: read it as a hint.")


class SmoothedScore(Event):
    """The answers, each weighing half as much for every half-life of its age."""

    nps: float
    low: float = Field(description="Lower end of the 95 % adjusted-Wald interval.")
    high: float = Field(description="Upper end.")
    n_eff: float = Field(description="So many equally weighted answers would be as sure.")
    half_life_days: int = Field(description="Time for 81 answers, from 7 days to 90.")


class TrendScore(Event):
    """Where the score goes: the slope of a line through the answers, weighted like the smoothed score."""

    direction: str = Field(
        description="'rising', 'falling' or 'steady' if the interval says so, else 'unclear'; words may be added."
    )
    change: float = Field(description="Points per 30 days.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end.")


class SuspectGaming(Event):
    """A question to ask, and no accusation: promoters appeared in this segment alone. Shares are from 0 to 1."""

    reason: str = Field(description="'promoters_jumped_here_alone'; words may be added.")
    since: AwareDatetime = Field(description="Two weeks of answers from here on are held against 76 days before.")
    n: int = Field(description="Answers of this segment since then.")
    promoters_before: float
    promoters_since: float
    beside_before: float = Field(description="The promoters' share among the parent's other answers, before.")
    beside_since: float


class SuspectScale(Event):
    """A question to ask: a survey whose scores all lie between two bounds probably asks on a scale of its own."""

    lowest: int = Field(description="The lowest score of the scale that the answers suggest.")
    highest: int = Field(description="Its highest score.")
    n: int = Field(description="Answers to the survey, at least 50; none of them lies outside the scale.")


class Scores(Event):
    """A segment's windows. The record's key is the segment's path; the root's is empty."""

    segment: str
    as_of: AwareDatetime = Field(
        description="Where time windows end: at the newest answer, or at the last later tick that changed any of this."
    )
    histogram: list[int] = Field(description="All-time answers per score, 0 to 10; adds up exactly over segments.")
    windows: dict[str, WindowScore]
    smoothed: SmoothedScore | None = Field(default=None, description="Null when nobody answered within ten half-lives.")
    trend: TrendScore | None = Field(default=None, description="Null below two weeks, or below 30 answers' worth.")
    survey_id: str | None = Field(
        default=None, description="The survey, where `segment` is `/survey/` and its id: all answers to it."
    )
    suspect_gaming: SuspectGaming | None = Field(
        default=None, description="What looks like answers that were asked for in person; null without such a sign."
    )
    latest_per_customer: dict[str, WindowScore] | None = Field(
        default=None,
        description="Windows in which each customer counts once, by the latest answer: 'all', '30d', '90d', '365d'. A "
        "window that reaches back before the worker counted so is missing; null where there is none yet.",
    )
    suspect_scale: SuspectScale | None = Field(
        default=None,
        description="Of a survey: its answers look as if they were given on a scale from 1 to 5, so that happy "
        "customers count as detractors; null without such a sign.",
    )
