"""The rules. Each rule is one file with one function from facts to a ruling. Another rule is a file and a line here."""

from worker.flow.responses.rules.detractor_alert import detractor_alert
from worker.flow.responses.rules.review_invitation import review_invitation
from worker.flow.responses.rules.suspect_gaming import suspect_gaming

RULES = (detractor_alert, review_invitation, suspect_gaming)
