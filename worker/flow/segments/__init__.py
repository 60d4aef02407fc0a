"""The road of a tally: scores are counted by segment and survey. Read road.py."""
