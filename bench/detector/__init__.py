"""How well the worker's statistics do on answers whose truth is known. `make detector` prints the figures."""
