"""The silences: who wants which notices to be held back, until when and why."""
