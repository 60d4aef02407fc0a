"""What the page shows, made from the events that the role web reads: scores, cases, decisions and more. Pure."""
