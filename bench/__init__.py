"""How fast the worker is, beside others on the same topic: `make bench`."""
