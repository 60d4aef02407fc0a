"""The messages that the roads send each other, as records of internal topics."""
