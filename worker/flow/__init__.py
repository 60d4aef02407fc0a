"""The road of a response, without Faust, clock or I/O. `road.py` is the page to read first."""
