"""How facts are kept: the protocol that every store fulfils, the gateway that groups commits, and the backends."""
