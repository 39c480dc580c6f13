"""Live updates: one hub that polls the store for all watchers, and the transports of their messages."""
