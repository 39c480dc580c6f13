"""Holdfast as a contestant: the public API, the command line and REST, in the default durability."""
