"""What the roads tell each other, as records of internal topics."""
