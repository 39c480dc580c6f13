"""How work is executed: claim, run, settle, and stay alive while doing so."""
