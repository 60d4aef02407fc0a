"""Whether answers look as if they were given on another scale than 0 to 10.

If the survey asks on a scale from 1 to 5, its happiest customers count as detractors. Of 50 customers who answer on a
scale from 0 to 10, nearly always somebody chooses 0, or one of 6 to 10.
"""

from worker.nps.histogram import Histogram

#: The scale that is looked for: its lowest and its highest score.
LOWEST, HIGHEST = 1, 5
#: Fewer answers than this say nothing about the scale.
_LEAST = 50


def answers_on_short_scale(histogram: Histogram) -> int:
    """Return the number of answers if there are enough and all of them lie on the short scale; otherwise 0."""
    n = sum(histogram)
    return n if n >= _LEAST and n == sum(histogram[LOWEST : HIGHEST + 1]) else 0
