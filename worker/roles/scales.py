"""A warning about surveys whose scores seem to come from another scale than 0 to 10."""

import logging

from worker.detect.scales import HIGHEST, LOWEST
from worker.flow.batch import Decided

log = logging.getLogger(__name__)


def warned_of_scales(decided: Decided) -> Decided:
    """Return `decided` after a warning about each survey that it names. The rest of the batch is treated likewise.

    The survey's row keeps that it was found, so the warning is repeated only if the worker is killed before the row is
    written.
    """
    for survey_id in decided.on_short_scale:
        log.warning(
            "All answers to survey %s are from %d to %d. Scores must be from 0 to 10: if the survey asks on a scale "
            "from %d to %d, its happiest customers count as detractors, and each of them raises an alert.",
            survey_id,
            *(LOWEST, HIGHEST) * 2,
        )
    rest = decided.rest
    return decided if rest is None else decided._replace(rest=lambda: warned_of_scales(rest()))
