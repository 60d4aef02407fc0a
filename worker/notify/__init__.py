"""Who gets an alert or an incident, and when: the planning, which is pure, and the channels that send."""
