"""`python -m worker import` reads files: which rows they have, how these are read, and what is refused."""
