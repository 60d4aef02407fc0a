"""Generators: each writes a part of the repository that follows from the code."""
