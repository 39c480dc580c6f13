"""How an app becomes running processes: a supervisor with its workers and duties, the keeper of a web server, or all of them."""
