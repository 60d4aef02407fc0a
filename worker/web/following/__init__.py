"""How the board is filled: each topic that the page shows is followed without a consumer group."""
