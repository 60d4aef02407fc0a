"""NPS arithmetic: exact, additive, without clock or I/O."""
