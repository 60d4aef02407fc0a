"""What the page shows, computed from the events that the role web reads: scores, their history, cases, reasons. Pure."""
