"""From an alert or an incident to who hears of it, and when: planning, which is pure, and the channels that send."""
