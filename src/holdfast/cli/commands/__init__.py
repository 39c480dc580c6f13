"""The groups of commands: thin modules that declare options, each beside the module that does the work and is imported
only when the command runs."""
