"""What a command asks: a store or a server, behind one protocol."""
