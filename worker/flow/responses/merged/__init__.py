"""Responses whose parts come one after the other, since their tool sends each question alone."""
