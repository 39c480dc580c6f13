"""What can be asked of the system: the one desk for programs, REST, pages and the command line."""
