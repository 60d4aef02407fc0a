"""Links by which a person acts on an alert without a login: their signatures, and what they still stand for. Pure."""
