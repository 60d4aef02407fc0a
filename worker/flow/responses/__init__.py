"""The road of a response: validated, compared with the customer's history, decided. Read road.py."""
