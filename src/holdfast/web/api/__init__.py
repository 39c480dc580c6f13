"""The REST API, all of it through the client."""
