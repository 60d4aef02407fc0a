"""One channel per folder: its settings, its layout, its sending, its errors."""
