"""The detractor alerting worker."""
