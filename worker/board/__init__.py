"""What the page shows, made from the events that the role web reads: scores and their history, cases, decisions. Pure."""
