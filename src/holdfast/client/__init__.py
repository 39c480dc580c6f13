"""What can be asked of the system: by programs, REST, pages and the command line."""
