"""Who gets an alert or an incident, and when: receivers, the tree of routes, and calendars. Pure."""
