"""`python -m worker replay`: which notices another configuration would have caused. Pure, except command.py."""
