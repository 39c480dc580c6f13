"""How an app becomes running processes: supervisors of worker processes and of the web server, maintenance tasks."""
