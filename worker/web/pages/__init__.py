"""What each page shows: one module for each page, with plain functions that ask the board and do no I/O."""
