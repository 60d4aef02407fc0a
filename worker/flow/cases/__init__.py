"""The road of a case: what people do about an alert, and what follows from the alert's own steps. Read road.py."""
