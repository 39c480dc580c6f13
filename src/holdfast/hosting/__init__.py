"""How an app becomes running processes: a supervisor with its workers and duties, and the keeper of a web server."""
