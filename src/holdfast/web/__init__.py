"""This room is what people and programs see over HTTP."""
