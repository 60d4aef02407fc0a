"""`python -m worker import`: a file's rows, and what they become. Pure, except file.py, rejected.py and table.py."""
