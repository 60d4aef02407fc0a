"""The closed loop in figures: how long the work on alerts takes, and how many customers recover."""
