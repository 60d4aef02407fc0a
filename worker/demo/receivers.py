"""Who gets what in the demo: with a result, a desk gets everything; live, a lead gets digests and escalations too.

What the lead gets depends on time, so a result would not always be the same with it.
"""

from typing import Any

from schemas.alert import Severity
from worker.routing.receiver import ReceiverSettings
from worker.routing.service_level import EscalationStep, ServiceLevel
from worker.routing.tree import RootRoute, Route
from worker.settings import EmailSettings

#: The names of the receivers in the live demo.
SUPPORT, LEAD = "support", "lead"
#: The address of the desk.
SUPPORT_ADDRESS = "support@example.com"
#: How soon somebody has to acknowledge a critical alert, in seconds: so soon that one can watch it escalate.
ACKNOWLEDGE_SECONDS = 30.0
#: How long the first alert of the lead's first digest waits for others, and the time between two digests, in seconds.
DIGEST_WAIT_SECONDS, DIGEST_INTERVAL_SECONDS = 20.0, 30.0
_SENDER = "nps-worker@example.com"


def desk() -> dict[str, Any]:
    """Return the settings of one desk that gets a mail about each alert."""
    return {"email": EmailSettings(sender=_SENDER, to=[SUPPORT_ADDRESS])}


def desk_and_lead() -> dict[str, Any]:
    """Return the settings of a desk that gets a mail about each alert, and of its lead.

    The lead gets the critical alerts that nobody acknowledges in time, and the others in digests.
    """
    escalating = ServiceLevel(
        acknowledge_within_minutes=ACKNOWLEDGE_SECONDS / 60, escalation=[EscalationStep(receivers=[LEAD])]
    )
    critical = Route(
        name="critical",
        kinds=["detractor"],  # an incident has no case, and so cannot escalate
        min_severity=Severity.CRITICAL,
        receivers=[SUPPORT],
        service_level="urgent",
    )
    lead = ReceiverSettings(
        email=["lead@example.com"],
        language="en",  # that of the screen, as the lead gets digests about customers of all languages
        group_wait_seconds=DIGEST_WAIT_SECONDS,
        group_interval_seconds=DIGEST_INTERVAL_SECONDS,
    )
    return {
        "email": EmailSettings(sender=_SENDER),
        "receivers": {SUPPORT: ReceiverSettings(email=[SUPPORT_ADDRESS]), LEAD: lead},
        "service_levels": {"urgent": escalating},
        "route": RootRoute(receivers=[SUPPORT, LEAD], routes=[critical]),
    }
