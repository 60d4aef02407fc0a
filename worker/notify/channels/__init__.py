"""One channel per file: its settings, its sending, its errors."""
