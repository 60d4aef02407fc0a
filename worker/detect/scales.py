"""Whether answers look as if they were given on another scale than 0 to 10.

On a scale from 1 to 5 the happiest customers count as detractors. Of 50 customers who answer on a scale from 0 to 10,
hardly ever does nobody choose 0 or 6 to 10.
"""

from worker.nps.histogram import Histogram

#: The scale that is looked for: its lowest and its highest score.
LOWEST, HIGHEST = 1, 5
#: Fewer answers say nothing.
_LEAST = 50


def answers_on_short_scale(histogram: Histogram) -> int:
    """Return the number of answers if all of them lie on the scale and there are enough; otherwise 0."""
    n = sum(histogram)
    return n if n >= _LEAST and n == sum(histogram[LOWEST : HIGHEST + 1]) else 0
