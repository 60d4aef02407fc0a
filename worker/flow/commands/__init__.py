"""The road of an alert command: it is checked, and moved to the topic of the cases. Read road.py."""
