"""From an alert to a mail: routing, composing, retrying (pure), and the channels that send."""
