"""How long-lived parts are configured, wake each other, start and stop."""
