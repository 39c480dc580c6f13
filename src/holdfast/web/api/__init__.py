"""This room is the REST API: what programs ask over HTTP, all of it through the client's desk."""
