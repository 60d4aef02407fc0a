"""The road of an hourly report: the tree is watched over, and incidents are opened and ended. Read road.py."""
